"""Which column holds the text, and which the label, told by what the columns hold.

A label has few values that come again and again. A text is nearly always another one.
"""

from collections.abc import Collection, Sequence

from rnn_infer.tables.column_facts import ColumnFacts

Columns = Sequence[ColumnFacts]
_CLEAR = 3
"""How many times more values, or longer cells, make the difference between two columns clear."""
_FEW_ROWS = 20
"""With fewer rows, how often values come again says little."""


def find_labels(columns: Columns, known: Collection[str]) -> int | None:
    """Return the column whose values are labels of a model, or None.

    Args:
        columns: facts about each column.
        known: all labels of the model.
    """
    found = [
        i
        for i, facts in enumerate(columns)
        if facts.used and sum(facts.counts[label] for label in known) >= 0.95 * facts.filled
    ]
    return found[0] if len(found) == 1 else None


def find_text_and_label(columns: Columns, text: int | None, label: int | None) -> tuple[int, int]:
    """Choose the columns of a table to learn from.

    Args:
        columns: facts about each column.
        text, label: positions that are known already.

    Raises:
        LookupError: it is not clear. The message names the role, "text" or "label".
    """
    free = [i for i, facts in enumerate(columns) if facts.used and i not in (text, label)]
    if text is None and label is None and len(free) == 2:
        return _two(columns, *free)
    if text is None:
        others = [i for i in free if not _is_few(columns[i])]
        text = _text_of(columns, others if label is None else others or free)
    if label is None:
        label = _label_of(columns, text, [i for i in free if i != text])
    return text, label


def find_text(columns: Columns, label: int | None) -> int:
    """Choose the text column of a table to classify. Without a difference it is the first one.

    Args:
        columns: facts about each column.
        label: position of the label, if it is known.

    Raises:
        LookupError: it is not clear.
    """
    used = [i for i, facts in enumerate(columns) if facts.used and i != label]
    if not used:
        return 0 if label != 0 or len(columns) == 1 else 1
    best = min(columns[i].rank for i in used)
    used = [i for i in used if columns[i].rank == best]
    varied = [i for i in used if not _is_few(columns[i])] or used
    first = varied[0]
    if all(_not_below(columns[first], columns[i]) for i in varied[1:]):
        return first
    return _text_of(columns, varied)


def is_label(facts: ColumnFacts) -> bool:
    """Return whether a column can be one of labels: its values come again."""
    return facts.filled < _FEW_ROWS or facts.distinct * 2 <= facts.filled


def _two(columns: Columns, first: int, second: int) -> tuple[int, int]:
    a, b = columns[first], columns[second]
    if a.distinct >= _CLEAR * b.distinct:
        return first, second
    if b.distinct >= _CLEAR * a.distinct:
        return second, first
    # Text before label is the documented order, so a small difference is enough, or none.
    agree = a.distinct >= b.distinct or a.filled < _FEW_ROWS
    if agree and a.rank <= b.rank and is_label(b):
        return first, second
    raise LookupError("label")


def _text_of(columns: Columns, free: Sequence[int]) -> int:
    if not free:
        raise LookupError("text")
    best = min(columns[i].rank for i in free)
    ranked = sorted((i for i in free if columns[i].rank == best), key=lambda i: -columns[i].length)
    if len(ranked) > 1 and columns[ranked[0]].length < _CLEAR * columns[ranked[1]].length:
        raise LookupError("text")
    return ranked[0]


def _label_of(columns: Columns, text: int, free: Sequence[int]) -> int:
    if len(free) == 1 and is_label(columns[free[0]]):
        return free[0]
    few = [i for i in free if _is_few(columns[i])]
    few = [i for i in few if columns[i].distinct > 1] or few
    if len(few) != 1 or few[0] == text:
        raise LookupError("label")
    return few[0]


def _is_few(facts: ColumnFacts) -> bool:
    return facts.filled >= _FEW_ROWS and facts.distinct * 4 <= facts.filled


def _not_below(first: ColumnFacts, other: ColumnFacts) -> bool:
    """Return whether the first column is as varied as another, and not much shorter."""
    return first.distinct >= 0.8 * other.distinct and first.length * _CLEAR >= other.length
