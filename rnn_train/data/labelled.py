"""Sources of labelled texts: named sets, tables, and folders with one file for each label."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rnn_train.data.datasets import LABELLED_SETS, SURNAMES
from rnn_train.data.rows import Rows
from rnn_train.data.sources import TextFile, expand
from rnn_train.data.tables import read_json_lines, read_table
from rnn_train.errors import DataError

MIN_ROWS = 20
"""Fewest rows to train on."""
_READERS: dict[str, Callable[[str, Path], Iterator[tuple[str, str]]]] = {
    ".csv": read_table,
    ".tsv": read_table,
    ".jsonl": read_json_lines,
}


def load_rows(sources: Sequence[str]) -> Rows:
    """Reads rows to train on.

    Args:
        sources: see `read_rows`.

    Raises:
        DataError: see `read_rows`; or there are too few rows, or fewer than two labels.
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
    """Reads labelled texts.

    Args:
        sources: each is a named set; a `.csv`, `.tsv` or `.jsonl` file; or a folder of
            `<label>.txt` files with one text on each line.

    Returns:
        The rows of all sources, in order.

    Raises:
        DataError: a source is missing or malformed (the message names file and line), or there are
            no rows.
    """
    pairs: list[tuple[str, str]] = []
    for source in sources:
        path = SURNAMES if source in LABELLED_SETS else expand(source)
        pairs += _folder_pairs(path) if path.is_dir() else _file_pairs(path)
    if not pairs:
        raise DataError(f"{sources[0]}: holds 0 rows; at least one is needed")
    return Rows(tuple(text for text, _ in pairs), tuple(label for _, label in pairs))


def _file_pairs(path: Path) -> Iterator[tuple[str, str]]:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: labelled data is a .csv, .tsv or .jsonl file, a folder of <label>.txt files "
            f"or a named set ({', '.join(LABELLED_SETS)})"
        )
    if not path.is_file():
        raise DataError(f"{path}: no such file; to name several files, repeat --data")
    text = "".join(TextFile(path).chunks())
    if not text.strip():
        raise DataError(f"{path}: is empty; name a file with labelled texts")
    return reader(text, path)


def _folder_pairs(path: Path) -> Iterator[tuple[str, str]]:
    files = sorted(path.glob("*.txt"))
    if not files:
        raise DataError(f"{path}: the folder holds no <label>.txt files; add one for each label")
    for file in files:
        for line in "".join(TextFile(file).chunks()).splitlines():
            if line.strip():
                yield line.strip(), file.stem
