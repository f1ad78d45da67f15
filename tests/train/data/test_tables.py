"""Tables of labelled texts: CSV, TSV and JSON lines."""

import json
from pathlib import Path

import pytest

from rnn_train.data.tables import read_json_lines, read_table
from rnn_train.errors import DataError

CSV, TSV, JSONL = Path("rows.csv"), Path("rows.TSV"), Path("rows.jsonl")
PAIRS = [(f"text {i}", ("even", "odd")[i % 2]) for i in range(24)]


def lines(delimiter: str, pairs: list[tuple[str, str]], header: str = "") -> str:
    body = "".join(f"{text}{delimiter}{label}\n" for text, label in pairs)
    return f"{header}\n{body}" if header else body


# --- CSV and TSV ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["", "text,label", "name,language", "Text,Class", " NAME , category "]
)
def test_csv_with_two_columns(header: str) -> None:
    assert list(read_table(lines(",", PAIRS, header), CSV)) == PAIRS


def test_header_selects_the_columns() -> None:
    content = "id,label,source,text\n" + "".join(
        f"{i},{label},web,{text}\n" for i, (text, label) in enumerate(PAIRS)
    )
    assert list(read_table(content, CSV)) == PAIRS
    assert list(read_table(content.replace(",", "\t"), TSV)) == PAIRS


@pytest.mark.parametrize("header", ["", "text\tlabel"])
def test_tsv(header: str) -> None:
    pairs = [("a, b", "x"), *PAIRS]
    assert list(read_table(lines("\t", pairs, header), TSV)) == pairs


def test_quoted_text() -> None:
    content = 'text,label\n"one, ""two""\nthree",even\n' + lines(",", PAIRS)
    assert list(read_table(content, CSV)) == [('one, "two"\nthree', "even"), *PAIRS]


def test_blank_lines_are_ignored() -> None:
    content = lines(",", PAIRS, "text,label").replace("\n", "\n\n")
    assert list(read_table(content, CSV)) == PAIRS


def test_surrounding_spaces_are_removed() -> None:
    content = "".join(f"  {text} , {label}\n" for text, label in PAIRS)
    assert list(read_table(content, CSV)) == PAIRS


def test_long_text() -> None:
    pairs = [("word " * 40_000 + "end", "odd"), *PAIRS]
    assert list(read_table(lines(",", pairs), CSV)) == pairs


def test_half_a_header_is_refused() -> None:
    """Otherwise the header would become a row with the label "label"."""
    with pytest.raises(DataError, match="line 1: 2 columns; give two"):
        list(read_table(lines(",", PAIRS, "sentence,label"), CSV))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines(",", PAIRS) + "a,b,c\n", "line 25: 3 columns where line 1 has 2"),
        (lines(",", PAIRS, "text,label") + "alone\n", "line 26: 1 columns"),
        ('"a\nb",x\nalone\n' + lines(",", PAIRS), "line 3: 1 columns"),
        (lines(",", PAIRS) + "a,\n", "line 25: the label is empty"),
        (lines(",", PAIRS) + "a,  \n", "line 25: the label is empty"),
        (lines(",", PAIRS) + " ,odd\n", "line 25: the text is empty"),
        (lines(",", PAIRS) + '"open,odd\n', "line 25: unexpected end of data"),
        ("a,b,c\n" * 30, "line 1: 3 columns; give two"),
        ("a\n" * 30, "line 1: 1 columns; give two"),
        ("text,other,more\n" + "a,b,c\n" * 30, "line 1: 3 columns"),
    ],
)
def test_malformed_csv(content: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"rows\.csv: {message}"):
        list(read_table(content, CSV))


def test_malformed_tsv() -> None:
    with pytest.raises(DataError, match=r"rows\.TSV: line 25: 1 columns"):
        list(read_table(lines("\t", PAIRS) + "a,b\n", TSV))


# --- JSON lines -----------------------------------------------------------------------


@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_lines(ascii_only: bool) -> None:
    pairs = [("line\nbreak \u2028 é", "even"), *PAIRS]
    records = [{"label": label, "text": text, "more": 1} for text, label in pairs]
    content = "\n\n".join(json.dumps(each, ensure_ascii=ascii_only) for each in records)
    assert list(read_json_lines(content, JSONL)) == pairs


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('\n{"text": "a"}\n', "line 2: expected"),
        ('{"text": "a", "label": 1}\n', "line 1: expected"),
        ('["a", "b"]\n', "line 1: expected"),
        ('"text label"\n', "line 1: expected"),
        ("{\n", "line 1: expected"),
        ("[" * 100_000, "line 1: expected"),
        ('{"text": "a", "label": " "}\n', "line 1: the label is empty"),
        ('{"text": "", "label": "x"}\n', "line 1: the text is empty"),
    ],
)
def test_malformed_json_lines(content: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"rows\.jsonl: {message}"):
        list(read_json_lines(content, JSONL))


def test_half_a_surrogate_pair() -> None:
    records = [{"text": text, "label": label} for text, label in PAIRS]
    records[3]["text"] = "broken \ud83d"
    content = "\n".join(json.dumps(each) for each in records)
    with pytest.raises(DataError, match=r"rows\.jsonl: line 4: half a surrogate pair"):
        list(read_json_lines(content, JSONL))
