"""Folders of labelled texts: one file for each label, or one folder for each label."""

from collections.abc import Iterator
from pathlib import Path

from rnn_infer.errors import because
from rnn_infer.tables.lines import Progress, read_chunks
from rnn_infer.tables.options import TableOptions
from rnn_infer.tables.table import Table
from rnn_train.errors import DataError
from rnn_train.files import names

_TABLES = (".csv", ".tsv", ".jsonl", ".json")


def folder_rows(
    folder: Path, encoding: str | None = None, progress: Progress | None = None
) -> Iterator[tuple[str, str]]:
    """Reads a folder of labelled texts.

    It holds one file `<label>.txt` for each label, with one text on each line; or one folder
    `<label>` for each label, with one text in each `.txt` file. Hidden files are not read.

    Args:
        folder: the folder.
        encoding: of its files; None: UTF-8.
        progress: is told the number of bytes that were read since its last call.

    Yields:
        Text and label. The text of an empty line or file is empty.

    Raises:
        DataError: the folder has neither layout, or both; or it holds such folders.
        TableError: a file cannot be read. The message names file and line.
    """
    files, folders = _parts(folder)
    sides = _sides(folder)
    if sides and len(files) < 2 and set(folders) <= set(sides):
        raise DataError(_with_sides(folder, [each.name for each in sides]))
    if files and folders:
        raise DataError(
            f"{folder}: holds files ({files[0].name}, …) and folders of texts "
            f"({folders[0].name}/, …); leave one file or one folder a label, and move the rest away"
        )
    if not files and not folders:
        raise DataError(_nothing(folder))
    options = TableOptions(format="lines", encoding=encoding)
    for file in files:
        for row in Table.open(file, options, progress=progress):
            yield row.text, file.stem
    for each in folders:
        for file in _texts(each):
            yield _whole_text(file, encoding, progress), each.name


def folder_size(folder: Path) -> int:
    """Returns the number of bytes of the files that `folder_rows` reads."""
    files, folders = _parts(folder)
    return sum(
        path.stat().st_size
        for path in (*files, *(file for each in folders for file in _texts(each)))
    )


def _texts(folder: Path) -> list[Path]:
    paths = [folder / name for name in names(folder) if name.endswith(".txt")]
    return [each for each in paths if each.is_file() and _visible(each)]


def _visible(path: Path) -> bool:
    return not path.name.startswith(".")


def _parts(folder: Path) -> tuple[list[Path], list[Path]]:
    paths = [folder / name for name in names(folder)]
    folders = [each for each in paths if each.is_dir() and _visible(each)]
    return _texts(folder), [each for each in folders if _texts(each)]


def _sides(folder: Path) -> list[Path]:
    """Returns the folders in a folder that hold one folder for each label: train/ and test/."""
    paths = [folder / name for name in names(folder)]
    return [each for each in paths if each.is_dir() and _visible(each) and _parts(each)[1]]


def _with_sides(folder: Path, sides: list[str]) -> str:
    train = "train" if "train" in sides else sides[0]
    held_out = next((each for each in ("test", "val", "valid", "dev") if each in sides), None)
    more = f" --val-data {folder / held_out}" if held_out and held_out != train else ""
    return (
        f"{folder}: its folders hold no texts but folders ({', '.join(sides)}); name one of them: "
        f"--data {folder / train}{more}"
    )


def _whole_text(path: Path, encoding: str | None, progress: Progress | None) -> str:
    try:
        with path.open("rb") as stream:
            return "".join(read_chunks(stream, str(path), encoding, progress)).strip()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {because(error)}") from error


def _nothing(folder: Path) -> str:
    tables = sorted(
        each.name for each in map(Path, names(folder)) if each.suffix.lower() in _TABLES
    )
    if tables:
        return f"{folder}: the folder holds tables ({tables[0]}, …); name each with --data"
    return (
        f"{folder}: the folder holds no <label>.txt files and no <label>/*.txt; add one file or "
        "one folder for each label"
    )
