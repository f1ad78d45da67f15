"""Rows that a classifier is evaluated on."""

import unicodedata
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rnn_train.data.alphabet import Alphabet
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.rows import Rows
from rnn_train.errors import DataError
from rnn_train.evaluation.classification import logits_of
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.tasks.classifier import evaluated_rows as module
from rnn_train.tasks.classifier.evaluated_rows import (
    evaluated_rows,
    logits_of_file,
    logits_of_run,
    truth_of,
    with_truth,
)


def table(folder: Path, text: str) -> list[str]:
    path = folder / "rows.csv"
    path.write_text("text,label\n" + text, "utf-8")
    return [str(path)]


@pytest.mark.parametrize("normalized", [True, False])
def test_rows_are_read_and_normalized_if_asked(tmp_path: Path, normalized: bool) -> None:
    apart = unicodedata.normalize("NFD", "café")
    sources, lines = table(tmp_path, f"{apart},b\ntea,a\nx,\n"), list[str]()
    with evaluated_rows(sources, None, ["b", "a", "c"], lines.append, normalized) as rows:
        assert rows.texts == ("café" if normalized else apart, "tea")
        assert truth_of(rows, ["b", "a", "c"]).tolist() == [0, 1]
        assert rows.keys()[0] == EncodedRows.of(Rows(("café",), ("b",))).keys()[0]
    assert any("1 row has no label" in line for line in lines)


def test_unknown_labels(tmp_path: Path) -> None:
    sources = table(tmp_path, "x,a\ny,b\n")
    with (
        pytest.raises(DataError, match="labels that the model does not know: 'b'"),
        evaluated_rows(sources, None, ["a"], lambda _: None),
    ):
        pytest.fail("it is refused")


@pytest.mark.parametrize("limit", ["_BLOCK", "block_rows"])
def test_file_reads_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(module, limit, 2 if limit == "_BLOCK" else lambda labels: labels)
    sizes: list[int] = []

    def logits(texts: list[str], unknown: str) -> NDArray[np.float32]:
        assert unknown == "skip"
        sizes.append(len(texts))
        return np.array([[len(text), 0] for text in texts], np.float32)

    rows = EncodedRows.of(Rows(("a", "bb", "ccc"), ("x", "y", "x")))
    found = logits_of_file(Mock(labels=("x", "y"), logits=logits), rows, "skip")
    blocks = list(with_truth(found, truth_of(rows, ["x", "y"])))
    assert [block.tolist() for block, _ in blocks] == [[[1.0, 0], [2, 0]], [[3, 0]]]
    assert [truth.tolist() for _, truth in blocks] == [[0, 1], [0]]
    assert sizes == [2, 1]


def test_run_reads_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 2)
    rows = Rows(("a", "bb", "ab"), ("x", "y", "x"))
    alphabet = Alphabet.of(rows)
    shape = ClassifierConfig(vocabulary=len(alphabet.vocabulary), labels=2, hidden=4)
    model = RecurrentClassifier(shape).eval()
    found = list(logits_of_run(model, alphabet, EncodedRows.of(rows)))
    assert [len(block) for block in found] == [2, 1]
    torch.testing.assert_close(torch.cat(found), logits_of(model, alphabet, rows.texts))
