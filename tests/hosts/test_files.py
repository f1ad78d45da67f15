"""The model that is trained for the engines alone."""

from pathlib import Path

import pytest

import rnn_infer
from hosts import files


def test_classifier_of_many_rows_is_trained_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the hash of the word so far, and an index of the frequent n-grams."""
    monkeypatch.setattr(files, "BUILD", tmp_path)
    files.write_file("many-rows")
    trained = tmp_path / "many-rows.trained.onnx"
    before = trained.stat().st_mtime_ns
    facts = rnn_infer.load(tmp_path / "many-rows.onnx", device="cpu").metadata.training
    assert facts["model.prefix"] == 8
    assert facts["model.frequent_ngrams"] == 2_000
    assert (tmp_path / "many-rows.json").exists()
    files.write_file("many-rows.steps-4")
    assert trained.stat().st_mtime_ns == before


def test_shipped_models_are_not_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BUILD", tmp_path)
    assert files._source("classifier") == files.ROOT / "exported" / "classifier.onnx"
    assert not list(tmp_path.iterdir())
