"""The file metrics.jsonl."""

import json
from pathlib import Path

import pytest

from rnn_train.errors import RunError
from rnn_train.training.metrics_log import MetricsLog


@pytest.fixture
def log(tmp_path: Path) -> MetricsLog:
    return MetricsLog(tmp_path / "metrics.jsonl")


def test_rows_are_read_back(log: MetricsLog) -> None:
    assert log.rows() == []
    rows = [{"step": step, "loss": step / 7, "sample": "é\n\u2028"} for step in (10, 20, 30)]
    for row in rows:
        log.append(row)
    assert log.rows() == rows
    text = log.path.read_text("utf-8")
    assert [json.loads(line) for line in text.splitlines()] == rows


def test_later_rows_are_cut(log: MetricsLog) -> None:
    log.cut(20)
    assert not log.path.exists()
    for step in (10, 20, 30):
        log.append({"step": step})
    log.cut(20)
    assert [row["step"] for row in log.rows()] == [10, 20]
    log.append({"step": 25})
    assert [row["step"] for row in log.rows()] == [10, 20, 25]


def test_incomplete_line_is_ignored_and_cut(log: MetricsLog) -> None:
    log.append({"step": 10})
    with log.path.open("a") as stream:
        stream.write('{"step": 20, "lo')
    assert log.rows() == [{"step": 10}]
    log.cut(15)
    log.append({"step": 15})
    assert log.rows() == [{"step": 10}, {"step": 15}]


def test_file_that_cannot_be_written(log: MetricsLog) -> None:
    log.path.mkdir()
    with pytest.raises(RunError, match=r"cannot write .*metrics\.jsonl"):
        log.append({"step": 10})


def test_row_after_a_part_of_a_line_is_whole(log: MetricsLog) -> None:
    log.append({"step": 1})
    with log.path.open("a", encoding="utf-8") as stream:
        stream.write('{"step": ')  # the disk was full
    log.append({"step": 3})
    assert log.rows() == [{"step": 1}, {"step": 3}]
