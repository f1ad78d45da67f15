"""The layout of a table: its header, and which columns hold the text and the label."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rnn_infer.errors import TableError
from rnn_infer.tables import roles
from rnn_infer.tables.column_facts import ColumnFacts
from rnn_infer.tables.header import is_header
from rnn_infer.tables.names import LABEL_NAMES, TEXT_NAMES, find_name, normal
from rnn_infer.tables.options import Column, TableOptions

Cells = Sequence[str]
_SHOWN_ROWS, _SHOWN_CELL = 3, 40
_LABEL_WORDS = 3
"""Labels that hardly come again have fewer words, on average."""


@dataclass(frozen=True)
class Layout:
    """Where the parts of a row are."""

    text: int
    """Position of the text, from 0."""
    label: int | None
    """Position of the label, from 0; None: there is none, or none is needed."""
    columns: tuple[str, ...]
    """Name of each column: its number, if the table has no header."""
    header: bool = False
    """Whether the first row names the columns."""

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.columns)


@dataclass(frozen=True)
class Question:
    """What a table is read for."""

    name: str
    """Name of the file, for messages."""
    options: TableOptions
    labelled: bool
    """Whether each row must have a label."""
    known: Collection[str] = ()
    """All labels of a model. A column of them is the label column."""


def find_layout(rows: Sequence[Cells], question: Question) -> Layout:
    """Find the layout of a table of cells.

    Args:
        rows: the first rows, none of them blank; at least one.
        question: what to look for.

    Raises:
        TableError: a column does not exist, or it is not clear how the table is meant.
    """
    header = _has_header(rows, question)
    width = len(rows[0])
    body = rows[1:] if header else rows
    columns = [
        ColumnFacts.of([row[i] if i < len(row) else "" for row in body]) for i in range(width)
    ]
    names = [cell.strip() for cell in rows[0]] if header else []
    if question.labelled and width == 1:
        raise TableError(
            f"{question.name}: 1 column; labelled data has two or more: a text and a label; if "
            f"there is another delimiter, name it with --delimiter; {shown(rows)}"
        )
    text = _asked(question, "text_column", names, width)
    label = _asked(question, "label_column", names, width)
    if text is not None and text == label:
        raise TableError(
            f"{question.name}: column {column_names(names, width)[text]!r} is named for the text "
            "and for the label; name another --text-column or --label-column"
        )
    try:
        text, label = choose(names, columns, question, text, label)
    except LookupError as error:
        raise unclear(question.name, str(error.args[0]), rows) from None
    for option, found in (("text_column", text), ("label_column", label)):
        asked = getattr(question.options, option)
        by_number = isinstance(asked, int) or (asked is not None and asked not in names)
        if found is not None and names and not by_number:
            _refuse_same_name(question.name, names, found, option)
    return Layout(text, label, column_names(names, width), header)


def choose(
    names: list[str],
    columns: Sequence[ColumnFacts],
    question: Question,
    text: int | None,
    label: int | None,
) -> tuple[int, int | None]:
    """Choose the columns that the options leave open: by their names, and by what they hold.

    Args:
        names: of the columns; empty: the table has no header.
        columns: facts about each column.
        question: what to look for.
        text, label: positions that the options give.

    Raises:
        LookupError: it is not clear. The message names the role, "text" or "label".
    """
    given = label is not None
    if text is None and (found := find_name(names, TEXT_NAMES)) != label:
        # A column of figures has another meaning: `comment` can be their number.
        text = found if found is None or columns[found].rank < 2 or len(columns) < 3 else None
    if label is None and (found := find_name(names, LABEL_NAMES)) != text:
        label = found
    if label is None and (found := roles.find_labels(columns, question.known)) != text:
        label = found
    if not question.labelled:
        return (roles.find_text(columns, label) if text is None else text), label
    if text is None or label is None:
        text, label = roles.find_text_and_label(columns, text, label)
    if text == label or not (given or _is_label(label, names, columns)):
        raise LookupError("label")
    return text, label


def _is_label(column: int, names: Sequence[str], columns: Sequence[ColumnFacts]) -> bool:
    """Return whether a column can be one of labels: by its values, or because it is called so.

    Of thousands of labels, hardly one comes again in the first rows. But figures or sentences that
    never come again are no labels, whatever they are called.
    """
    facts = columns[column]
    called = bool(names) and normal(names[column]) == LABEL_NAMES[0]
    short = facts.rank < 2 and facts.words < _LABEL_WORDS
    return (called and short) or roles.is_label(facts)


def column_names(names: list[str], width: int) -> tuple[str, ...]:
    """Return a name for each column, none of them twice. A column without one has its number."""
    found: list[str] = []
    for i in range(width):
        name = base = (names[i] if names else "") or str(i + 1)
        again = 2
        while name in found:
            name, again = f"{base}_{again}", again + 1
        found.append(name)
    return tuple(found)


def shown(rows: Iterable[Sequence[str]]) -> str:
    """Return the first rows as they were read, for a message."""
    cut = [
        [cell if len(cell) <= _SHOWN_CELL else cell[: _SHOWN_CELL - 1] + "…" for cell in row]
        for _, row in zip(range(_SHOWN_ROWS), rows, strict=False)
    ]
    return "the first rows as read: " + ", ".join(
        json.dumps(row, ensure_ascii=False) for row in cut
    )


def unclear(name: str, role: str, rows: Iterable[Sequence[str]]) -> TableError:
    """Return the error of a table whose text or label column is not clear."""
    return TableError(
        f"{name}: it is not clear which column holds the {role}; name it with --{role}-column (a "
        f"name, or a number from 1); {shown(rows)}"
    )


def _has_header(rows: Sequence[Cells], question: Question) -> bool:
    options = question.options
    asked = [each for each in (options.text_column, options.label_column) if each is not None]
    by_name = [each for each in asked if isinstance(each, str) and not each.isdecimal()]
    if options.header is not None:
        if by_name and not options.header:
            raise TableError(
                f"{question.name}: without a header a column has no name; give the number of "
                f"{by_name[0]!r}"
            )
        return options.header
    if by_name:
        return True
    found = is_header(rows, len(rows[0]))
    if found is None:
        raise TableError(
            f"{question.name}: it is not clear whether the first row is a header; say --header "
            f"or --no-header; {shown(rows)}"
        )
    return found


def _asked(question: Question, option: str, names: list[str], width: int) -> int | None:
    """Return the position of the column that an option names, or None."""
    asked: Column | None = getattr(question.options, option)
    if asked is None:
        return None
    if isinstance(asked, str):
        if (position := position_of(asked, names)) is not None:
            return position
        if not asked.isdecimal():
            raise no_column(question.name, asked, names)
    if not 1 <= int(asked) <= width:
        raise TableError(
            f"{question.name}: there is no column {asked}; there are {width}, numbered from 1"
        )
    return int(asked) - 1


def _refuse_same_name(file: str, names: list[str], column: int, option: str) -> None:
    """Raise `TableError` if another column has the same name, so that either may be meant."""
    same = [i for i, each in enumerate(names, 1) if each == names[column]]
    if len(same) > 1:
        raise TableError(
            f"{file}: columns {' and '.join(map(str, same))} are both called {names[column]!r}; "
            f"give the number of one as --{option.replace('_', '-')}"
        )


def position_of(name: str, names: Sequence[str]) -> int | None:
    """Return the position of a column by its name; the letter case counts if it must."""
    if name in names:
        return names.index(name)
    folded = [each.casefold() for each in names]
    name = name.strip().casefold()
    return folded.index(name) if folded.count(name) == 1 else None


def no_column(file: str, name: str, names: Sequence[str]) -> TableError:
    """Return the error of a column that does not exist."""
    listed = ", ".join(repr(each) for each in names[:10] if each)
    return TableError(f"{file}: there is no column {name!r}; the columns are {listed}")
