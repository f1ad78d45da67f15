"""Dropout for recurrent networks: on inputs, with one mask a sequence; on recurrent weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

from rnn_train.distributed.share import WHOLE, Share

_DRAWN: ContextVar[tuple[Share, int] | None] = ContextVar("_DRAWN", default=None)


@contextmanager
def drawn_for(share: Share, batch: int) -> Iterator[None]:
    """Draw masks for a whole batch while the block runs, and use those of a share.

    So the processes that share a batch drop what one process would drop.

    Args:
        share: the rows that are computed here.
        batch: rows of the whole batch.
    """
    token = _DRAWN.set((share, batch))
    try:
        yield
    finally:
        _DRAWN.reset(token)


def drop_per_sequence(x: Tensor, rate: float, training: bool) -> Tensor:
    """Zero columns of x at random, the same ones at all times of a sequence.

    Gal & Ghahramani, 2016, "A theoretically grounded application of dropout in recurrent neural
    networks".

    Args:
        x: [batch, time, width].
        rate: probability of a zero. The other columns are divided by 1 - rate.
        training: False returns x as it is.
    """
    if not rate or not training:
        return x
    share, batch = _DRAWN.get() or (WHOLE, x.shape[0])
    # A comparison takes a fifth of the time of `torch.bernoulli`.
    kept = torch.rand(batch, 1, x.shape[2], device=x.device)[share.rows] >= rate
    return x * (kept.to(x.dtype) / (1 - rate))


@contextmanager
def dropped_weights(weights: Sequence[nn.Parameter], rate: float) -> Iterator[None]:
    """Zero weights at random while the block runs, for one forward and backward pass.

    Merity et al., 2018, "Regularizing and optimizing LSTM language models" (weight drop). The
    weights change in place and are restored at the end, so they stay in cuDNN's one flat buffer.
    Masked copies would leave it, and cuDNN would then copy all weights at every call.

    Args:
        weights: the recurrent matrices.
        rate: probability of a zero. The other weights are divided by 1 - rate.
    """
    kept = []
    with torch.no_grad():
        for weight in weights:
            mask = (torch.rand_like(weight) >= rate).to(weight.dtype) / (1 - rate)
            kept.append((weight, weight.clone(), mask))
            weight.mul_(mask)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, original, mask in kept:
                weight.copy_(original)
                if weight.grad is not None:
                    weight.grad.mul_(mask)
