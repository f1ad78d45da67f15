"""The reader asks a classifier's file for fewer logits, and gets the bits of all of them."""

import random
from pathlib import Path

import numpy as np
import pytest

from rnn_infer import Classifier
from rnn_infer.runtime.last_logits import last_logits
from rnn_infer.runtime.shortening import shortens
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.text.ragged import Ragged
from rnn_train.exporting.model_file import export
from tests.train.exporting.examples import (
    LABELS,
    VOCABULARY,
    classifier,
    classifier_card,
    shaken,
    some_tokens,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = {"pool": True, "ngrams": 3, "evidence": 2, "ngram_rows": 64, "ngram_width": 3}
    path = tmp_path_factory.mktemp("short") / "classifier.onnx"
    export(shaken(classifier(**shape)), classifier_card(), path)
    return path


@pytest.fixture(scope="module")
def stepper(path: Path) -> Stepper:
    return Stepper.open(path, device="cpu")


@pytest.mark.parametrize("time", [1, 2, 7])
def test_single_calls(stepper: Stepper, time: int) -> None:
    assert shortens(stepper.file)
    tokens = some_tokens(5, time)
    given = tokens.copy()
    logits, state = stepper.forward(tokens, stepper.zeros(5))
    np.testing.assert_array_equal(stepper.last(tokens, stepper.zeros(5)), logits[:, -1])
    for ours, theirs in zip(stepper.consume(tokens, stepper.zeros(5)), state, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(tokens, given)  # they are the caller's


@pytest.mark.parametrize("count", [1, 60, 900])
def test_texts_of_many_lengths(stepper: Stepper, count: int) -> None:
    """With few texts, with few of one length, and with a prefix tree."""
    chance = random.Random(count)
    lengths = [chance.choice([1, 2, 3, 4, 5, 6, 6, 6, 7, 30]) for _ in range(count)]
    rows = [np.array([chance.randrange(3) for _ in range(length)], np.int64) for length in lengths]
    found = last_logits(stepper, Ragged.of(rows))
    for i, row in enumerate(rows):
        expected, _ = stepper.forward(row[None], stepper.zeros(1))
        np.testing.assert_array_equal(found[i], expected[0, -1])


def test_predictions_are_those_alone(path: Path) -> None:
    model, chance = Classifier.load(path, device="cpu"), random.Random(1)
    letters = "".join(VOCABULARY[2:])
    texts = ["".join(chance.choices(letters, k=chance.randrange(1, 9))) for _ in range(700)]
    together = model.classify(texts, top=len(LABELS))
    for text, found in zip(texts[::20], together[::20], strict=True):
        assert found == model.classify(text, top=len(LABELS))
