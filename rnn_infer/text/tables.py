"""Tables of texts: what their header, where they have one, says of their columns."""

from collections.abc import Sequence

TEXT_COLUMNS = ("text", "name")
LABEL_COLUMNS = ("label", "class", "category", "language")
"""Names that a header may give the two columns, in any letter case."""


def columns(row: Sequence[str]) -> tuple[int | None, int | None]:
    """Places of text and label, where a row names them. It is a header if it names both."""
    names = [cell.strip().lower() for cell in row]
    text, label = (
        next((names.index(name) for name in known if name in names), None)
        for known in (TEXT_COLUMNS, LABEL_COLUMNS)
    )
    return text, label
