"""Cells: what a text and a label are, and which cells hold nothing."""

from typing import Any

from rnn_infer.errors import TableError

MISSING = ("\\N", "NULL")
"""Cells of a table that a database writes for a missing value."""


def clean(cell: str) -> str:
    """Return a text without the spaces around it. A missing value is the empty text."""
    cell = cell.strip()
    return "" if cell in MISSING else cell


def json_text(value: Any, place: str) -> str:
    """Return a text of a JSON object. null is the empty text.

    Args:
        value: of the object's key.
        place: file and row, for messages.

    Raises:
        TableError: the value is no text.
    """
    if type(value) is str:
        return whole(value.strip(), place)
    if value is None:
        return ""
    raise TableError(f'{place}: expected {{"text": "…"}}, and the text is {value!r:.40}')


def json_label(value: Any, place: str) -> str:
    """Return a label of a JSON object, as JSON writes it. null is the empty label.

    Args:
        value: of the object's key: a string, a number, true, false or null.
        place: file and row, for messages.

    Raises:
        TableError: the value is an array or an object.
    """
    match value:
        case str():
            return whole(value.strip(), place)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case None:
            return ""
    raise TableError(
        f'{place}: expected {{"text": "…", "label": "…"}}, and the label is {value!r:.40}'
    )


def whole(text: str, place: str) -> str:
    """Refuse half a surrogate pair. JSON can hold one as an escape."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TableError(
            f"{place}: half a surrogate pair (\\ud800 to \\udfff); repair the text"
        ) from None
    return text
