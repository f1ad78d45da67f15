"""The page of onnxruntime's releases shows what the committed result says."""

import copy
from typing import Any

import pytest

from benchmarks import runtimes
from benchmarks.harness import read_plain

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return runtimes.unpacked(read_plain("runtimes"))


@pytest.fixture
def pinned(rows: list[Row]) -> Row:
    """A copy of the row of the pinned releases."""
    return copy.deepcopy(next(row for row in rows if runtimes.is_pinned(row)))


def test_table_is_rendered_from_the_result(rows: list[Row]) -> None:
    text = runtimes.PAGE.read_text("utf-8")
    assert runtimes.table(rows) in text
    assert runtimes.rendered(text, rows) == text, "run: python -m benchmarks.runtimes --table"


def test_pinned_releases_pass(pinned: Row) -> None:
    assert runtimes.failures(pinned) == []


def test_verdicts_are_those_of_the_measurements(rows: list[Row], pinned: Row) -> None:
    for row in rows:
        assert row["verdict"] == runtimes.verdict(row, pinned)


def test_result_has_the_oldest_and_the_pinned_release(rows: list[Row]) -> None:
    found = [row["onnxruntime"] for row in rows]
    assert "1.22.0" in found
    assert runtimes.pins()["onnxruntime"] in found


def _change(row: Row, path: str, value: object) -> Row:
    *parents, last = path.split("/")
    place = row
    for each in parents:
        place = place[each]
    place[last] = value
    return row


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("golden/exported|charlm.onnx/ok", False, "golden run of exported/charlm.onnx"),
        ("exactness/charlm.onnx/chunks", 3e-7, "chunks of charlm.onnx differ by 3.0e-07"),
        ("texts/charlm.onnx/same_alone", False, "texts of charlm.onnx depend on the batch"),
        ("texts/charlm.int8.onnx/sha256", "", "other text of charlm.int8.onnx"),
        ("scores/charlm.onnx", 9.0, "score of charlm.onnx differs by 7.7e+00"),
        ("answers/classifier.onnx/labels", "", "other labels of classifier.onnx"),
        ("answers/classifier.onnx/probabilities", "", "other probabilities of classifier.onnx"),
        ("command", "", "other text of the command line"),
        ("error", "ImportError: no", "ImportError: no"),
        ("not_installed", "none", "no package for this Python"),
    ],
)
def test_verdict_names_what_differs(pinned: Row, path: str, value: object, words: str) -> None:
    row = copy.deepcopy(pinned)
    row["golden"] = {name.replace("/", "|"): each for name, each in row["golden"].items()}
    _change(row, path, value)
    row["golden"] = {name.replace("|", "/"): each for name, each in row["golden"].items()}
    found = runtimes.verdict(row, pinned)
    assert words in found
    assert ";" not in found


def test_rows_are_not_compared_with_a_pinned_row_that_fails(pinned: Row) -> None:
    row = copy.deepcopy(pinned)
    pinned["error"] = "ImportError: no"
    assert "not compared" in runtimes.verdict(row, pinned)


def test_pythons_with_equal_cells_share_a_row(pinned: Row) -> None:
    broken = {**pinned, "python": "3.98", "error": "broken"}
    table = runtimes.table([pinned, {**pinned, "python": "3.99"}, broken])
    assert len(table.splitlines()) == 4
    assert f"{pinned['python']}, 3.99" in table


def test_packed_rows_can_be_unpacked(pinned: Row) -> None:
    rows = [pinned, {**pinned, "python": "3.99"}, {**pinned, "command": "other"}]
    packed = runtimes.packed(rows)
    assert len(packed["outcomes"]) == 2
    assert runtimes.unpacked(packed) == rows
