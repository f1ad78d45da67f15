"""Streamed rows: what is left out, what is refused, and how progress shows."""

from pathlib import Path
from typing import Any

import pytest

from rnn_infer.tables.options import TableOptions
from rnn_train.data import row_stream
from rnn_train.data.row_stream import RowStream
from rnn_train.errors import DataError

PAIRS = [(f"text {i}", ("even", "odd")[i % 2]) for i in range(24)]


def csv(pairs: list[tuple[str, str]], header: str = "") -> str:
    return header + "".join(f"{text},{label}\n" for text, label in pairs)


def test_rows_can_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv(PAIRS))
    stream = RowStream(["a.csv"])
    assert list(stream) == list(stream) == PAIRS
    assert (stream.rows, stream.warnings()) == (24, [])
    assert stream.how == ["a.csv: ',' between cells, no header, text: '1', label: '2'"]


def test_rows_without_a_text_or_a_label_are_counted(tmp_path: Path) -> None:
    content = csv([*PAIRS, ("", "odd"), (" ", ""), ("a", ""), ("b", "NULL"), ("c", " ")], "\n")
    (tmp_path / "a.csv").write_text(content)
    stream = RowStream(["a.csv"])
    assert list(stream) == PAIRS
    (line,) = stream.warnings()
    assert line == "2 rows have no text and 3 rows have no label; they are left out"


@pytest.mark.parametrize(
    ("pairs", "role"),
    [([(t, "") for t, _ in PAIRS], "label"), ([("", x) for _, x in PAIRS], "text")],
)
def test_most_rows_lack_something(tmp_path: Path, pairs: list[Any], role: str) -> None:
    content = csv([*PAIRS[:9], *pairs], "text,label\n")
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=f"no {role} in 24 of 33 rows; .*--{role}-column"):
        list(RowStream(["a.csv"]))


def test_options_and_known_labels(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,x\nb,c\n")
    options = TableOptions(text_column=2, label_column=1)
    assert list(RowStream(["a.csv"], options)) == [("x", "a"), ("c", "b")]
    assert list(RowStream(["a.csv"], known={"a", "b"})) == [("x", "a"), ("c", "b")]


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.txt").write_text("x\n\ny\n")
    stream = RowStream(["set"])
    assert list(stream) == [("x", "a"), ("y", "a")]
    assert stream.without_text == 1


@pytest.mark.parametrize("source", ["gone.csv", "gone", "~nosuchuser/x.csv", "?.csv"])
def test_missing(source: str) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(RowStream([source]))


def test_bad_row_is_an_error_of_this_package(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv(PAIRS) + "alone\n")
    with pytest.raises(DataError, match=r"a\.csv: line 25: 1 column"):
        list(RowStream(["a.csv"]))


def test_progress_of_much_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text(csv(PAIRS))
    list(RowStream(["a.csv"]))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(row_stream, "_BAR_BYTES", 10)
    list(RowStream(["a.csv", "surnames"]))
    assert "reading" in capsys.readouterr().err


def test_text_that_spills_into_columns_without_a_name_is_counted(tmp_path: Path) -> None:
    """A comma in a text that was not quoted cuts it: the rest stands below no name."""
    path = tmp_path / "spam.csv"
    rows = [f"{'ham' if i % 3 else 'spam'},come and see number {i},," for i in range(30)]
    rows[4] = "ham,see you there,and bring a friend,"
    path.write_text("v1,v2,,\n" + "\n".join(rows) + "\n")
    stream = RowStream([str(path)])
    assert len(list(stream)) == 30
    assert stream.spilled == 1
    (warning,) = stream.warnings()
    assert warning.startswith("1 row has cells below no name of the header")
    path.write_text("\n".join(f"{'ab'[i % 2]},text number {i}" for i in range(30)) + "\n")
    assert len(list(stream)) == 30
    assert stream.warnings() == []
    path.write_text(",v1,v2\n" + "\n".join(f"{i},{'ab'[i % 2]},text {i}" for i in range(30)) + "\n")
    assert len(list(stream)) == 30  # the first column is the index that pandas writes
    assert stream.warnings() == []
    path = tmp_path / "keys.jsonl"
    path.write_text('{"1": "x", "text": "abc", "label": "a"}\n' * 30)
    stream = RowStream([str(path)])
    assert len(list(stream)) == 30
    assert stream.warnings() == []
