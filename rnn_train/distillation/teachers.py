"""Exported character models as teachers: their soft targets after each character of a text.

The soft targets are the arithmetic mean of the teachers' probabilities. A student learns more from
it than from the true next character alone (Hinton et al., 2015, "Distilling the knowledge in a
neural network"), and more than from the geometric mean, which takes away what only one of the
teachers expects; see `benchmarks.charlm_ideas`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_infer.runtime.device import Device
from rnn_infer.runtime.reading import chunk_length
from rnn_infer.runtime.stepper import Stepper
from rnn_train.data.held_out import documents_of
from rnn_train.data.streams import ArrayRing
from rnn_train.distillation.row_targets import check_room
from rnn_train.errors import DataError
from rnn_train.files import replacing
from rnn_train.progress import progress_bar

_STREAMS = 32
_DOCUMENTS = 256
"""Documents that are read at once, at most."""
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

    def check_mark(self, mark: str | None) -> None:
        """Checks that the models read a text as the run does.

        Args:
            mark: character between documents; None: the text is one stream.

        Raises:
            DataError: a model was trained on other documents, or on a stream.
        """
        for stepper in self._steppers:
            charlm = stepper.file.metadata.charlm
            own = charlm.end if charlm else None
            if own == mark:
                continue
            path = stepper.file.path
            if own is None:
                raise DataError(
                    f"{path} was not trained on documents; give teachers that were trained with "
                    "the same --documents, or drop --documents"
                )
            kind = "line" if own == "\n" else "file"
            raise DataError(f"{path} was trained on documents; give --documents {kind} here too")

    def write_soft_targets(
        self, tokens: NDArray[np.integer], path: Path, mark: int | None = None
    ) -> None:
        """Writes the soft targets after each token of a text; `open_soft_targets` reads them.

        The teachers read the text in parallel streams, as a ring: the last character stands before
        the first. Documents they read each from the zero state. Memory does not grow with the
        text. The file takes 2 bytes for each character and each token of the vocabulary.

        Args:
            tokens: the text, [characters].
            path: of the file, which is written whole or not at all.
            mark: token between documents; None: there are no documents. After the last mark, which
                begins no document, the soft targets are zero.

        Raises:
            RunError: the disk has no room for it.
        """
        item = len(self.vocabulary) * _PROBABILITY.itemsize
        check_room(path.parent, len(tokens) * item)
        readings = [_streams(len(tokens))] if mark is None else _documents(tokens, mark)
        total = sum(int(each.lengths.sum()) for each in readings)
        with (
            replacing(path) as file,
            progress_bar(total, "teachers read", unit=" characters") as bar,
        ):
            file.truncate(len(tokens) * item)
            for reading in readings:
                for read in self._write(reading, ArrayRing(tokens), file):
                    bar.update(read)

    def _write(self, reading: "_Reading", ring: ArrayRing, file: IO[bytes]) -> Iterator[int]:
        """Writes the soft targets of some rows, and yields how many at a time."""
        width = len(self.vocabulary)
        starts, lengths, longest = reading.starts, reading.lengths, int(reading.lengths[0])
        chunk = chunk_length(self._steppers[0], len(starts))
        states = [stepper.zeros(len(starts)) for stepper in self._steppers]
        for begin in range(-reading.context, longest, chunk):
            size = min(chunk, longest - begin)
            going = int(np.count_nonzero(lengths > begin))
            starts, lengths = starts[:going], lengths[:going]
            rows = ring.rows((starts + begin) % len(ring), size).astype(np.int64)
            mean = np.zeros((going, size, width), np.float32)
            for i, stepper in enumerate(self._steppers):
                before = tuple(each[:going] for each in states[i])
                logits, states[i] = stepper.forward(rows, before)
                mean += torch.softmax(torch.from_numpy(logits), -1).numpy()
            targets = (mean / len(self._steppers)).astype(_PROBABILITY)
            first, ends = max(0, -begin), np.minimum(lengths - begin, size)
            for start, end, row in zip(starts + begin, ends, targets, strict=True):
                file.seek((start + first) * width * _PROBABILITY.itemsize)
                file.write(row[first:end].tobytes())
            yield int(np.maximum(ends - first, 0).sum())


@dataclass(frozen=True)
class _Reading:
    """Rows that are read together."""

    starts: NDArray[np.int64]
    """Place of each row's first character, [rows]."""
    lengths: NDArray[np.int64]
    """Characters of each row, the longest first, [rows]."""
    context: int = 0
    """Characters before each row that set its hidden state."""


def _streams(characters: int) -> _Reading:
    """Cuts a text into parallel streams."""
    streams = max(1, min(_STREAMS, characters // _CONTEXT))
    length = -(-characters // streams)
    # The last stream would exceed the end, so it starts earlier and repeats some targets.
    starts = np.minimum(np.arange(streams) * length, characters - length)
    return _Reading(starts, np.full(streams, length), _CONTEXT)


def _documents(tokens: NDArray[np.integer], mark: int) -> list[_Reading]:
    """Groups documents of about the same length. Each is read from the mark before it."""
    documents = documents_of(tokens, mark)
    lengths = documents[:, 1] - documents[:, 0]
    order = np.argsort(-lengths, kind="stable")
    groups = [order[i : i + _DOCUMENTS] for i in range(0, len(order), _DOCUMENTS)]
    return [_Reading(documents[group, 0], lengths[group]) for group in groups]


def open_soft_targets(path: Path, vocabulary: int) -> NDArray[np.float16]:
    """Opens soft targets, memory-mapped.

    Args:
        path: of a file that `Teachers.write_soft_targets` has written.
        vocabulary: number of tokens.

    Returns:
        Probabilities of the next character after each character, [characters, vocabulary].
    """
    return np.memmap(path, _PROBABILITY, "r").reshape(-1, vocabulary)
