"""The labeller: blocks of rows, rows with nothing, and outputs that are no numbers."""

from typing import Any

import numpy as np
import pytest

from rnn_infer import Classifier, ModelFileError, OptionError, labelling
from rnn_infer.predictions import Choice, rank

NAMES = ["Rossi", "O'Neill", "Nakamura", "Ek", "von der Lühe", "X"]


def test_blocks_do_not_matter(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [name if i % 5 else None for i, name in enumerate(NAMES * 8)]
    whole = classifier.classify_columns(texts, on_empty="none")
    predictions = classifier.classify(texts, on_empty="none")
    monkeypatch.setattr(labelling, "_BLOCK", 7)
    assert classifier.classify(texts, on_empty="none") == predictions
    parts = classifier.classify_columns(texts, on_empty="none")
    assert parts[0].tolist() == whole[0].tolist()
    np.testing.assert_allclose(parts[1], whole[1], atol=1e-6)
    with pytest.raises(OptionError, match="text 20 is missing"):
        classifier.classify_columns([*NAMES, *NAMES, *NAMES, "a", "b", None])


def test_logits_of_texts(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    labeller = classifier._labeller
    whole = labeller.logits(NAMES, "default")
    assert whole.shape == (len(NAMES), len(labeller.labels))
    best = [labeller.labels[i] for i in whole.argmax(-1)]
    assert best == [each.label for each in classifier.classify(NAMES)]
    monkeypatch.setattr(labelling, "_BLOCK", 4)
    np.testing.assert_array_equal(labeller.logits(NAMES, "default"), whole)
    with pytest.raises(OptionError, match="'漢' has no character the model knows"):
        labeller.logits([*NAMES, "漢"], "skip")


def test_a_block_of_many_labels_has_few_rows(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory grows neither with the rows, nor with the length of a traced text."""
    labeller, choice = classifier._labeller, Choice(top=2)
    whole = labeller.predictions(NAMES, choice), labeller.trace("von der Lühe", choice)
    sizes: list[int] = []

    def noted(logits: Any, *given: Any) -> Any:
        sizes.append(len(logits))
        return rank(logits, *given)

    monkeypatch.setattr(labelling, "rank", noted)
    monkeypatch.setattr(labelling, "_LOGITS", 4 * len(labeller.labels) + 1)
    assert labeller.predictions(NAMES, choice) == whole[0]
    assert labeller.trace("von der Lühe", choice) == whole[1]
    labeller.columns([*NAMES], choice, refuse=True)
    assert sizes == [4, 2, *(4, 4, 4), *(4, 2)]
    monkeypatch.setattr(labelling, "_LOGITS", 1)
    assert labeller.predictions(NAMES, choice) == whole[0]


def test_model_that_returns_nan(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any, texts: Any) -> Any:
        return np.full((len(texts.lengths), 5), np.nan, np.float32)

    monkeypatch.setattr(labelling, "last_logits", broken)
    with pytest.raises(ModelFileError, match="no numbers"):
        classifier.classify_columns(NAMES)
    with pytest.raises(ModelFileError, match="no numbers"):
        classifier._labeller.logits(NAMES, "default")


def test_labeller_gives_predictions_columns_and_traces(classifier: Classifier) -> None:
    labeller, choice = classifier._labeller, Choice(top=2)
    assert labeller.labels == classifier.labels
    assert labeller.predictions(NAMES, choice) == classifier.classify(NAMES, top=2)
    assert labeller.trace("Rossi", choice) == classifier.trace("Rossi", top=2)
    labels, probabilities = labeller.columns(["Rossi", None], choice, refuse=False)
    assert labels[0, 0] == classifier.classify("Rossi").label
    assert labels[1].tolist() == [None, None]
    assert np.isnan(probabilities[1]).all()
    with pytest.raises(OptionError, match="text 1 is missing"):
        labeller.columns(["Rossi", None], choice, refuse=True)
