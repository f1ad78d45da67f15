"""The held-out rows of a validation: all of them, or a fixed sample."""

import pytest

from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.rows import Rows
from rnn_train.tasks.classifier import validation_rows
from rnn_train.tasks.classifier.validation_rows import (
    loss_sample,
    measured_sample,
    token_count,
    validation_sample,
)


def rows(count: int, length: int = 3) -> EncodedRows:
    texts = [str(1000 + index)[-length:].rjust(length) for index in range(count)]
    return EncodedRows.of(Rows(tuple(texts), ("x", "y") * (count // 2)))


def test_few_rows_are_all_read() -> None:
    few = rows(10)
    assert validation_sample(few) is few
    assert measured_sample(few, 2, 0.01) is few
    assert token_count(few) == 10 * (3 + 2)


def test_of_many_rows_a_fixed_sample_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation_rows, "_ROWS", 10)
    many = rows(40)
    sample = validation_sample(many)
    assert len(sample) == 10
    assert sample.texts == validation_sample(many).texts
    assert measured_sample(many, 2, 0.01) is many


def test_of_long_rows_one_is_read_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation_rows, "_TOKENS", 5)
    assert len(validation_sample(rows(4, length=10))) == 1


def test_many_labels_take_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation_rows, "_LOGITS", 12)
    assert len(validation_sample(rows(40))) == 6


def test_the_loss_of_a_file_is_that_of_few_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    many = rows(40, length=10)
    assert len(loss_sample(many)) == 40
    monkeypatch.setattr(validation_rows, "_TOKENS", 55)
    assert len(loss_sample(many)) == 5
    monkeypatch.setattr(validation_rows, "LOSS_ROWS", 3)
    assert len(loss_sample(many)) == 3


def test_no_rows_are_no_sample() -> None:
    none = EncodedRows.of(Rows((), ()))
    assert len(validation_sample(none)) == 0
    assert token_count(measured_sample(none, 2, 1.0)) == 0


def test_a_measurement_takes_a_small_share_of_the_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_TOKENS": 15, "_LOGITS": 8}.items():
        monkeypatch.setattr(validation_rows, name, value)
    for name, value in {"_TOKENS_A_SECOND": 1, "_LOGITS_A_SECOND": 10}.items():
        monkeypatch.setattr(validation_rows, name, value)
    many = rows(100)
    assert measured_sample(many, 2, None) is many
    assert len(measured_sample(many, 2, 1.0)) == 20  # of 60 characters
    assert len(measured_sample(many, 60, 1.0)) == 10  # 600 logits
    assert len(measured_sample(many, 2, 0.01)) == 4  # as in a validation
    assert len(measured_sample(many, 10_000, 0.01)) == 1
    assert measured_sample(many, 2, 1.0).texts == measured_sample(many, 2, 1.0).texts
