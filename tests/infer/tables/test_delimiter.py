"""The delimiter of a CSV file, from its first lines."""

import pytest

from rnn_infer.errors import TableError
from rnn_infer.tables.delimiter import declared_delimiter, find_delimiter


def find(*lines: str) -> str:
    return find_delimiter(list(enumerate(lines, 1)), "f")


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (("text,label", "a;b,c", "d,e"), ","),
        (("text;label", "a, b;c", "d, e, f;g"), ";"),
        (("text\tlabel", "a, b\tc", "d\te"), "\t"),
        (("text|label", "a, b|c", "d|e"), "|"),
        (("Rossi", "Ng"), ","),
        (("text;label", "Rossi, Mario;x", "Ng, Kim;y"), ";"),
        (("Rossi, Mario;x", "Ng, Kim;y"), ";"),
        (('"a;b";c', '"d";e'), ";"),
        (('"a', 'b;c";d', "e;f"), ";"),
        (("a;b", "c;d", 'e;"f'), ";"),
        (("a;b", "", "c;d"), ";"),
    ],
)
def test_found(lines: tuple[str, ...], delimiter: str) -> None:
    assert find(*lines) == delimiter


def test_not_clear() -> None:
    with pytest.raises(TableError, match=r"f: .*',' or ';'.*--delimiter; the first row as read"):
        find("1,5;x", "2,5;y")


def test_declared() -> None:
    assert declared_delimiter("sep=;") == ";"
    assert declared_delimiter("SEP=\t") == "\t"
    assert declared_delimiter("sep=;x") is None
    assert declared_delimiter("text;label") is None
