"""A column of texts: any sequence of str, from any library, as a list."""

from collections.abc import Iterable, Mapping, Set
from typing import Any

from rnn_infer.errors import OptionError

Text = str | None
"""A text. None: the row is missing."""


def read_column(texts: Iterable[Any]) -> list[Text]:
    """Return the texts of a column, in order.

    The libraries are not imported: their objects are asked for a list by the methods that they
    have. pandas, polars, pyarrow and numpy are known to work.

    Args:
        texts: a list, a tuple or another iterable; a numpy array [rows]; a pandas or polars series;
            a pyarrow array or chunked array. Missing values are None, NaN, pandas.NA or NaT.

    Returns:
        [rows]: one str per row, or None for a missing value.

    Raises:
        OptionError: `texts` is one text, or not a column, or a row is not a str.
    """
    rows = _rows(texts)
    if set(map(type, rows)) <= {str}:  # the usual case, at the speed of C
        return rows
    return [_text(index, row) for index, row in enumerate(rows)]


def blank_rows(texts: list[Text]) -> list[int]:
    """Return the positions of the rows that are missing or empty."""
    return [] if all(texts) else [index for index, text in enumerate(texts) if not text]


def require_texts(texts: Iterable[Any], use: str) -> list[str]:
    """Return the texts of a column in which no row is missing or empty.

    Args:
        texts: as in `read_column`.
        use: what is done with the texts, a verb for the message.

    Raises:
        OptionError: a row is missing or empty, or as in `read_column`.
    """
    found = read_column(texts)
    for index in blank_rows(found):
        what = "empty" if found[index] == "" else "missing (None, NaN or NA)"
        raise OptionError(f"text {index} is {what}; there is nothing to {use}")
    return [text for text in found if text]


def _rows(texts: Iterable[Any]) -> list[Any]:
    kind = type(texts).__name__
    refusal = OptionError(f"expected a list of texts, not {kind}; give a list or a column")
    if isinstance(texts, str | bytes | Mapping | Set):
        raise refusal
    if len(getattr(texts, "shape", (0,))) != 1:
        raise OptionError(f"{kind} is a table, not a column; give one column of it")
    for name in ("to_pylist", "to_list", "tolist"):  # pyarrow; pandas and polars; numpy
        if callable(convert := getattr(texts, name, None)):
            return list(convert())
    try:
        return list(texts)
    except TypeError:
        raise OptionError(
            f"expected a list of texts, not {kind}; give a list or a column"
        ) from None


def _text(index: int, row: Any) -> Text:
    if callable(convert := getattr(row, "as_py", None)):  # a scalar of pyarrow
        row = convert()
    if isinstance(row, str):  # and numpy's str_
        return str(row)
    if _is_missing(row):
        return None
    raise OptionError(f"text {index} is of type {type(row).__name__}, not str; convert it first")


def _is_missing(row: Any) -> bool:
    if row is None:
        return True
    try:
        return bool(row != row)  # only NaN and NaT differ from themselves
    except TypeError:  # a comparison with pandas.NA is neither true nor false
        return True
    except ValueError:  # an array
        return False
