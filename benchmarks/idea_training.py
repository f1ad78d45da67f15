"""Ways to train a character model that the recipe does not use, for `benchmarks.charlm_ideas`."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rnn_train.data.streams import ALL, ArrayRing, Ring, Streams
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.training.optimizers.muon import Muon, orthogonalized

PIECE = 16
"""Windows of a piece of shuffled streams."""
_SHORT = ((4, 0.15), (2, 0.15))
"""The first windows of growing streams: by what the usual length is divided, and for which share of
the text that is read."""
_AHEAD = 0.3
"""Weight of the loss of the character after the next one."""
_RMS = 0.2
"""Root mean square of an update at learning rate 1, as of `Muon`."""


class ShuffledStreams(Streams):
    """Streams of pieces in random order. Each piece is read from the zero state.

    The recipe's streams follow the text, from another random place in each epoch.
    """

    def __init__(self, text: Ring, batch: int, window: int, seed: int) -> None:
        """See `Streams`."""
        super().__init__(text, batch, window, seed)
        self._pieces = max(1, len(text) // (batch * window * PIECE))
        self.windows = self._pieces * PIECE

    def over(self, text: Ring) -> "ShuffledStreams":
        """See `Streams`."""
        return ShuffledStreams(text, self.batch, self._window, self._seed)

    def window(self, step: int, rows: slice = ALL) -> tuple[Any, bool]:
        """See `Streams`. The first window of a piece is read from the zero state."""
        return super().window(step, rows)[0], step % PIECE == 0

    def _starts(self, step: int) -> NDArray[np.integer]:
        epoch, number = divmod(step, self.windows)
        piece, place = divmod(number, PIECE)
        rng = np.random.default_rng((self._seed, epoch))
        offset = int(rng.integers(len(self.text)))
        order = rng.permutation(self.batch * self._pieces).reshape(self._pieces, self.batch)
        starts: NDArray[np.integer] = order[piece] * (PIECE * self._window)
        return (offset + starts + place * self._window) % len(self.text)


class GrowingStreams(Streams):
    """Streams whose windows are short at first. They read the same characters in the same order.

    Li et al., 2022, "The stability-efficiency dilemma: investigating sequence length warmup for
    training GPT models". Here a batch with shorter windows has fewer characters, so the first part
    of the text gives more updates.
    """

    def __init__(self, text: Ring, batch: int, window: int, seed: int, usual: int) -> None:
        """See `Streams`.

        Args:
            text, batch, window, seed: see `Streams`; `window` is the last length.
            usual: windows of that length that would be read in all.
        """
        super().__init__(text, batch, window, seed)
        self._usual = usual
        whole = [(window // factor, factor * round(share * usual)) for factor, share in _SHORT]
        rest = usual - sum(round(share * usual) for _, share in _SHORT)
        self._stages = [*whole, (window, rest)]
        self.steps = sum(count for _, count in self._stages)
        """Windows of all lengths."""

    def over(self, text: Ring) -> "GrowingStreams":
        """See `Streams`."""
        return GrowingStreams(text, self.batch, self._window, self._seed, self._usual)

    def window(self, step: int, rows: slice = ALL) -> tuple[Any, bool]:
        """See `Streams`."""
        place, length = self._place(step)
        epoch, within = divmod(place, self.windows * self._window)
        offset = int(np.random.default_rng((self._seed, epoch)).integers(len(self.text)))
        streams = np.arange(self.batch) * (len(self.text) // self.batch)
        starts = (offset + streams + within) % len(self.text)
        return self.text.rows(starts[rows], length + 1), within == 0

    def _place(self, step: int) -> tuple[int, int]:
        """The characters of a stream before a window, and those of the window."""
        place = 0
        for length, count in self._stages:
            if step < count:
                return place + step * length, length
            place, step = place + count * length, step - count
        raise IndexError("there are no more windows")


class _TwoHeads(nn.Module):
    """A head that keeps what it reads, and a second one for the character after the next."""

    def __init__(self, head: nn.Module, ahead: nn.Module) -> None:
        super().__init__()
        self.head = head
        self.ahead = ahead
        self.seen: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        logits: Tensor = self.head(x)
        return logits


class TwoAhead(CharLMObjective):
    """Also predicts the character after the next one, by a head that the file would not have.

    Gloeckle et al., 2024, "Better & faster large language models via multi-token prediction".
    """

    def __init__(self, task: CharLMTask, device: torch.device) -> None:
        """Gives the task's model a second head, and takes its streams."""
        config = task.model.config
        seen = config.hidden * (config.layers if config.skip else 1)
        self._heads = _TwoHeads(task.model.head, nn.Linear(seen, config.vocabulary))
        task.model.head = self._heads
        super().__init__(task.model, streams_of(task), *_held_out(task), device)

    def loss(self, step: int) -> tuple[Tensor, int]:
        """See `Objective`."""
        loss, characters = super().loss(step)
        seen = self._heads.seen
        assert seen is not None
        logits = self._heads.ahead(seen[:, :-1]).float().flatten(0, 1)
        after_next = self._streams.window(step)[0][:, 2:].flatten()
        return loss + _AHEAD * cross_entropy(logits, after_next), characters


class MuonPerGate(Muon):
    """`Muon` that orthogonalizes the matrix of each of the four gates alone."""

    def _update(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        rate = group["lr"]
        for weight in weights:
            gates = torch.stack(self.smoothed(weight, group["momentum"]).chunk(4))
            update = orthogonalized(gates).flatten(0, 1)
            weight.mul_(1 - rate * group["weight_decay"])
            weight.add_(update, alpha=-rate * _RMS * max(gates.shape[1:]) ** 0.5)


def streams_of(task: CharLMTask) -> Streams:
    """The streams of a task that has no documents."""
    streams = task.data.streams(task.plan.training, task.plan.training.seed)
    assert isinstance(streams, Streams)
    return streams


def objective_over(streams: Streams, task: CharLMTask, device: torch.device) -> CharLMObjective:
    """The objective of a task without teachers, over other streams."""
    return CharLMObjective(task.model, streams, *_held_out(task), device)


def text_of(task: CharLMTask) -> Ring:
    """The training text of a task."""
    return task.data.ring(ArrayRing(task.data.corpus.tokens))


def _held_out(task: CharLMTask) -> tuple[NDArray[np.integer], tuple[str, ...], int]:
    return task.data.held_out, task.data.corpus.vocabulary, task.data.start
