"""The last logits of many texts: each as if it were read alone."""

import random
import string
import tracemalloc

import numpy as np
import pytest

from rnn_infer import Classifier, Prediction
from rnn_infer.runtime import last_logits as module
from rnn_infer.runtime.last_logits import last_logits
from rnn_infer.runtime.reading import MAX_CHUNK
from rnn_infer.text.prefix_tree import DEPTH
from rnn_infer.text.ragged import Ragged

LABELS = ("Danish", "French", "German", "Greek", "Polish")


def name(length: int, seed: int = 0) -> str:
    return "".join(random.Random(seed).choices(string.ascii_letters, k=length))


def same(left: Prediction, right: Prediction) -> None:
    """Check that two predictions are equal up to rounding, which depends on the batch size."""
    assert left.text == right.text
    a, b = ({each.label: each.probability for each in it.top} for it in (left, right))
    assert a == pytest.approx(b, abs=1e-5)


@pytest.mark.parametrize(
    "length", [1, 3000, *(MAX_CHUNK + more for more in (-3, -2, -1, 0, 1, MAX_CHUNK - 2))]
)
def test_texts_of_any_length(classifier: Classifier, length: int) -> None:
    """The reference reads one token per call."""
    stepper = classifier._stepper
    text = name(length)
    tokens = [classifier.metadata.vocabulary.index(char) for char in f"\x02{text}\x03"]
    state = stepper.zeros(1)
    for token in tokens:
        logits, state = stepper.forward(np.array([[token]]), state)
    weights = np.exp(logits[0, -1])
    expected = dict(zip(LABELS, (weights / weights.sum()).tolist(), strict=True))
    found = {each.label: each.probability for each in classifier.classify(text, top=5).top}
    assert found == pytest.approx(expected, abs=1e-4)


def test_very_different_lengths_in_one_batch(classifier: Classifier) -> None:
    lengths = [1, 5000, 2, MAX_CHUNK - 2, 3, MAX_CHUNK, 2 * MAX_CHUNK, 1, 3000]
    names = [name(length, i) for i, length in enumerate(lengths)]
    for each in classifier.classify(names, top=5):
        same(each, classifier.classify(each.text, top=5))


def test_one_long_text_does_not_pad_its_batch(classifier: Classifier) -> None:
    """If it were padded to the longest text, the tokens of this batch alone would take 120 MB."""
    names = [name(1, i) for i in range(255)] + [name(60_000)]
    tracemalloc.start()
    try:
        found = classifier.classify(names)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50e6
    assert found[-1].text == names[-1]
    same(found[0], classifier.classify(names[0]))


@pytest.mark.parametrize("shared", [0, 3, DEPTH - 2, DEPTH + 5])
def test_texts_with_common_prefixes_are_each_as_alone(classifier: Classifier, shared: int) -> None:
    chance = random.Random(shared)
    texts = [
        "ab" * (shared // 2) + "".join(chance.choices("abcde", k=chance.randrange(1, 12)))
        for _ in range(600)
    ]
    together = classifier.classify(texts, top=5)
    for text, found in zip(texts, together, strict=True):
        assert found == classifier.classify(text, top=5)


@pytest.mark.parametrize("count", [1, 90, 600, 5000])
def test_logits_of_each_text(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """With few texts, with a prefix tree, and with more texts than one tree holds."""
    monkeypatch.setattr(module, "_BLOCK_STATES", 1)
    stepper = classifier._stepper
    chance = random.Random(count)
    rows = [
        np.array([chance.randrange(4) for _ in range(chance.randrange(1, 9))]) for _ in range(count)
    ]
    found = last_logits(stepper, Ragged.of(rows))
    assert found.shape == (count, len(LABELS))
    for i in chance.sample(range(count), min(count, 50)):
        expected = stepper.forward(rows[i][None], stepper.zeros(1))[0][0, -1]
        np.testing.assert_allclose(found[i], expected, atol=1e-5)


def test_no_texts(classifier: Classifier) -> None:
    assert last_logits(classifier._stepper, Ragged.of([])).shape == (0, len(LABELS))
