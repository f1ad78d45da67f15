"""Ideas that the recipe of the character model does not use, for `benchmarks.charlm_ablation`.

- Arithmetic mean of the teachers' probabilities, in place of the geometric mean. Ensembles in the
  NanoGPT Slowrun (qlabs-eng/slowrun, 2026) gained by it.
- Shuffled streams: the text is cut into pieces, which are dealt to the streams in another order in
  each epoch. The recipe's streams follow the text, from another random place in each epoch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_train.data.streams import ALL, Ring, Streams
from rnn_train.distillation.teachers import Teachers, open_soft_targets

PIECE = 16
"""Windows of a piece of shuffled streams."""


def write_arithmetic_mean(
    teachers: Sequence[Path], tokens: NDArray[np.integer], path: Path
) -> None:
    """Writes soft targets as `Teachers.write_soft_targets` does: the arithmetic mean.

    Args:
        teachers: model files.
        tokens: the text, [characters].
        path: of the soft targets.
    """
    found = []
    for file in teachers:
        reader = Teachers([file])
        reader.write_soft_targets(tokens, path)
        found.append(np.asarray(open_soft_targets(path, len(reader.vocabulary)), np.float32))
    path.write_bytes(np.mean(found, 0).astype("<f2").tobytes())


class ShuffledStreams(Streams):
    """Streams of pieces in random order. Each piece is read from the zero state."""

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
