"""Options of reading a table."""

import codecs
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal, TypedDict, get_args

from rnn_infer.errors import OptionError

Format = Literal["csv", "tsv", "jsonl", "json", "lines"]
"""Layout of a file: a table, JSON objects, or one text a line."""
FORMATS: tuple[Format, ...] = get_args(Format)
Column = str | int
"""A column: its name, or its number from 1."""
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
}
_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


class TableKeywords(TypedDict, total=False):
    """The fields of `TableOptions`, as keywords."""

    format: Format | None
    text_column: Column | None
    label_column: Column | None
    delimiter: str | None
    encoding: str | None
    header: bool | None


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """How a table is read. What is None is found out from the file.

    Raises:
        OptionError: a field has a wrong value, or two do not go together.
    """

    format: Format | None = None
    """Layout of the file. None: as its suffix says; one text a line for another suffix."""
    text_column: Column | None = None
    """Column of the text: its name, or its number from 1."""
    label_column: Column | None = None
    """Column of the label: its name, or its number from 1."""
    delimiter: str | None = None
    """Character between two cells; "tab" is one too. None: a tab in a TSV file; in a CSV file the
    one of `,` `;` `|` and tab that gives all rows the same number of cells."""
    encoding: str | None = None
    """Encoding of the file. None: UTF-8, and nothing else."""
    header: bool | None = None
    """Whether the first row names the columns. None: as it looks."""

    def __post_init__(self) -> None:
        """Checks the fields. A delimiter that is given by name becomes its character."""
        if self.format is not None and self.format not in FORMATS:
            raise OptionError(f"format must be one of {', '.join(FORMATS)}, got {self.format!r}")
        for name in ("text_column", "label_column"):
            _check_column(name, getattr(self, name))
        if self.header not in (None, True, False):
            raise OptionError(f"header must be True, False or None, got {self.header!r}")
        if self.delimiter is not None:
            object.__setattr__(self, "delimiter", _delimiter(self.delimiter))
            if self.format in ("jsonl", "json", "lines"):
                raise OptionError(f"a file of format {self.format} has no delimiter; drop it")
        if self.encoding is not None:
            _check_encoding(self.encoding)

    def format_of(self, name: str) -> Format:
        """Return the format of the file `name`, or of standard input (-)."""
        if self.format is not None:
            return self.format
        known = _SUFFIXES.get(PurePath(name).suffix.lower())
        if known is None and self.delimiter is not None:
            return "csv"
        return known or "lines"


def _check_column(name: str, value: Any) -> None:
    if value is None or (isinstance(value, str) and value.strip()):
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise OptionError(f"{name} must be a name, or a number from 1, got {value!r}")


def _delimiter(value: Any) -> str:
    found = _DELIMITERS.get(value, value) if isinstance(value, str) else ""
    if len(found) != 1 or found in '"\r\n':
        raise OptionError(f"delimiter must be one character, or tab, got {value!r}")
    return found


def _check_encoding(value: Any) -> None:
    try:
        found = codecs.lookup(value)
    except (LookupError, TypeError, ValueError):
        found = None
    # hex, zip and rot13 are codecs of Python too, but no encodings of text.
    if found is None or not getattr(found, "_is_text_encoding", True):
        raise OptionError(f"{value!r} is no encoding; give for instance cp1252 or utf-16")
