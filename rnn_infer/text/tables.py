"""Tables of texts: find the text and label columns in a header."""

from collections.abc import Sequence

TEXT_COLUMNS = ("text", "name")
"""Names of the text column in a header, in any letter case."""
LABEL_COLUMNS = ("label", "class", "category", "language")
"""Names of the label column in a header, in any letter case."""


def columns(row: Sequence[str]) -> tuple[int | None, int | None]:
    """Return the positions of the text column and of the label column.

    Args:
        row: the cells of a table's first row. It is a header if it names both columns.

    Returns:
        Two positions from 0. None for a column that the row does not name.
    """
    names = [cell.strip().lower() for cell in row]
    text, label = (
        next((names.index(name) for name in known if name in names), None)
        for known in (TEXT_COLUMNS, LABEL_COLUMNS)
    )
    return text, label
