"""A float32 file as a model again: other variants of it, with the same numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rnn_infer
from rnn_infer.runtime.stepper import Stepper
from rnn_train.errors import ExportError
from rnn_train.exporting.from_file import reopen
from rnn_train.exporting.model_file import export
from tests.train.exporting.examples import (
    char_lstm,
    classifier,
    classifier_card,
    lm_card,
    no_loss,
    shaken,
)

FACTS = {"data_sha256": "abc", "held_out_nats_per_char": 1.5, "temperature": 1.25}


def again(folder: Path, **variant: Any) -> tuple[Stepper, Stepper]:
    """Export `folder`/one.onnx again, and open both files."""
    opened = reopen(folder / "one.onnx")
    export(opened.model, opened.card, folder / "two.onnx", loss=opened.loss, **variant)
    first, second = (Stepper.open(folder / f"{name}.onnx", device="cpu") for name in ("one", "two"))
    return first, second


def assert_same(first: Stepper, second: Stepper) -> None:
    """The same bits, and the same document but for the proof."""
    tokens = np.random.default_rng(5).integers(11, size=(3, 20))
    for one, two in zip(
        *(each.forward(tokens, each.zeros(3)) for each in (first, second)), strict=True
    ):
        for ours, theirs in zip(one, two, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    documents = [vars(each.file.metadata) | {"proof": {}} for each in (first, second)]
    assert documents[0] == documents[1]


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"layers": 3, "skip": True, "head": 9},
        {"vocabulary": 5000, "embedding": 3, "hidden": 64},
    ],
)
def test_character_model(shape: dict[str, Any], tmp_path: Path) -> None:
    """Folded or not, with and without a layer in the head."""
    vocabulary = tuple(chr(0x4E00 + i) for i in range(shape.get("vocabulary", 11)))
    card = lm_card(vocabulary=vocabulary, start="一", temperature=1.25, training=FACTS)
    export(shaken(char_lstm(**shape)), card, tmp_path / "one.onnx")
    assert_same(*again(tmp_path))


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"layers": 2, "pool": True, "ngrams": 3, "evidence": 4, "ngram_rows": 41},
        {"ngrams": 4, "ngram_rows": 41, "bag": True},
        {"ngrams": 3, "ngram_rows": 64, "bag": True}
        | {"prefix": 4, "space": 2, "frequent_ngrams": 9},
        {"cell": "mingru", "layers": 2},
    ],
)
def test_classifier(shape: dict[str, Any], tmp_path: Path) -> None:
    card = classifier_card(training=FACTS, noise=(0.01, 0.0, 0.02))
    export(shaken(classifier(**shape)), card, tmp_path / "one.onnx")
    assert_same(*again(tmp_path))


def test_another_variant(tmp_path: Path) -> None:
    """From a bare step to a file that draws, and to int8, whose cost is measured."""
    model = shaken(char_lstm(hidden=96, layers=2), 0.02)
    export(model, lm_card(), tmp_path / "one.onnx", step_only=True)
    first, second = again(tmp_path, without_if=True)
    texts = [rnn_infer.CharLM(each).generate("abc", length=40, seed=1) for each in (first, second)]
    assert texts[0] == texts[1]
    _, rounded = again(tmp_path, weights="int8")
    assert 0 < rounded.file.metadata.proof["int8_loss"] < 0.01
    export(model, lm_card(), tmp_path / "run.onnx", weights="int8", loss=no_loss)
    expected = Stepper.open(tmp_path / "run.onnx", device="cpu")
    tokens = np.arange(10)[None]
    np.testing.assert_array_equal(
        rounded.forward(tokens, rounded.zeros(1))[0], expected.forward(tokens, expected.zeros(1))[0]
    )


def test_a_file_with_whole_recurrent_matrices(tmp_path: Path) -> None:
    """A file of fixed steps has one product of all gates, and so had older files."""
    model = shaken(char_lstm(layers=2))
    export(model, lm_card(), tmp_path / "one.onnx", steps=2)
    texts = [rnn_infer.CharLM(each).generate("abc", length=40, seed=1) for each in again(tmp_path)]
    assert texts[0] == texts[1]


def test_the_cost_of_rounding_a_classifier(tmp_path: Path) -> None:
    """It is the divergence from the file's own probabilities: none for the file itself."""
    export(shaken(classifier()), classifier_card(), tmp_path / "one.onnx")
    export(shaken(classifier(), 0.5), classifier_card(), tmp_path / "other.onnx")
    loss = reopen(tmp_path / "one.onnx").loss
    own, other = (
        Stepper.open(tmp_path / f"{name}.onnx", device="cpu") for name in ("one", "other")
    )
    assert 0 < loss(own) < loss(other)


def test_rounded_weights_are_refused(tmp_path: Path) -> None:
    model = char_lstm(hidden=96)
    export(model, lm_card(), tmp_path / "m.onnx", weights="int8", loss=no_loss)
    with pytest.raises(ExportError, match="has int8 weights.* name the float32 file"):
        reopen(tmp_path / "m.onnx")


def test_a_file_that_hides_its_weights_is_refused(tmp_path: Path) -> None:
    """The GRU node of a whole sequence holds them in another order."""
    torch.manual_seed(3)
    model = shaken(classifier(cell="gru", layers=2))
    export(model, classifier_card(), tmp_path / "m.onnx")
    with pytest.raises(ExportError, match="does not tell the weights .* export its run folder"):
        reopen(tmp_path / "m.onnx")
