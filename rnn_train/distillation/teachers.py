"""What exported character models expect after every character of a text, for another to learn.

Their geometric mean is a better answer than any one of them gives, a little better than the
arithmetic one, and says more than the one character that did follow (Hinton et al., 2015,
"Distilling the knowledge in a neural network").
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.runtime.streams import chunk_length
from rnn_train.data.streams import ArrayRing
from rnn_train.errors import DataError, RunError
from rnn_train.files import replacing
from rnn_train.progress import progress_bar

_STREAMS = 32
_CONTEXT = 256
"""Characters before each stream that are read for the state alone."""
_ANSWER = np.dtype("<f2")
"""Probabilities as they lie on disk."""


class Teachers:
    """Character models from files, which have one vocabulary."""

    def __init__(
        self, files: Sequence[Path], device: Device = "cpu", threads: int | None = None
    ) -> None:
        """Loads them.

        Args:
            files: exported models, at least one.

        Raises:
            ModelFileError, DeviceError: see `Stepper.open`.
            DataError: one is a classifier, or has another vocabulary than the first.
        """
        self._steppers = [Stepper.open(f, device=device, threads=threads or 1) for f in files]
        for stepper in self._steppers:
            if stepper.file.metadata.kind != "charlm":
                raise DataError(f"{stepper.file.path} is no character model and cannot teach one")
        first = self._steppers[0].file.metadata
        self.vocabulary = first.vocabulary
        self.unknown = first.text.unknown
        for path, stepper in zip(files, self._steppers, strict=True):
            own = stepper.file.metadata
            if (own.vocabulary, own.text.unknown) != (self.vocabulary, self.unknown):
                raise DataError(
                    f"{path} has another vocabulary than {files[0]}: teachers must have been "
                    "trained on the same characters"
                )

    def answer(self, tokens: NDArray[np.integer], path: Path) -> None:
        """Writes what they expect after each token of a text, to be read by `open_soft_targets`.

        The text is read as a ring in parallel streams. Memory does not grow with it; the file
        does, by two bytes for each character of the vocabulary, for each of the text.

        Args:
            tokens: [characters].
            path: written whole or not at all.

        Raises:
            RunError: there is no room for it.
        """
        width = len(self.vocabulary)
        _check_room(path, len(tokens) * width * _ANSWER.itemsize)
        streams = max(1, min(_STREAMS, len(tokens) // _CONTEXT))
        length = -(-len(tokens) // streams)
        # The last stream would run past the end: it starts earlier, and says some things twice.
        starts = np.minimum(np.arange(streams) * length, len(tokens) - length)
        chunk = chunk_length(self._steppers[0], streams)
        ring = ArrayRing(tokens)
        states = [stepper.zeros(streams) for stepper in self._steppers]
        with (
            replacing(path) as file,
            progress_bar(length * streams, "teachers read", unit=" characters") as bar,
        ):
            for begin in range(-_CONTEXT, length, chunk):
                size = min(chunk, length - begin)
                rows = ring.rows((starts + begin) % len(tokens), size).astype(np.int64)
                mean = np.zeros((streams, size, width), np.float32)
                for i, stepper in enumerate(self._steppers):
                    logits, states[i] = stepper.forward(rows, states[i])
                    # Logits are logarithms but for a constant, which the mean's softmax takes out.
                    mean += logits / len(self._steppers)
                answers = torch.softmax(torch.from_numpy(mean), -1).numpy().astype(_ANSWER)
                for start, row in zip(starts + begin, answers, strict=True):
                    file.seek((start + max(0, -begin)) * width * _ANSWER.itemsize)
                    file.write(row[max(0, -begin) :].tobytes())
                bar.update(streams * max(0, min(size, begin + size)))


def open_soft_targets(path: Path, vocabulary: int) -> NDArray[np.float16]:
    """Probabilities [characters, vocabulary] of what follows each, memory-mapped."""
    return np.memmap(path, _ANSWER, "r").reshape(-1, vocabulary)


def _check_room(path: Path, size: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise RunError(
            f"cannot write {path}: the teachers' answers take {size / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free; give a --run folder elsewhere, or less data"
        )
