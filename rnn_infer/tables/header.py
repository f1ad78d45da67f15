"""The first row of a table: a header, or a row like the others."""

import re
from collections.abc import Sequence

from rnn_infer.tables.cells import clean
from rnn_infer.tables.column_facts import ColumnFacts, is_figure
from rnn_infer.tables.names import name_weight

_IDENTIFIER = re.compile(r"[^\W\d]\w*(_\w+)+|[a-z]+[A-Z]\w*|[a-z]{1,3}\d{1,2}")
"""snake_case, camelCase, or a short name with a number, as programs name columns."""
_SENTENCE_END = (".", "!", "?", "…", "。")
_ENOUGH = 10
"""Rows from which on it is remarkable that a label occurs once."""
_SURE, _UNSURE = 3, 2


def is_header(rows: Sequence[Sequence[str]], width: int) -> bool | None:
    """Decide whether the first of some rows is a header, by its looks and by known names.

    Args:
        rows: the first rows of a table, at least one.
        width: cells of a row.

    Returns:
        None: it is not clear.
    """
    first = [clean(cell) for cell in rows[0]]
    if not any(first) or any(map(is_figure, first)):
        return False
    if any(len(cell) > 60 or cell.endswith(_SENTENCE_END) for cell in first):
        return False
    if list(rows[0]) in map(list, rows[1:]) and all(name_weight(cell) for cell in first if cell):
        return True  # two files were joined, each with its header
    below = [
        ColumnFacts.of([row[i] if i < len(row) else "" for row in rows[1:]]) for i in range(width)
    ]
    score = sum(_evidence(cell, facts) for cell, facts in zip(first, below, strict=False) if cell)
    return True if score >= _SURE else None if score == _UNSURE else False


def _evidence(cell: str, below: ColumnFacts) -> int:
    """Return how strongly a cell looks like the name of the column below it."""
    score = name_weight(cell)
    if cell in below.counts:
        score -= 3  # it is a value like the others
    if below.filled >= 2 and below.figures:
        score += 3
    if below.filled >= _ENOUGH:
        once = sum(count == 1 for count in below.counts.values())
        few = below.distinct * 3 <= below.filled and once * 50 <= below.filled
        if few and cell not in below.counts:
            score += 2  # every other value comes again, and this one does not
        if below.words >= 3 and len(cell.split()) <= 2:
            score += 1
        if cell.islower() and all(value[0].isupper() for value in below.counts):
            score += 1
    if below.filled >= 2 and _IDENTIFIER.fullmatch(cell):
        score += 0 if below.share(_IDENTIFIER) else 2
    return score
