"""A classifier's rows in its run folder: split into training and held-out rows."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rnn_train.data.alphabet import Alphabet
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.label_names import alike_warnings, unmeasured_warnings
from rnn_train.data.labelled import check_trainable
from rnn_train.data.row_store import ROW_FILES, RowWriter, open_rows, row_writer, write_rows
from rnn_train.data.row_stream import RowStream
from rnn_train.data.rows import Rows
from rnn_train.data.split import (
    best_possible_accuracy,
    describe,
    held_out_side,
    repetitions,
)
from rnn_train.errors import DataError
from rnn_train.progress import Log
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training.run import Run
from rnn_train.wording import counted

_OLD_ROWS = "rows.jsonl"
"""File of all rows in the folder of an older version."""
_EXAMPLES = 3


@dataclass(frozen=True)
class ClassifierData:
    """Labelled rows, split, and the alphabet of the training rows."""

    train: EncodedRows = field(compare=False)
    held_out: EncodedRows = field(compare=False)
    alphabet: Alphabet
    warnings: tuple[str, ...] = ()
    """About rows that repeat or contradict each other, and about the labels."""
    best_possible_accuracy: float | None = None
    """See `split.best_possible_accuracy`, of the held-out rows. None: it is not known, or no
    held-out text has several labels."""
    overlap: float = 0.0
    """Share of the held-out rows whose text training rows have too, 0 to 1."""

    def log_prior(self, balance: float) -> tuple[float, ...]:
        """Log-prior of each label that is left in the model's logits.

        Training with `balance` removes that share of it. So `prior` 1 at inference means equally
        frequent labels for every model.
        """
        return tuple((1 - balance) * each for each in self.alphabet.log_prior(self.train))


def store_data(
    run: Run,
    request: ClassifierRequest,
    earlier: Alphabet | None = None,
    log: Log | None = None,
) -> ClassifierData:
    """Reads and splits the rows, and writes them into a run folder, in one pass.

    Memory takes some bytes for each row, whatever the length of its text.

    Args:
        request: names the rows.
        earlier: alphabet of a warm start; None: there is none.
        log: takes a line about each source.

    Raises:
        DataError: the rows cannot be used, or only held-out rows have some label.
        RunError: the folder has no room.
    """
    sources = sources_of(request)
    with row_writer(run.folder, request.max_length) as (writer, codes):
        count = _add(writer, RowStream(sources, request.table), log)
        if request.val_data:
            _add(writer, RowStream([request.val_data], request.table), log)
        _, labels, keys = writer.rows()
        if request.val_data:
            held_out = np.arange(len(labels)) >= count
        else:
            held_out = held_out_side(keys, labels, request.fraction, request.seed)
        _check_texts(sources[0], keys[:count], writer)
        _check_labels(writer.names, labels, held_out, earlier)
        repeated, contradictory = repetitions(keys, labels)
        facts = {
            "repeated": repeated,
            "overlap": float(np.isin(keys[held_out], keys[~held_out]).mean())
            if request.val_data  # a split of ours has no text on both sides
            else 0.0,
            "split": not request.val_data,
            "contradictory": len(contradictory),
            "examples": writer.texts(contradictory[:_EXAMPLES]),
            "best": best_possible_accuracy(keys[held_out], labels[held_out])
            if held_out.any()
            else None,
            "cut": {"rows": writer.cut, "longest": writer.longest, "to": request.max_length},
        }
        write_rows(run.folder, writer, codes, held_out, facts)
    data = open_data(run)
    return replace(data, alphabet=earlier.with_rows(data.train)) if earlier else data


def open_data(run: Run, alphabet: Alphabet | None = None) -> ClassifierData:
    """Opens the rows of a run folder.

    Args:
        run: the run folder.
        alphabet: of a warm start; None: that of the training rows.

    Raises:
        KeyError, TypeError, ValueError, OSError: the folder is damaged.
    """
    if not (run.folder / ROW_FILES[0]).exists():
        return _open_old(run, alphabet)
    train, held_out, facts = open_rows(run.folder)
    best = None if facts.get("best") == 1 else facts.get("best")
    warnings = describe(
        facts["repeated"],
        facts["contradictory"],
        facts["examples"],
        best,
        split=facts.get("split", True),
    )
    warnings += _cut_warnings(facts.get("cut", {"rows": 0}), len(train) + len(held_out))
    warnings += alike_warnings(train.names)
    warnings += unmeasured_warnings(train.names, train.label_counts(), held_out.label_counts())
    return ClassifierData(
        train,
        held_out,
        alphabet or Alphabet.of(train),
        tuple(warnings),
        best,
        facts.get("overlap", 0.0),
    )


def nothing_held_out(rows: EncodedRows, fraction: float) -> str:
    """Returns the warning that no label has enough texts for a share of them to be held out.

    Args:
        rows: all rows, of which none is held out.
        fraction: the share.
    """
    _, first = np.unique(rows.keys(), return_index=True)
    texts = int(np.bincount(rows.indices[first]).max())
    if texts < 2:
        return (
            "every text has a label of its own, so nothing can be held out and nothing is "
            "measured; a classifier learns from several texts of each label: name the column of "
            "the label with --label-column, or give --val-data"
        )
    enough = math.ceil(100 * 0.501 / texts) / 100  # half a text more, and it is one
    return (
        f"no label has enough texts to hold a share of {fraction:g} of them out; give "
        f"--val-fraction {enough:g} or more, or --val-data"
    )


def sources_of(request: ClassifierRequest) -> Sequence[str]:
    """Returns the sources of the request, or the default set."""
    return request.data or ("surnames",)


def _add(writer: RowWriter, stream: RowStream, log: Log | None) -> int:
    """Adds the rows of sources that belong together, and returns their number."""
    labels: dict[str, None] = {}

    def noted() -> Iterator[tuple[str, str]]:
        for pair in stream:
            labels.setdefault(pair[1])
            yield pair

    count = writer.add(noted())
    check_trainable(stream.sources[0], count, list(labels))
    if log is not None:
        for line in stream.report():
            log(line)
    return count


def _check_texts(source: str, keys: NDArray[np.uint64], writer: RowWriter) -> None:
    """Raises `DataError` if all rows have the same text, of which nothing can be learnt."""
    if (keys == keys[0]).all():
        (text,) = writer.texts(np.zeros(1, np.int64))
        raise DataError(
            f"{source}: all rows have the text {text!r}; two texts or more are needed; if "
            "another column holds the texts, name it with --text-column"
        )


def _check_labels(
    names: Sequence[str],
    labels: NDArray[np.int64],
    held_out: NDArray[np.bool_],
    earlier: Alphabet | None,
) -> None:
    """Raises `DataError` if neither training rows nor an earlier model have a label."""
    trained = np.bincount(labels[~held_out], minlength=len(names))
    known = set(earlier.labels if earlier else ())
    if new := [
        name for name, rows in zip(names, trained, strict=True) if not rows and name not in known
    ]:
        raise DataError(f"only held-out rows have the label {new[0]!r}; add training rows with it")


def _cut_warnings(cut: Mapping[str, int], rows: int) -> list[str]:
    """Returns a warning if `max_length` has cut rows."""
    if not cut["rows"]:
        return []
    return [
        f"cut to their first {counted(cut['to'], 'character')}: {cut['rows']:,} of {rows:,} rows "
        f"({cut['rows'] / rows:.1%}; the longest has {cut['longest']:,}); the held-out figures are "
        "of cut rows, and the finished model reads whole texts"
    ]


def _open_old(run: Run, alphabet: Alphabet | None) -> ClassifierData:
    """Opens the rows of a folder that an older version has written."""
    sides: dict[str, list[tuple[str, str]]] = {"train": [], "held_out": []}
    for line in (run.folder / _OLD_ROWS).read_text("utf-8").strip().split("\n"):
        row = json.loads(line)
        sides[row["side"]].append((row["text"], row["label"]))
    train, held_out = (
        EncodedRows.of(Rows(tuple(text for text, _ in pairs), tuple(label for _, label in pairs)))
        for pairs in sides.values()
    )
    return ClassifierData(train, held_out, alphabet or Alphabet.of(train))
