"""The passes of a training step, recorded as CUDA graphs once and replayed.

A step on small recurrent layers is some hundreds of short kernels: launching them one by one from
Python takes a GPU longer than running them.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rnn_train.models.cells import State
from rnn_train.models.charlm import CharLSTM

Pass = Callable[[Tensor, State], tuple[Tensor, State]]
"""Tokens [batch, time] and a state → logits [batch, time, vocabulary], and the state after them,
without a gradient."""


def possible(device: torch.device) -> bool:
    """Whether a device knows of graphs."""
    return device.type == "cuda"


def record(model: CharLSTM, batch: int, window: int, precision: torch.dtype) -> Pass:
    """A model's forward pass, and its backward pass with it, for one size of batch.

    The weights may change between calls, in place. What a call gives, gradients too, stands until
    the next.

    Args:
        model: on CUDA, in training mode.
        precision: that of the passes.

    Raises:
        RuntimeError: they cannot be recorded here.
    """
    tokens = torch.zeros(batch, window, dtype=torch.int64, device=model.embedding.weight.device)
    low = precision is not torch.float32
    with (
        # A weight's copy in low precision must be made in each replay, not kept from the recording.
        torch.autocast(tokens.device.type, precision, enabled=low, cache_enabled=False),
        # Where recording fails, torch would go on in the stream that was recorded.
        torch.cuda.stream(torch.cuda.current_stream()),
        # It draws masks, and a run that is resumed must draw those of one that never ended.
        torch.random.fork_rng(devices=[tokens.device] if tokens.is_cuda else []),
        warnings.catch_warnings(),
    ):
        # It warms up in a stream of its own, of which the gradients' keepers tell torch ever after.
        warnings.simplefilter("ignore")
        sample = (tokens, *model.zeros(batch))
        recorded: Any = torch.cuda.make_graphed_callables(_Forward(model), sample)

    def replay(tokens: Tensor, state: State) -> tuple[Tensor, State]:
        logits, *after = recorded(tokens, *state)
        return logits, tuple(each.detach() for each in after)

    return replay


class _Forward(nn.Module):
    def __init__(self, model: CharLSTM) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        logits, after = self.model(tokens, state)
        # float32, as the states that come back in are; no gradient goes through them.
        return logits, *(each.detach().float() for each in after)
