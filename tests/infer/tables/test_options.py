"""Options of reading a table: defaults, names of delimiters, and what is refused."""

from typing import Any

import pytest

from rnn_infer.errors import OptionError
from rnn_infer.tables.options import TableOptions


@pytest.mark.parametrize(
    ("name", "options", "found"),
    [
        ("a.csv", {}, "csv"),
        ("a.b/A.TSV", {}, "tsv"),
        ("a.tab", {}, "tsv"),
        ("a.ndjson", {}, "jsonl"),
        ("a.json", {}, "json"),
        ("a.txt", {}, "lines"),
        ("a", {}, "lines"),
        ("-", {}, "lines"),
        ("-", {"format": "tsv"}, "tsv"),
        ("a.csv", {"format": "lines"}, "lines"),
        ("a.txt", {"delimiter": ";"}, "csv"),
    ],
)
def test_format(name: str, options: dict[str, Any], found: str) -> None:
    assert TableOptions(**options).format_of(name) == found


@pytest.mark.parametrize(
    ("given", "taken"), [("tab", "\t"), ("\\t", "\t"), ("semicolon", ";"), ("|", "|"), ("\t", "\t")]
)
def test_delimiter_by_name(given: str, taken: str) -> None:
    assert TableOptions(delimiter=given).delimiter == taken


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "xlsx"}, "format must be one of csv, tsv"),
        ({"format": 3}, "format must be"),
        ({"delimiter": ""}, "delimiter must be one character"),
        ({"delimiter": ",,"}, "delimiter must be one character"),
        ({"delimiter": '"'}, "delimiter must be one character"),
        ({"delimiter": 5}, "delimiter must be one character"),
        ({"delimiter": ",", "format": "jsonl"}, "has no delimiter"),
        ({"encoding": "utf-9"}, "no encoding"),
        ({"encoding": "hex"}, "no encoding"),
        ({"encoding": 8}, "no encoding"),
        ({"text_column": 0}, "number from 1"),
        ({"text_column": True}, "number from 1"),
        ({"label_column": " "}, "number from 1"),
        ({"label_column": 1.5}, "number from 1"),
        ({"header": "yes"}, "header must be True, False or None"),
    ],
)
def test_wrong_options(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        TableOptions(**options)
