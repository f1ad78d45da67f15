"""The layout of JSON objects: which keys hold the text and the label."""

from collections.abc import Sequence
from typing import Any

from rnn_infer.errors import TableError
from rnn_infer.tables.column_facts import ColumnFacts
from rnn_infer.tables.json_rows import Object
from rnn_infer.tables.layout import Question, choose, no_column, position_of, unclear


def find_keys(
    objects: Sequence[Object], question: Question, place: str
) -> tuple[str, str | None, tuple[str, ...]]:
    """Find the keys of text and label.

    Args:
        objects: the first objects, at least one.
        question: what to look for.
        place: of the first object, for messages.

    Returns:
        The key of the text; the key of the label, or None; and all keys.

    Raises:
        TableError: there is no such key, or it is not clear which one is meant.
    """
    keys = list(dict.fromkeys(key for each in objects for key in each))
    asked = (question.options.text_column, question.options.label_column)
    text, label = (_asked(question, each, keys) for each in asked)
    if len(keys) < (2 if question.labelled else 1):
        expected = '{"text": "…", "label": "…"}' if question.labelled else '{"text": "…"}'
        raise TableError(f"{place}: expected {expected}")
    if question.labelled or text is None:
        columns = [ColumnFacts.of([_shown(each.get(key)) for each in objects]) for key in keys]
        try:
            text, label = choose(keys, columns, question, text, label)
        except LookupError as error:
            rows = [keys, *([_shown(each.get(key)) for key in keys] for each in objects)]
            raise unclear(question.name, str(error.args[0]), rows) from None
    return keys[text], None if label is None else keys[label], tuple(keys)


def _asked(question: Question, asked: Any, keys: list[str]) -> int | None:
    if asked is None:
        return None
    if isinstance(asked, int) or (position := position_of(asked, keys)) is None:
        raise no_column(question.name, str(asked), keys)
    return position


def _shown(value: Any) -> str:
    """Return a value as a cell. An array or an object is neither text nor label."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, bool | int | float) else ""
