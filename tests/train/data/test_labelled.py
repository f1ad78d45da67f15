"""Sources of labelled texts."""

import json
from pathlib import Path

import pytest

from rnn_train.data import labelled
from rnn_train.data.labelled import MIN_ROWS, load_rows, read_rows
from rnn_train.data.rows import Rows
from rnn_train.errors import DataError

PAIRS = [(f"text {i}", ("even", "odd")[i % 2]) for i in range(24)]
ROWS = Rows(tuple(text for text, _ in PAIRS), tuple(label for _, label in PAIRS))


def lines(delimiter: str, pairs: list[tuple[str, str]]) -> str:
    return "".join(f"{text}{delimiter}{label}\n" for text, label in pairs)


def json_lines(pairs: list[tuple[str, str]]) -> str:
    return "\n".join(json.dumps({"text": text, "label": label}) for text, label in pairs)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", lines(",", PAIRS)),
        ("ROWS.TSV", lines("\t", PAIRS)),
        ("rows.jsonl", json_lines(PAIRS)),
    ],
)
def test_suffix_selects_the_reader(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert load_rows([name]) == ROWS


def test_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    content = "\ufefftext,label\n" + lines(",", PAIRS)
    (tmp_path / "rows.csv").write_bytes(content.replace("\n", "\r\n").encode())
    assert load_rows(["rows.csv"]) == ROWS


def test_folder_has_a_file_for_each_label(tmp_path: Path) -> None:
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
    assert load_rows(["a.csv", "b.tsv"]) == ROWS


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.csv", "", "0 rows; at least one is needed"),
        ("r.csv", " \n\n", "no text in 3 of 3 rows|no text in 2 of 2 rows"),
        ("r.jsonl", "", "0 rows; at least one is needed"),
        ("r.csv", "text,label\n", "0 rows; at least one is needed"),
        ("r.csv", lines(",", PAIRS[: MIN_ROWS - 1]), "19 rows; at least 20 are needed"),
        ("r.csv", lines(",", [(text, "same") for text, _ in PAIRS]), "label 'same'; two or more"),
        ("r.csv", "a\0,b\n", "line 1: a NUL"),
        ("r.csv", "a,b,c\n", "which column holds the text"),
        ("r.json", "{}", "line 1: expected"),
        ("r.csv", "".join(f"text {i},{i // 2}\n" for i in range(100)), "50 labels, over .* of 40"),
        ("r.txt", "a,b\n", r"labelled data is a \.csv"),
        ("r", "a,b\n", r"labelled data is a \.csv"),
    ],
)
def test_source_is_refused(
    tmp_path: Path, name: str, content: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(content.encode())
    monkeypatch.setattr(labelled, "MAX_LABELS", 40)
    with pytest.raises(DataError, match=message) as raised:
        load_rows([name])
    assert name in str(raised.value)


def test_reading_for_evaluation_needs_one_row(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a,x\n")
    assert read_rows(["r.csv"]) == Rows(("a",), ("x",))


@pytest.mark.parametrize("source", ["gone.csv", "gone", "gone/x.jsonl", "~nosuchuser/x.csv"])
def test_missing_source(source: str) -> None:
    with pytest.raises(DataError, match=r"gone|nosuchuser"):
        load_rows([source])


def test_glob_is_refused(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(lines(",", PAIRS))
    with pytest.raises(DataError, match=r"\?\.csv: no such file.*repeat --data"):
        load_rows(["?.csv"])


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: the folder holds no <label>\.txt files"):
        load_rows(["empty"])


def test_log_says_how_sources_were_read(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(lines(",", [*PAIRS, ("", "odd")]))
    said: list[str] = []
    load_rows(["r.csv"], log=said.append)
    assert said == [
        "r.csv: ',' between cells, no header, text: '1', label: '2'",
        "warning: 1 row has no text; they are left out",
    ]
