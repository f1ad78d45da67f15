"""Rows of JSON files: objects on lines, or in one array."""

import json
from collections.abc import Iterator
from typing import Any

from rnn_infer.errors import TableError
from rnn_infer.tables.lines import MAX_CHARACTERS, Numbered

Object = dict[str, Any]
ObjectRows = Iterator[tuple[int, Object]]
"""Objects, each with the number of its line, or of its place in the array from 1."""
_SHAPE = 'expected {"text": "…"}'


def line_objects(lines: Numbered, name: str) -> ObjectRows:
    """Read one object a line. Lines without content are no rows.

    Args:
        lines: the lines, with their numbers.
        name: of the file, for messages.

    Raises:
        TableError: a line is no object. The message names it.
    """
    for number, line in lines:
        if not line or line.isspace():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if type(found) is not dict:
            raise TableError(f"{name}: line {number}: {_SHAPE}, one object a line")
        yield number, found


def array_objects(chunks: Iterator[str], name: str) -> ObjectRows:
    """Read the objects of one array, without holding all of it.

    Args:
        chunks: the text of the file.
        name: of the file, for messages.

    Raises:
        TableError: the file is no array of objects. The message names the place in the array.
    """
    decode = json.JSONDecoder().raw_decode
    buffer = _Buffer(chunks)
    buffer.take("[")
    number = 1
    if buffer.take("]"):
        return
    while True:
        found = _object(buffer, decode, number, name)
        yield number, found
        if buffer.take("]"):
            break
        if not buffer.take(","):
            raise TableError(f"{name}: object {number}: no comma and no ] follows; repair the file")
        number += 1
    if buffer.peek():
        raise TableError(f"{name}: text follows the array, after object {number}; repair the file")


class _Buffer:
    """The part of a text that is not read yet."""

    def __init__(self, chunks: Iterator[str]) -> None:
        self._chunks = chunks
        self.text = ""
        self.at = 0

    def peek(self) -> str:
        """Skip white space, and return the next character; empty at the end."""
        while True:
            while self.text[self.at : self.at + 1] in (" ", "\n", "\t", "\r"):
                self.at += 1
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def take(self, character: str) -> bool:
        """Skip white space and this character, if it comes next."""
        found = self.peek() == character
        self.at += found
        return found

    def more(self) -> bool:
        """Read at least as much again as is left. Return whether anything came."""
        left, pieces = self.text[self.at :], list[str]()
        size = 0
        for piece in self._chunks:
            pieces.append(piece)
            size += len(piece)
            if size > len(left):
                break
        self.text, self.at = left + "".join(pieces), 0
        return size > 0


def _object(buffer: _Buffer, decode: Any, number: int, name: str) -> Object:
    buffer.peek()
    while True:
        try:
            found, end = decode(buffer.text, buffer.at)
        except (ValueError, RecursionError):
            # It may only be cut by the end of what was read.
            if len(buffer.text) - buffer.at < MAX_CHARACTERS and buffer.more():
                continue
            found = None
        if type(found) is not dict:
            raise TableError(f"{name}: object {number}: {_SHAPE}")
        buffer.at = end
        return found
