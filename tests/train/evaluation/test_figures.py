"""Figures of an evaluation as JSON, as text and as plots."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from rnn_train.errors import EvaluationError
from rnn_train.evaluation import metrics
from rnn_train.evaluation.answers import Answers
from rnn_train.evaluation.figures import CharLMFigures, ClassifierFigures

CHARLM = CharLMFigures(12_345, {"windows": 1.5, "stateful": 1.25})


@pytest.fixture
def classifier() -> ClassifierFigures:
    logits = torch.tensor([[2.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 1.0, 0.0]])
    return ClassifierFigures.of(
        Answers.of(logits, torch.tensor([0, 1, 1, 1])), ["a", "long name", "never"]
    )


def test_charlm_as_json() -> None:
    shown = CHARLM.as_json()
    assert (shown["kind"], shown["characters"]) == ("charlm", 12_345)
    assert shown["protocols"]["stateful"] == {
        "nats_per_char": 1.25,
        "bits_per_char": pytest.approx(1.25 / math.log(2)),
    }


def test_charlm_as_text() -> None:
    first, *others = CHARLM.as_text().splitlines()
    assert first == "12,345 characters scored"
    assert others[0] == "windows   1.5000 nats/char  2.1640 bits/char"
    assert len(others) == 2


def test_charlm_has_no_plots(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="plots are for classifiers only"):
        CHARLM.draw(tmp_path / "plots")
    assert list(tmp_path.iterdir()) == []


def test_classifier_counts(classifier: ClassifierFigures) -> None:
    assert classifier.rows == 4
    assert classifier.metrics["accuracy"] == 0.75
    assert set(classifier.metrics) == set(
        metrics.summary(Answers.of(torch.eye(3), torch.arange(3)))
    )
    assert classifier.truth.tolist() == [0, 1, 1, 1]
    assert classifier.predictions.tolist() == [0, 0, 1, 1]
    first, second, never = classifier.labels
    assert (first.rows, first.precision, first.recall) == (1, 0.5, 1.0)
    assert (second.rows, second.precision) == (3, 1.0)
    assert second.recall == pytest.approx(2 / 3)
    assert (never.rows, never.f1) == (0, 0.0)


def test_classifier_as_json(classifier: ClassifierFigures) -> None:
    shown = classifier.as_json()
    assert (shown["kind"], shown["rows"], shown["accuracy"]) == ("classifier", 4, 0.75)
    assert [each["label"] for each in shown["labels"]] == ["a", "long name", "never"]
    assert set(shown["labels"][0]) == {
        "label",
        "rows",
        "precision",
        "recall",
        "f1",
        "share_predicted",
        "most_confused_with",
    }


def test_classifier_as_text(classifier: ClassifierFigures) -> None:
    lines = classifier.as_text().splitlines()
    assert lines[0] == "4 rows scored"
    assert "macro f1: 0.7333" in lines
    assert lines[-4:] == [
        "label      precision  recall      f1    rows",
        "a              0.500   1.000   0.667       1",
        "long name      1.000   0.667   0.800       3",
        "never          0.000   0.000   0.000       0",
    ]


def test_table_of_many_labels() -> None:
    """Those with most rows are shown, and the last line counts the others."""
    names = [f"label {i:,}" for i in range(200)]
    truth = torch.arange(200).repeat_interleave(torch.arange(200) % 7 + 1)
    logits = torch.nn.functional.one_hot(truth, 200).float()
    figures = ClassifierFigures.of(Answers.of(logits, truth), names)
    lines = figures.as_text().splitlines()
    table = lines[lines.index("") + 1 :]
    assert [int(line.split()[-1]) for line in table[1:-1]] == [7] * 28 + [6] * 28 + [5] * 4
    assert table[-1] == "and 140 labels with fewer rows; --per-label FILE.csv writes all of them"
    assert len(figures.as_json()["labels"]) == 200


def test_confusions_of_a_classifier(classifier: ClassifierFigures) -> None:
    assert classifier.as_json()["confusions"] == [
        {"true": "long name", "predicted": "a", "rows": 1}
    ]
    lines = classifier.as_text().splitlines()
    assert lines[lines.index("most frequent confusions (true → predicted: rows)") + 1] == (
        "  long name → a: 1"
    )


def test_priors_and_contradictions() -> None:
    logits, truth = torch.tensor([[2.0, 0.0]] * 3), torch.tensor([0, 0, 1])
    log_prior = [0.0, -10.0]
    answers = Answers.of_blocks([(logits, truth)], 3, log_prior, prior=0.3)
    found = ClassifierFigures.of(answers, "ab", keys=np.array([5, 6, 5]), prior=0.3)
    shown = found.as_json()
    assert shown["prior"] == 0.3
    assert shown["accuracy"] == shown["priors"]["0.3"]["accuracy"] == pytest.approx(1 / 3)
    assert shown["priors"]["0"]["accuracy"] == pytest.approx(2 / 3)
    assert shown["several_labels"]["rows"] == 2
    text = found.as_text()
    assert "prior: 0.3\n" in text
    assert "best prior of these rows: 0 (macro f1: 0.4000, accuracy: 0.6667)" in text
    assert "texts with several labels: 1 (2 rows" in text


def test_no_contradictions() -> None:
    found = ClassifierFigures.of(
        Answers.of(torch.eye(2), torch.arange(2)), "ab", keys=np.array([5, 6])
    )
    assert "several_labels" not in found.as_json()
    assert "confusions" not in found.as_text()


def test_only_a_classifier_has_labels(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="leave out --per-label"):
        CHARLM.write_labels(tmp_path / "labels.csv")


def test_classifier_plots(classifier: ClassifierFigures, tmp_path: Path) -> None:
    paths = classifier.draw(tmp_path / "new" / "plots")
    assert [path.name for path in paths] == ["confusion.png", "reliability.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
