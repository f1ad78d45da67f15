"""Labelled texts: CSV and TSV tables, JSON lines, and folders of one file a label."""

import csv
import hashlib
import io
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from rnn_infer.text.tables import columns
from rnn_train.data.datasets import LABELLED_SETS, SURNAMES
from rnn_train.data.sources import TextFile, expand
from rnn_train.errors import DataError

MIN_ROWS = 20
NORMALIZATION: Literal["NFC"] = "NFC"
"""In which form a classifier reads texts, and in which two texts are the same."""


@dataclass(frozen=True)
class Rows:
    """Labelled texts."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def sha256(self) -> str:
        """Hash of all rows, in order."""
        digest = hashlib.sha256()
        for text, label in zip(self.texts, self.labels, strict=True):
            digest.update(f"{text}\0{label}\n".encode())
        return digest.hexdigest()

    def plus(self, other: "Rows") -> "Rows":
        """These rows, then the other's."""
        return Rows(self.texts + other.texts, self.labels + other.labels)

    def take(self, indices: Sequence[int]) -> "Rows":
        """The rows at `indices`."""
        return Rows(tuple(self.texts[i] for i in indices), tuple(self.labels[i] for i in indices))


def load_rows(sources: Sequence[str]) -> Rows:
    """Reads rows to train on. Sources: as in `read_rows`.

    Raises:
        DataError: as `read_rows`; or there are too few rows, or fewer than two labels.
    """
    rows = read_rows(sources)
    if len(rows) < MIN_ROWS:
        raise DataError(f"{sources[0]}: {len(rows)} rows; at least {MIN_ROWS} are needed")
    if len(set(rows.labels)) < 2:
        raise DataError(
            f"{sources[0]}: all rows have the label {rows.labels[0]!r}; two or more are needed"
        )
    return rows


def read_rows(sources: Sequence[str]) -> Rows:
    """Reads labelled sources: a named set, a `.csv`, `.tsv` or `.jsonl` file, or a folder of
    `<label>.txt` files with one text a line.

    Raises:
        DataError: a source is missing or malformed (names file and line), or holds no rows.
    """
    pairs: list[tuple[str, str]] = []
    for source in sources:
        path = SURNAMES if source in LABELLED_SETS else expand(source)
        pairs += _folder(path) if path.is_dir() else _file(path)
    if not pairs:
        raise DataError(f"{sources[0]}: holds 0 rows; at least one is needed")
    return Rows(tuple(text for text, _ in pairs), tuple(label for _, label in pairs))


def split_rows(rows: Rows, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Training and held-out rows: each label in its share, and no text on both sides.

    Rows of one text, in whatever Unicode form, go together (to the side drawn for the text's
    most frequent label), or a model would be judged on texts that it has learnt.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, text in enumerate(rows.texts):
        groups[normal(text)].append(index)
    by_label: dict[str, list[list[int]]] = defaultdict(list)
    for members in groups.values():
        label = Counter(rows.labels[i] for i in members).most_common(1)[0][0]
        by_label[label].append(members)
    random = np.random.default_rng(seed)
    train: list[int] = []
    held: list[int] = []
    for label in sorted(by_label):
        texts = [by_label[label][i] for i in random.permutation(len(by_label[label]))]
        count = round(len(texts) * fraction)
        held += [i for members in texts[:count] for i in members]
        train += [i for members in texts[count:] for i in members]
    return rows.take(sorted(train)), rows.take(sorted(held))


def normal(text: str) -> str:
    """A text in the form in which a classifier reads it."""
    return unicodedata.normalize(NORMALIZATION, text)


def describe(rows: Rows) -> list[str]:
    """Warnings on repeated texts and on texts with several labels."""
    labels: dict[str, set[str]] = defaultdict(set)
    for text, label in zip(rows.texts, rows.labels, strict=True):
        labels[normal(text)].add(label)
    warnings = []
    if repeated := len(rows) - len(labels):
        warnings.append(f"{repeated} rows repeat a text; repeats stay on one side of the split")
    contradictory = [text for text, found in labels.items() if len(found) > 1]
    if contradictory:
        shown = ", ".join(map(repr, contradictory[:3])) + (", …" if contradictory[3:] else "")
        warnings.append(f"{len(contradictory)} texts carry more than one label ({shown})")
    return warnings


def _file(path: Path) -> Iterator[tuple[str, str]]:
    readers: dict[str, Callable[[str, Path], Iterator[tuple[str, str]]]] = {
        ".csv": _table,
        ".tsv": _table,
        ".jsonl": _json_lines,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: labelled data is a .csv, .tsv or .jsonl file, a folder of <label>.txt files "
            f"or a named set ({', '.join(LABELLED_SETS)})"
        )
    if not path.is_file():
        raise DataError(f"{path}: no such file; name several with several --data")
    text = "".join(TextFile(path).chunks())
    if not text.strip():
        raise DataError(f"{path}: is empty")
    return reader(text, path)


def _folder(path: Path) -> Iterator[tuple[str, str]]:
    files = sorted(path.glob("*.txt"))
    if not files:
        raise DataError(f"{path}: the folder holds no <label>.txt files")
    for file in files:
        for line in "".join(TextFile(file).chunks()).splitlines():
            if line.strip():
                yield line.strip(), file.stem


def _table(text: str, path: Path) -> Iterator[tuple[str, str]]:
    rows = _cells(text, path)
    first = rows[0][1]
    text_column, label_column = columns(first)
    if label_column is not None and text_column is not None:
        del rows[0]
    elif len(first) != 2 or label_column is not None or text_column is not None:
        # One known name alone may be half a header or a row: asking is better than guessing.
        raise DataError(
            f"{path}: line 1: {len(first)} columns; give two (text, label) or a header with "
            "'text' and 'label'"
        )
    else:
        text_column, label_column = 0, 1
    for line, row in rows:
        if len(row) != len(first):
            raise DataError(
                f"{path}: line {line}: {len(row)} columns where line 1 has {len(first)}"
            )
        yield _row(row[text_column], row[label_column], path, line)


def _cells(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """All rows that are not blank, each with the line it ends on."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    limit = csv.field_size_limit(len(text) + 1)  # a text may be a whole book
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from None
    finally:
        csv.field_size_limit(limit)


def _json_lines(text: str, path: Path) -> Iterator[tuple[str, str]]:
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            value = json.loads(content)
            given = value["text"], value["label"]
        except (ValueError, KeyError, TypeError, RecursionError):
            given = (None, None)
        if not all(isinstance(each, str) for each in given):
            raise DataError(
                f'{path}: line {line}: expected {{"text": "…", "label": "…"}} with two strings'
            )
        yield _row(*given, path, line)


def _row(text: str, label: str, path: Path, line: int) -> tuple[str, str]:
    text, label = text.strip(), label.strip()
    if not label:
        raise DataError(f"{path}: line {line}: the label is empty")
    if not text:
        raise DataError(f"{path}: line {line}: the text is empty")
    if any("\ud800" <= char <= "\udfff" for char in text + label):
        raise DataError(f"{path}: line {line}: half a surrogate pair (\\ud800 to \\udfff)")
    return text, label
