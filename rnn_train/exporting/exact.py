"""The exact numbers of a model, and how far rounding may take a file from them.

The model computes once in float64, which counts as exact, and once in float32. The difference of
the two is the rounding that this model has: it grows with the size of its logits and, in a network
that amplifies small changes, from step to step (Higham, 2002, "Accuracy and stability of numerical
algorithms", section 1.6: forward error = condition x backward error). A right file differs from the
exact numbers about as much as float32 does. So the tolerance follows from the model and is no fixed
number.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rnn_infer.errors import check_memory

FLOOR = 2e-5
"""Difference that is always allowed, relative to the largest number (at least 1)."""
FACTOR = 100
"""How many times the rounding of float32 is allowed."""
Numbers = list[NDArray[np.floating]]
"""The logits [batch, time, n], and the states after the last token, each [batch, width]."""


@dataclass(frozen=True)
class Exact:
    """What a model gives for some tokens, and the rounding of float32 beside it."""

    numbers: Numbers
    rounding: Numbers
    """Largest rounding of the logits up to each time [time], and of each state [1]."""

    @classmethod
    def of(cls, model: nn.Module, temperature: float, tokens: NDArray[np.int64]) -> "Exact":
        """Runs a model twice, from the zero state.

        Args:
            model: in float32, on the CPU, in evaluation mode; called as `model(tokens, state)`.
            temperature: divides the logits.
            tokens: [batch, time].
        """
        plain = _run(model, temperature, tokens)
        try:
            numbers = _run(copy.deepcopy(model).double(), temperature, tokens)
        except (RuntimeError, TypeError) as error:
            check_memory(error)
            # A cell of the user that computes in float32 only.
            numbers = plain
        differences = [np.abs(a - b) for a, b in zip(plain, numbers, strict=True)]
        logits, *states = differences
        by_time = np.maximum.accumulate(logits.max((0, 2)))
        return cls(numbers, [by_time, *(each.max(keepdims=True)[0] for each in states)])

    def excess(self, found: list[NDArray[np.float32]]) -> tuple[float, float, float]:
        """Compares the numbers of a file.

        Args:
            found: as `numbers`, in the same order.

        Returns:
            The largest difference; and the difference and the allowed one where they are furthest
            apart. NaN is infinitely far.
        """
        if [each.shape for each in found] != [each.shape for each in self.numbers]:
            return np.inf, np.inf, 0.0
        largest, worst = 0.0, (0.0, 0.0, np.inf)
        for ours, exact, rounding in zip(found, self.numbers, self.rounding, strict=True):
            gap = np.where(np.isnan(ours), np.inf, np.abs(ours - exact))
            gap = gap.max((0, 2)) if gap.ndim == 3 else gap.max(keepdims=True)[0]
            allowed = np.maximum(FLOOR * max(1.0, float(np.abs(exact).max())), FACTOR * rounding)
            at = int((gap / allowed).argmax())
            share = float(gap[at] / allowed[at])
            if share >= worst[0]:
                worst = share, float(gap[at]), float(allowed[at])
            largest = max(largest, float(gap.max()))
        return largest, worst[1], worst[2]


def _run(model: nn.Module, temperature: float, tokens: NDArray[np.int64]) -> Numbers:
    with torch.inference_mode():
        logits, after = model(torch.from_numpy(tokens), model.zeros(len(tokens)))  # type: ignore[operator]
    return [logits.numpy() / temperature, *(each.numpy() for each in after)]
