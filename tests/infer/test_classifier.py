"""The classifier: single texts, batches, traces and priors."""

import json
import math
import random
import string
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer import (
    Classifier,
    ModelFileError,
    OptionError,
    Prediction,
    UnknownCharacterError,
    WrongKindError,
)

LABELS = ("Danish", "French", "German", "Greek", "Polish")
NAMES = ["Rossi", "O'Neill", "Nakamura", "Ek", "von der Lühe", "X", "Müller-Garcia", "Ng"]
NAME = st.text(st.sampled_from(string.ascii_letters + " '-éüñçЖ\U0001f600"), min_size=1)


def name(length: int, seed: int = 0) -> str:
    return "".join(random.Random(seed).choices(string.ascii_letters, k=length))


def same(left: Prediction, right: Prediction) -> None:
    """Check that two predictions are equal up to rounding, which depends on the batch size."""
    assert left.text == right.text
    a, b = ({each.label: each.probability for each in it.top} for it in (left, right))
    assert a == pytest.approx(b, abs=1e-5)


# --- one text -------------------------------------------------------------------------


def test_prediction(classifier: Classifier) -> None:
    found = classifier.classify("Rossi", top=5)
    assert found.text == "Rossi"
    assert classifier.labels == LABELS
    assert sorted(each.label for each in found.top) == sorted(LABELS)
    shares = [each.probability for each in found.top]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert (found.label, found.probability) == (found.top[0].label, found.top[0].probability)


@pytest.mark.parametrize("top", [1, 2, 5, 6, 10**6])
def test_top(classifier: Classifier, top: int) -> None:
    whole = classifier.classify("Rossi", top=5).top
    assert classifier.classify("Rossi", top=top).top == whole[:top]
    assert classifier.classify("Rossi").top == whole[:3]


# --- many texts -----------------------------------------------------------------------


@given(names=st.lists(NAME, max_size=12))
def test_batch_gives_the_same_as_single_texts(classifier: Classifier, names: list[str]) -> None:
    together = classifier.classify(names, top=5)
    assert [each.text for each in together] == names
    for each in together:
        same(each, classifier.classify(each.text, top=5))


def test_order_is_kept(classifier: Classifier) -> None:
    chance = random.Random(1)
    names = [name(chance.randrange(1, 40), i) for i in range(700)]
    found = classifier.classify(names)
    assert [each.text for each in found] == names
    back = classifier.classify(names[::-1])
    for there, again in zip(found, back[::-1], strict=True):
        same(there, again)
    for i in chance.sample(range(700), 20):
        same(found[i], classifier.classify(names[i]))


def test_list_tuple_and_empty_list(classifier: Classifier) -> None:
    assert classifier.classify([]) == []
    assert classifier.classify(tuple(NAMES)) == classifier.classify(NAMES)
    assert len(classifier.classify(["Rossi"])) == 1


def test_same_text_twice(classifier: Classifier) -> None:
    found = classifier.classify(["Rossi"] * 300)
    assert all(each == found[0] for each in found)


# --- traces ---------------------------------------------------------------------------


@given(text=NAME)
def test_last_step_of_a_trace_is_the_prediction(classifier: Classifier, text: str) -> None:
    trace = classifier.trace(text, top=5)
    shown = "".join(char if char in classifier.metadata.vocabulary else "\ufffd" for char in text)
    assert [each.text for each in trace] == [shown[: i + 1] for i in range(len(text))]
    same(trace[-1], classifier.classify(shown, top=5))


@pytest.mark.parametrize("text", NAMES)
def test_trace_is_the_prediction_of_each_prefix(classifier: Classifier, text: str) -> None:
    for i, each in enumerate(classifier.trace(text, top=2, prior=0.5)):
        assert len(each.top) == 2
        same(each, classifier.classify(text[: i + 1], top=2, prior=0.5))


def test_classifier_without_marks(documented: Callable[..., Path]) -> None:
    def clear(document: Any) -> None:
        document["classifier"].update(begin="", end="")

    classifier = Classifier.load(documented(clear, of="gru"), device="cpu")
    trace = classifier.trace("Rossi", top=5)
    assert len(trace) == 5
    same(trace[-1], classifier.classify("Rossi", top=5))
    with pytest.raises(OptionError, match="nothing to classify"):
        classifier.classify(["Rossi", "ЖЖ"], unknown="skip")


def test_longer_marks(documented: Callable[..., Path]) -> None:
    def lengthen(document: Any) -> None:
        document["classifier"].update(begin="ab", end="cde")

    classifier = Classifier.load(documented(lengthen, of="gru"), device="cpu")
    same(classifier.trace("Rossi", top=5)[-1], classifier.classify("Rossi", top=5))

    def move(document: Any) -> None:
        document["classifier"].update(begin="", end="")

    plain = Classifier.load(documented(move, of="gru"), device="cpu")
    wrapped, bare = classifier.classify("Rossi"), plain.classify("abRossicde")
    assert [each.label for each in wrapped.top] == [each.label for each in bare.top]


# --- priors ---------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [0.0, 0.3, 1.0])
def test_prior_divides_by_the_label_frequencies(classifier: Classifier, prior: float) -> None:
    section = classifier.metadata.classifier
    assert section is not None
    plain = {each.label: each.probability for each in classifier.classify("Rossi", top=5).top}
    weights = {
        label: plain[label] * math.exp(-prior * log)
        for label, log in zip(LABELS, section.log_prior, strict=True)
    }
    expected = {label: weight / sum(weights.values()) for label, weight in weights.items()}
    found = classifier.classify("Rossi", top=5, prior=prior)
    assert {each.label: each.probability for each in found.top} == pytest.approx(expected, abs=1e-5)
    same(classifier.trace("Rossi", top=5, prior=prior)[-1], found)


def test_prior_helps_rare_labels(classifier: Classifier) -> None:
    def greek(prior: float) -> float:
        top = classifier.classify("Rossi", top=5, prior=prior).top
        return next(each.probability for each in top if each.label == "Greek")

    assert greek(0) < greek(0.5) < greek(1)


# --- refused texts and options --------------------------------------------------------


@pytest.mark.parametrize("texts", ["", ["Rossi", ""], [""], ("", "x")])
def test_empty_text(classifier: Classifier, texts: Any) -> None:
    at = 0 if texts == "" else list(texts).index("")
    with pytest.raises(OptionError, match=f"text {at} is empty; there is nothing to classify"):
        classifier.classify(texts)


def test_text_without_known_characters(classifier: Classifier) -> None:
    for call in (classifier.classify, classifier.trace):
        with pytest.raises(OptionError, match="'ЖЖ' has no character the model knows"):
            call("ЖЖ", unknown="skip")
    with pytest.raises(OptionError, match="no character the model knows") as caught:
        classifier.classify(["Rossi", "Ж\n" * 1000], unknown="skip")
    assert len(str(caught.value)) < 200
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(OptionError, match="empty"):
        classifier.trace("")


@pytest.mark.parametrize(
    "options",
    [
        {"top": 0},
        {"top": -1},
        {"prior": -0.1},
        {"prior": 1.1},
        {"prior": math.nan},
        {"unknown": "drop"},
    ],
)
def test_option_out_of_range(classifier: Classifier, options: dict[str, Any]) -> None:
    for call in (classifier.classify, classifier.trace):
        with pytest.raises(OptionError, match=next(iter(options))):
            call("Rossi", **options)


def test_unknown_characters(classifier: Classifier) -> None:
    same(
        classifier.classify("RossiЖ", unknown="skip"),
        classifier.classify("Rossi")._replace(text="RossiЖ"),
    )
    same(
        classifier.classify("Rossî", unknown="fold"),
        classifier.classify("Rossi")._replace(text="Rossî"),
    )
    with pytest.raises(UnknownCharacterError, match=r"U\+0416"):
        classifier.classify("RossiЖ", unknown="error")
    assert classifier.classify("e\u0301").top == classifier.classify("é").top  # NFC


def test_character_model_file_is_refused(data: Path) -> None:
    with pytest.raises(WrongKindError, match="is a character model.*use CharLM.load"):
        Classifier.load(data / "charlm.onnx", device="cpu")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_model_that_returns_nan_or_infinity(edited: Callable[..., Path], value: float) -> None:
    def replace(model: Any) -> None:
        (bias,) = [each for each in model.graph.initializer if each.name == b"head0.b"]
        bias.raw_data = struct.pack("<5f", *[value] * 5)

    classifier = Classifier.load(edited(replace, of="gru"), device="cpu")
    for call in (classifier.classify, classifier.trace):
        with pytest.raises(ModelFileError, match="no numbers.*export it again"):
            call("Rossi")


def test_log_prior_beyond_float32(edited: Callable[..., Path]) -> None:
    def enlarge(model: Any) -> None:
        document = json.loads(model.metadata_props[0].value)
        document["classifier"]["log_prior"] = [-1e300] * 5
        model.metadata_props[0].value = json.dumps(document).encode()

    classifier = Classifier.load(edited(enlarge, of="gru"), device="cpu")
    with pytest.raises(ModelFileError, match="no numbers"):
        classifier.classify("Rossi", prior=1)
