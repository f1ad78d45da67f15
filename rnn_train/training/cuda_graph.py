"""CUDA graphs: the passes of a training step are captured once and then replayed.

A training step of small recurrent layers consists of hundreds of short kernels. To launch them one
by one from Python takes longer than to run them. A replay launches all of them at once.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rnn_train.models.cells import State
from rnn_train.models.charlm import CharLSTM

Pass = Callable[[Tensor, State], tuple[Tensor, State]]
"""Takes tokens [batch, time] and the state before them. Returns logits [batch, time, vocabulary]
and the state after the tokens, which has no gradient."""


def available(device: torch.device) -> bool:
    """Whether a device has CUDA graphs."""
    return device.type == "cuda"


def capture(model: CharLSTM, batch: int, window: int, precision: torch.dtype) -> Pass:
    """Captures the forward pass of a model, and its backward pass, for one size of batch.

    Between calls, the weights may change in place. The next call overwrites the outputs and the
    gradients of this one.

    Args:
        model: on CUDA, in training mode.
        batch: sequences in a batch.
        window: characters of a window.
        precision: of the passes.

    Returns:
        The forward pass. Its backward pass is replayed too.

    Raises:
        RuntimeError: torch cannot capture the passes on this machine.
    """
    tokens = torch.zeros(batch, window, dtype=torch.int64, device=model.embedding.weight.device)
    low = precision is not torch.float32
    with (
        # Each replay must convert the weights again: without a cache, capture includes that.
        torch.autocast(tokens.device.type, precision, enabled=low, cache_enabled=False),
        # After a failed capture, torch would stay in the stream of the capture.
        torch.cuda.stream(torch.cuda.current_stream()),
        # Capture draws random masks. In a resumed run this must not change later masks.
        torch.random.fork_rng(devices=[tokens.device] if tokens.is_cuda else []),
        warnings.catch_warnings(),
    ):
        # torch warns that it warms up in another stream than that of the gradients.
        warnings.simplefilter("ignore")
        sample = (tokens, *model.zeros(batch))
        captured: Any = torch.cuda.make_graphed_callables(_Forward(model), sample)

    def replay(tokens: Tensor, state: State) -> tuple[Tensor, State]:
        logits, *after = captured(tokens, *state)
        return logits, tuple(each.detach() for each in after)

    return replay


class _Forward(nn.Module):
    """A forward pass whose inputs and outputs are flat tuples of tensors, as capture needs them."""

    def __init__(self, model: CharLSTM) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        logits, after = self.model(tokens, state)
        # The next window gets this state: in float32, and without a gradient (truncated BPTT).
        return logits, *(each.detach().float() for each in after)
