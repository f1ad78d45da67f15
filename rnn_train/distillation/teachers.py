"""Exported character models as teachers: their soft targets after each character of a text.

The soft targets are the geometric mean of the teachers' probabilities. It is better than each
teacher alone, and slightly better than the arithmetic mean. A student learns more from it than from
the true next character alone (Hinton et al., 2015, "Distilling the knowledge in a neural network").
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_infer.runtime.device import Device
from rnn_infer.runtime.reading import chunk_length
from rnn_infer.runtime.stepper import Stepper
from rnn_train.data.streams import ArrayRing
from rnn_train.errors import DataError, RunError
from rnn_train.files import replacing
from rnn_train.progress import progress_bar

_STREAMS = 32
_CONTEXT = 256
"""Characters before the start of a stream that are read to set its hidden state."""
_PROBABILITY = np.dtype("<f2")
"""Type of a probability on disk."""


class Teachers:
    """Exported character models that share one vocabulary."""

    def __init__(
        self, files: Sequence[Path], device: Device = "cpu", threads: int | None = None
    ) -> None:
        """Loads the models.

        Args:
            files: paths of exported models, at least one.
            device: where they run.
            threads: CPU threads of each call; None: 1.

        Raises:
            ModelFileError, DeviceError: see `Stepper.open`.
            DataError: a file is a classifier, or has another vocabulary than the first file.
        """
        self._steppers = [Stepper.open(f, device=device, threads=threads or 1) for f in files]
        for stepper in self._steppers:
            if stepper.file.metadata.kind != "charlm":
                raise DataError(
                    f"{stepper.file.path} is no character model; give character models as teachers"
                )
        first = self._steppers[0].file.metadata
        self.vocabulary = first.vocabulary
        self.unknown = first.text.unknown
        for path, stepper in zip(files, self._steppers, strict=True):
            own = stepper.file.metadata
            if (own.vocabulary, own.text.unknown) != (self.vocabulary, self.unknown):
                raise DataError(
                    f"{path} has another vocabulary than {files[0]}; give teachers that were "
                    "trained on the same characters"
                )

    def write_soft_targets(self, tokens: NDArray[np.integer], path: Path) -> None:
        """Writes the soft targets after each token of a text; `open_soft_targets` reads them.

        The teachers read the text in parallel streams, as a ring: the last character stands before
        the first. Memory does not grow with the text. The file takes 2 bytes for each character and
        each token of the vocabulary.

        Args:
            tokens: the text, [characters].
            path: of the file, which is written whole or not at all.

        Raises:
            RunError: the disk has no room for it.
        """
        width = len(self.vocabulary)
        item = width * _PROBABILITY.itemsize
        _check_room(path, len(tokens) * item)
        streams = max(1, min(_STREAMS, len(tokens) // _CONTEXT))
        length = -(-len(tokens) // streams)
        # The last stream would exceed the end, so it starts earlier and repeats some targets.
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
                    # Logits are log-probabilities plus a constant, which the softmax removes. So
                    # the mean of logits gives the geometric mean of probabilities.
                    mean += logits / len(self._steppers)
                targets = torch.softmax(torch.from_numpy(mean), -1).numpy().astype(_PROBABILITY)
                context = max(0, -begin)
                for start, row in zip(starts + begin, targets, strict=True):
                    file.seek((start + context) * item)
                    file.write(row[context:].tobytes())
                bar.update(streams * max(0, min(size, begin + size)))


def open_soft_targets(path: Path, vocabulary: int) -> NDArray[np.float16]:
    """Opens soft targets, memory-mapped.

    Args:
        path: of a file that `Teachers.write_soft_targets` has written.
        vocabulary: number of tokens.

    Returns:
        Probabilities of the next character after each character, [characters, vocabulary].
    """
    return np.memmap(path, _PROBABILITY, "r").reshape(-1, vocabulary)


def _check_room(path: Path, size: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise RunError(
            f"cannot write {path}: the soft targets take {size / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free; give a --run folder elsewhere, or less data"
        )
