"""Labelled rows: where they are read from, and how they are split."""

import json
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_train.data.labelled import Rows, describe, load_rows, split_rows
from rnn_train.errors import DataError

PAIRS = [(f"text {i}", ("even", "odd")[i % 2]) for i in range(24)]


def lines(separator: str, pairs: list[tuple[str, str]], header: str = "") -> str:
    body = "".join(f"{text}{separator}{label}\n" for text, label in pairs)
    return f"{header}\n{body}" if header else body


def load(tmp_path: Path, name: str, content: str) -> list[tuple[str, str]]:
    (tmp_path / name).write_bytes(content.encode())
    rows = load_rows([str(tmp_path / name)])
    return list(zip(rows.texts, rows.labels, strict=True))


def rows_of(*pairs: tuple[str, str]) -> Rows:
    return Rows(tuple(text for text, _ in pairs), tuple(label for _, label in pairs))


# --- reading --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["", "text,label", "name,language", "Text,Class", " NAME , category "]
)
def test_csv_of_two_columns(tmp_path: Path, header: str) -> None:
    assert load(tmp_path, "rows.csv", lines(",", PAIRS, header)) == PAIRS


def test_columns_are_chosen_by_header(tmp_path: Path) -> None:
    content = "id,label,source,text\n" + "".join(
        f"{i},{label},web,{text}\n" for i, (text, label) in enumerate(PAIRS)
    )
    assert load(tmp_path, "rows.csv", content) == PAIRS
    assert load(tmp_path, "rows.tsv", content.replace(",", "\t")) == PAIRS


@pytest.mark.parametrize("header", ["", "text\tlabel"])
def test_tsv(tmp_path: Path, header: str) -> None:
    pairs = [("a, b", "x"), *PAIRS]
    assert load(tmp_path, "rows.TSV", lines("\t", pairs, header)) == pairs


def test_quoted(tmp_path: Path) -> None:
    content = 'text,label\n"one, ""two""\nthree",even\n' + lines(",", PAIRS)
    assert load(tmp_path, "rows.csv", content) == [('one, "two"\nthree', "even"), *PAIRS]


def test_mark_crlf_and_blank_lines(tmp_path: Path) -> None:
    content = "\ufeff" + lines(",", PAIRS, "text,label").replace("\n", "\r\n\r\n")
    assert load(tmp_path, "rows.csv", content) == PAIRS


def test_spaces_around_are_dropped(tmp_path: Path) -> None:
    content = "".join(f"  {text} , {label}\n" for text, label in PAIRS)
    assert load(tmp_path, "rows.csv", content) == PAIRS


def test_json_lines(tmp_path: Path) -> None:
    pairs = [("line\nbreak \u2028 é", "even"), *PAIRS]
    records = [{"label": label, "text": text, "more": 1} for text, label in pairs]
    for ascii_only in (True, False):
        content = "\n\n".join(json.dumps(each, ensure_ascii=ascii_only) for each in records)
        assert load(tmp_path, "rows.jsonl", content) == pairs


def test_folder(tmp_path: Path) -> None:
    folder = tmp_path / "by_label"
    folder.mkdir()
    for label in ("even", "odd"):
        texts = [text for text, each in PAIRS if each == label]
        (folder / f"{label}.txt").write_text("\n\n".join(texts) + "\n  \n")
    (folder / "notes.md").write_text("not data")
    rows = load_rows([str(folder)])
    assert sorted(zip(rows.texts, rows.labels, strict=True)) == sorted(PAIRS)


def test_several_sources_are_joined(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(lines(",", PAIRS[:10]))
    (tmp_path / "b.tsv").write_text(lines("\t", PAIRS[10:]))
    assert load_rows(["a.csv", "b.tsv"]) == rows_of(*PAIRS)


# --- refusals -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.csv", lines(",", PAIRS) + "a,b,c\n", "line 25: 3 columns where line 1 has 2"),
        ("r.csv", lines(",", PAIRS, "text,label") + "alone\n", "line 26: 1 columns"),
        ("r.csv", '"a\nb",x\nalone\n' + lines(",", PAIRS), "line 3: 1 columns"),
        ("r.tsv", lines("\t", PAIRS) + "a,b\n", "line 25: 1 columns"),
        ("r.csv", lines(",", PAIRS) + "a,\n", "line 25: the label is empty"),
        ("r.csv", lines(",", PAIRS) + "a,  \n", "line 25: the label is empty"),
        ("r.csv", lines(",", PAIRS) + " ,odd\n", "line 25: the text is empty"),
        ("r.csv", lines(",", PAIRS) + '"open,odd\n', "line 25: unexpected end of data"),
        ("r.csv", "a,b,c\n" * 30, "line 1: 3 columns; give two"),
        ("r.csv", "a\n" * 30, "line 1: 1 columns; give two"),
        ("r.csv", "text,other,more\n" + "a,b,c\n" * 30, "line 1: 3 columns"),
        ("r.csv", "", "is empty"),
        ("r.csv", " \n\n", "is empty"),
        ("r.csv", "text,label\n", "0 rows; at least one is needed"),
        ("r.csv", lines(",", PAIRS[:19]), "19 rows; at least 20 are needed"),
        ("r.csv", lines(",", [(text, "same") for text, _ in PAIRS]), "label 'same'; two or more"),
        ("r.csv", "a\0,b\n", "NUL at byte 1"),
        ("r.jsonl", "", "is empty"),
        ("r.jsonl", '\n{"text": "a"}\n', "line 2: expected"),
        ("r.jsonl", '{"text": "a", "label": 1}\n', "line 1: expected"),
        ("r.jsonl", '["a", "b"]\n', "line 1: expected"),
        ("r.jsonl", '"text label"\n', "line 1: expected"),
        ("r.jsonl", "{\n", "line 1: expected"),
        ("r.jsonl", "[" * 100_000, "line 1: expected"),
        ("r.jsonl", '{"text": "a", "label": " "}\n', "line 1: the label is empty"),
        ("r.jsonl", '{"text": "", "label": "x"}\n', "line 1: the text is empty"),
        ("r.json", "{}", r"labelled data is a \.csv"),
        ("r.txt", "a,b\n", r"labelled data is a \.csv"),
        ("r", "a,b\n", r"labelled data is a \.csv"),
    ],
)
def test_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        load(tmp_path, name, content)
    assert name in str(raised.value)


def test_half_a_surrogate_pair(tmp_path: Path) -> None:
    records = [{"text": text, "label": label} for text, label in PAIRS]
    records[3]["text"] = "broken \ud83d"
    content = "\n".join(json.dumps(each) for each in records)
    with pytest.raises(DataError, match=r"r\.jsonl: line 4: "):
        load(tmp_path, "r.jsonl", content)


def test_half_a_header_is_no_row(tmp_path: Path) -> None:
    """A header of which only one name is known must not become a row with the label "label"."""
    try:
        pairs = load(tmp_path, "r.csv", lines(",", PAIRS, "sentence,label"))
    except DataError as error:
        assert "line 1" in str(error)
    else:
        assert pairs == PAIRS


@pytest.mark.parametrize("source", ["gone.csv", "gone", "gone/x.jsonl", "~nosuchuser/x.csv"])
def test_missing(source: str) -> None:
    with pytest.raises(DataError, match=r"gone|nosuchuser"):
        load_rows([source])


@pytest.mark.usefixtures("table")
def test_glob(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(lines(",", PAIRS))
    with pytest.raises(DataError, match=r"\?\.csv"):
        load_rows(["?.csv"])


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: the folder holds no <label>\.txt files"):
        load_rows(["empty"])


def test_long_text(tmp_path: Path) -> None:
    pairs = [("word " * 40_000 + "end", "odd"), *PAIRS]
    assert load(tmp_path, "r.csv", lines(",", pairs)) == pairs


# --- splitting ------------------------------------------------------------------------

ROWS = st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("xyz")), max_size=60)


@given(ROWS, st.floats(0, 0.5), st.integers(0, 2**63 - 1))
def test_split_keeps_all_and_mixes_none(
    pairs: list[tuple[str, str]], fraction: float, seed: int
) -> None:
    rows = rows_of(*pairs)
    train, held = split_rows(rows, fraction, seed)
    together = [*zip(train.texts, train.labels, strict=True)]
    together += zip(held.texts, held.labels, strict=True)
    assert Counter(together) == Counter(pairs)
    assert not set(train.texts) & set(held.texts)
    assert split_rows(rows, fraction, seed) == (train, held)
    if fraction == 0:
        assert not len(held)


def test_split_is_stratified() -> None:
    pairs = [(f"{label}{i}", label) for label, n in (("a", 100), ("b", 30)) for i in range(n)]
    train, held = split_rows(rows_of(*pairs), 0.2, seed=0)
    assert Counter(held.labels) == {"a": 20, "b": 6}
    assert Counter(train.labels) == {"a": 80, "b": 24}


def test_split_keeps_the_order_of_rows() -> None:
    train, held = split_rows(rows_of(*((f"{i:03}", "ab"[i % 2]) for i in range(100))), 0.3, 0)
    assert list(train.texts) == sorted(train.texts)
    assert list(held.texts) == sorted(held.texts)


def test_split_depends_on_the_seed() -> None:
    rows = rows_of(*((f"{i}", "ab"[i % 2]) for i in range(100)))
    assert split_rows(rows, 0.2, seed=0) != split_rows(rows, 0.2, seed=1)


def test_no_text_on_both_sides_in_another_normal_form() -> None:
    """To the model a composed and a decomposed "é" are one text."""
    pairs = [(f"é{i}", "ab"[i % 2]) for i in range(50)]
    pairs += [(unicodedata.normalize("NFD", text), label) for text, label in pairs]
    train, held = split_rows(rows_of(*pairs), 0.3, seed=0)
    sides = [{unicodedata.normalize("NFC", text) for text in each.texts} for each in (train, held)]
    assert not sides[0] & sides[1]


# --- what they are like ---------------------------------------------------------------


def test_nothing_to_warn_of() -> None:
    assert describe(rows_of(*PAIRS)) == []


def test_repeats_and_contradictions_are_described() -> None:
    repeats, contradictions = describe(
        rows_of(("a", "x"), ("a", "x"), ("b", "x"), ("b", "y"), ("c", "y"), ("b", "x"))
    )
    assert repeats.startswith("3 rows repeat a text")
    assert contradictions.startswith("1 texts carry more than one label ('b'")


def test_hash_sees_each_row_and_the_order() -> None:
    hashes = {
        rows.sha256()
        for rows in (
            rows_of(*PAIRS),
            rows_of(*PAIRS[::-1]),
            rows_of(*PAIRS[1:]),
            rows_of(("text 0", "odd"), *PAIRS[1:]),
        )
    }
    assert len(hashes) == 4
    assert rows_of(*PAIRS).sha256() == rows_of(*PAIRS).sha256()


def test_forms_of_one_text_are_repeats() -> None:
    """As the model reads them, "é" composed and decomposed are one text."""
    repeats, contradictions = describe(rows_of(("\u00e9", "x"), ("e\u0301", "y"), ("b", "x")))
    assert repeats.startswith("1 rows repeat a text")
    assert contradictions == "1 texts carry more than one label ('\u00e9')"
