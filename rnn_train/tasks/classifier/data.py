"""A classifier's rows in its run folder: split into training and held-out rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from rnn_train.data.alphabet import Alphabet
from rnn_train.data.labelled import load_rows
from rnn_train.data.rows import Rows
from rnn_train.data.split import split_rows
from rnn_train.errors import DataError
from rnn_train.files import write_bytes
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training.run import Run

_ROWS = "rows.jsonl"


@dataclass(frozen=True)
class ClassifierData:
    """Labelled rows, split, and the alphabet of the training rows."""

    train: Rows
    held_out: Rows
    alphabet: Alphabet

    def log_prior(self, balance: float) -> tuple[float, ...]:
        """Log-prior of each label that is left in the model's logits.

        Training with `balance` removes that share of it. So `prior` 1 at inference means equally
        frequent labels for every model.
        """
        return tuple((1 - balance) * each for each in self.alphabet.log_prior(self.train))


def read_data(request: ClassifierRequest, earlier: Alphabet | None = None) -> ClassifierData:
    """Reads and splits the rows.

    Args:
        request: names the rows.
        earlier: alphabet of a warm start; None: there is none.

    Raises:
        DataError: the rows cannot be used, or only held-out rows have some label.
    """
    rows = load_rows(sources_of(request))
    if request.val_data:
        train, held_out = rows, load_rows([request.val_data])
    else:
        train, held_out = split_rows(rows, request.fraction, request.seed)
    alphabet = earlier.with_rows(train) if earlier else Alphabet.of(train)
    if new := sorted(set(held_out.labels) - set(alphabet.labels)):
        raise DataError(f"only held-out rows have the label {new[0]!r}; add training rows with it")
    return ClassifierData(train, held_out, alphabet)


def sources_of(request: ClassifierRequest) -> Sequence[str]:
    """Returns the sources of the request, or the default set."""
    return request.data or ("surnames",)


def write_data(run: Run, data: ClassifierData) -> None:
    """Writes training and held-out rows into a run folder."""
    lines = [
        json.dumps({"side": side, "text": text, "label": label}, ensure_ascii=False)
        for side, rows in (("train", data.train), ("held_out", data.held_out))
        for text, label in zip(rows.texts, rows.labels, strict=True)
    ]
    write_bytes(run.folder / _ROWS, ("\n".join(lines) + "\n").encode())


def open_data(run: Run, alphabet: Alphabet | None = None) -> ClassifierData:
    """Reads what `write_data` wrote.

    Args:
        run: the run folder.
        alphabet: of a warm start; None: that of the training rows.
    """
    sides: dict[str, list[tuple[str, str]]] = {"train": [], "held_out": []}
    for line in (run.folder / _ROWS).read_text("utf-8").splitlines():
        row = json.loads(line)
        sides[row["side"]].append((row["text"], row["label"]))
    train, held_out = (
        Rows(tuple(text for text, _ in pairs), tuple(label for _, label in pairs))
        for pairs in sides.values()
    )
    return ClassifierData(train, held_out, alphabet or Alphabet.of(train))
