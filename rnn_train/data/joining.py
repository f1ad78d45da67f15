"""How the files of a text are joined: into one text, or into documents with a mark around each."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from rnn_train.data.sources import TextFile
from rnn_train.errors import DataError

Documents = Literal["line", "file"]
"""What a document is: a line of a text, or a whole file."""
LINE_MARK, FILE_MARK = "\n", "\x03"
"""Mark before and after each document. A file has line ends, so its mark is the control character
"end of text"."""


class Chunk(NamedTuple):
    """A part of the joined text."""

    text: str
    begins: bool
    """Whether it is the first part of a file."""


@dataclass(frozen=True, kw_only=True)
class Joining:
    """How the files of a text are joined."""

    separator: str | None = None
    """Text between two files. None: a line end, if the first of the two does not end with one."""
    documents: Documents | None = None
    """What a document is. None: the files are one text."""

    @property
    def mark(self) -> str | None:
        """The character before and after each document; None: there are no documents."""
        return {"line": LINE_MARK, "file": FILE_MARK, None: None}[self.documents]

    def read(self, files: Sequence[TextFile]) -> Iterator[Chunk]:
        """Reads and joins files. The use of memory does not depend on their length.

        Documents that are empty are left out.

        Args:
            files: in this order.

        Raises:
            DataError: a file cannot be read, or has the mark of documents in it.
        """
        match self.documents:
            case "line":
                return _lines(files)
            case "file":
                return _whole_files(files)
        return _joined(files, self.separator)


def _joined(files: Sequence[TextFile], separator: str | None) -> Iterator[Chunk]:
    last = ""
    for file in files:
        begins = True
        for text in filter(None, file.chunks()):
            if begins and last:
                between = separator
                if between is None:
                    between = "" if last == "\n" else "\n"
                if between:
                    yield Chunk(between, begins=False)
            yield Chunk(text, begins)
            begins, last = False, text[-1]


def _lines(files: Sequence[TextFile]) -> Iterator[Chunk]:
    yield Chunk(LINE_MARK, begins=False)
    last = LINE_MARK
    for chunk in _joined(files, None):
        text = re.sub("\n{2,}", LINE_MARK, chunk.text)
        if last == LINE_MARK:
            text = text.removeprefix(LINE_MARK)
        if text:
            yield Chunk(text, chunk.begins)
            last = text[-1]
    if last != LINE_MARK:
        yield Chunk(LINE_MARK, begins=False)


def _whole_files(files: Sequence[TextFile]) -> Iterator[Chunk]:
    for file in files:
        begins = True
        for text in filter(None, file.chunks()):
            if FILE_MARK in text:
                raise DataError(
                    f"{file.path}: has the control character {FILE_MARK!r}, which marks the end of "
                    "a document; remove it"
                )
            if begins:
                yield Chunk(FILE_MARK, begins=True)
            yield Chunk(text, begins=False)
            begins = False
    yield Chunk(FILE_MARK, begins=False)
