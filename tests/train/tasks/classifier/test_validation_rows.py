"""The held-out rows of a validation: all of them, or a fixed sample."""

import pytest

from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.rows import Rows
from rnn_train.tasks.classifier import validation_rows
from rnn_train.tasks.classifier.validation_rows import held_out_share, validation_sample


def rows(count: int, length: int = 3) -> EncodedRows:
    texts = [str(1000 + index)[-length:].rjust(length) for index in range(count)]
    return EncodedRows.of(Rows(tuple(texts), ("x", "y") * (count // 2)))


def test_few_rows_are_all_read() -> None:
    few = rows(10)
    assert validation_sample(few) is few
    assert held_out_share(few) == 1


def test_of_many_rows_a_fixed_sample_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation_rows, "_ROWS", 10)
    many = rows(40)
    sample = validation_sample(many)
    assert len(sample) == 10
    assert sample.texts == validation_sample(many).texts
    assert held_out_share(many) == 4


def test_of_long_rows_one_is_read_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation_rows, "_TOKENS", 5)
    assert len(validation_sample(rows(4, length=10))) == 1


def test_many_labels_take_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation_rows, "_LOGITS", 12)
    assert len(validation_sample(rows(40))) == 6


def test_no_rows_are_no_sample() -> None:
    none = EncodedRows.of(Rows((), ()))
    assert len(validation_sample(none)) == 0
    assert held_out_share(none) == 0
