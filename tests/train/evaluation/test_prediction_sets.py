"""Prediction sets of labelled rows, by hand."""

import math

import torch

from rnn_train.evaluation.answers import Answers
from rnn_train.evaluation.figures import ClassifierFigures
from rnn_train.evaluation.prediction_sets import PredictionSets

SHARES = torch.tensor([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.05, 0.05, 0.9], [0.3, 0.1, 0.6]])
TRUTH = torch.tensor([1, 2, 2, 0])
THRESHOLD = 0.7


def test_by_hand() -> None:
    """A label with a probability of 0.3 or more is in the set."""
    found = PredictionSets.of(SHARES.log(), TRUTH, THRESHOLD + 1e-6)
    assert found.sizes.tolist() == [1, 2, 1, 2]
    assert found.holds.tolist() == [False, False, True, True]
    assert found.of_rows(TRUTH == 2) == (0.5, 1.5)
    assert found.of_rows(TRUTH == 7) == (None, None)


def test_figures() -> None:
    labels = ["a", "b", "c", "never"]
    logits = torch.cat([SHARES.log(), torch.full((4, 1), -math.inf)], 1)
    found = ClassifierFigures.of(
        Answers.of_blocks([(logits, TRUTH)], 4, threshold=THRESHOLD + 1e-6), labels
    )
    assert found.metrics["coverage"] == 0.5
    assert found.metrics["mean_set_size"] == 1.5
    rows = found.as_json()["labels"]
    assert [(row["coverage"], row["mean_set_size"]) for row in rows] == [
        (1.0, 2.0),
        (0.0, 1.0),
        (0.5, 1.5),
        (None, None),
    ]
    lines = found.as_text().splitlines()
    assert "coverage: 0.5000" in lines
    head = next(i for i, line in enumerate(lines) if line.endswith("coverage  set size"))
    assert lines[head + 1].split()[-2:] == ["1.000", "2.00"]


def test_figures_without_sets() -> None:
    found = ClassifierFigures.of(Answers.of(SHARES.log(), TRUTH), ["a", "b", "c"])
    assert "coverage" not in found.metrics
    assert "coverage" not in found.as_text()
    assert all("coverage" not in row for row in found.as_json()["labels"])


def test_no_label_is_as_likely_as_the_threshold_asks() -> None:
    assert PredictionSets.of(SHARES.log(), TRUTH, 0.0).sizes.tolist() == [1, 1, 1, 1]
    everything = PredictionSets.of(SHARES.log(), TRUTH, 1.0)
    assert everything.sizes.tolist() == [3, 3, 3, 3]
    assert everything.of_rows(TRUTH >= 0) == (1.0, 3.0)
