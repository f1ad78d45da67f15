"""Metrics, compared with hand counts and with scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, top_k_accuracy_score
from torch import Tensor

from rnn_train.evaluation import calibration, metrics
from rnn_train.evaluation.answers import Answers, ranks
from rnn_train.evaluation.answers import predictions as most_likely
from rnn_train.evaluation.calibration import CalibratedHalves, Calibration

ROWS, LABELS = 400, 5


@pytest.fixture
def predictions() -> tuple[Tensor, Tensor]:
    labels = torch.randint(LABELS, (ROWS,))
    logits = torch.randn(ROWS, LABELS)
    logits[torch.arange(ROWS), labels] += 1.5
    return logits, labels


def test_summary_agrees_with_scikit_learn(predictions: tuple[Tensor, Tensor]) -> None:
    logits, labels = predictions
    found = metrics.summary(Answers.of(logits, labels))
    predicted = logits.argmax(-1)
    assert found["accuracy"] == pytest.approx((predicted == labels).numpy().mean())
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert found["weighted_f1"] == pytest.approx(f1_score(labels, predicted, average="weighted"))
    assert found["top_3_accuracy"] == pytest.approx(top_k_accuracy_score(labels, logits, k=3))
    assert found["top_5_accuracy"] == 1
    probability = torch.softmax(logits, -1)[torch.arange(ROWS), labels]
    assert found["nats_per_text"] == pytest.approx(float(-probability.log().mean()), abs=1e-5)


def test_top_5_accuracy_of_many_labels() -> None:
    labels, logits = torch.randint(9, (ROWS,)), torch.randn(ROWS, 9)
    found = metrics.summary(Answers.of(logits, labels))
    expected = top_k_accuracy_score(labels, logits, k=5, labels=range(9))
    assert found["top_5_accuracy"] == pytest.approx(expected)


def test_of_equal_logits_the_first_label_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `argmax`: else top-3 accuracy could be lower than accuracy."""
    monkeypatch.setattr(calibration, "_BLOCK", 14)
    logits, labels = torch.zeros(6, 7), torch.arange(6)
    logits[5, 6] = 1
    found = metrics.summary(Answers.of(logits, labels))
    assert found["accuracy"] == 1 / 6
    assert found["top_3_accuracy"] == 3 / 6
    assert found["top_5_accuracy"] == 5 / 6


def test_logits_that_are_no_numbers_are_never_right() -> None:
    logits = torch.full((1, 7), math.nan)
    assert ranks(logits, torch.tensor([0])).tolist() == [7]


def test_reliability_in_blocks(
    predictions: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = metrics.reliability(Answers.of(*predictions))
    monkeypatch.setattr(calibration, "_BLOCK", 7 * LABELS)
    assert metrics.reliability(Answers.of(*predictions)).error == whole.error


def test_figures_in_blocks(
    predictions: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same to the last bit."""
    log_prior = [-1.0, -2.0, -1.5, -3.0, -0.5]
    answers = Answers.of(*predictions, log_prior)
    whole = metrics.summary(answers), metrics.by_prior(answers)
    monkeypatch.setattr(calibration, "_BLOCK", 7 * LABELS)
    answers = Answers.of(*predictions, log_prior)
    assert (metrics.summary(answers), metrics.by_prior(answers)) == whole
    by_hand = (predictions[0] - 0.5 * torch.tensor(log_prior)).argmax(-1)
    assert whole[1][0.5]["accuracy"] == pytest.approx(
        float((by_hand == predictions[1]).double().mean())
    )


def test_top_3_accuracy_of_two_labels() -> None:
    found = metrics.summary(Answers.of(torch.eye(2), torch.tensor([0, 1])))
    assert found["top_3_accuracy"] == 1


def test_reliability_by_hand() -> None:
    """Four predictions: two at 0.5, one of them correct; two at 0.9, both correct."""
    even, sure = [0.0, 0.0], [math.log(9), 0.0]
    logits = torch.tensor([even, even, sure, sure])
    found = metrics.reliability(Answers.of(logits, torch.tensor([0, 1, 0, 0])))
    assert found.share[7] == found.share[13] == 0.5
    assert found.accuracy[7] == 0.5
    assert found.accuracy[13] == 1
    assert found.confidence[13] == pytest.approx(0.9)
    assert found.error == pytest.approx(0.5 * 0.0 + 0.5 * 0.1)
    assert np.isnan(found.accuracy[0])


def test_probability_1_is_in_the_last_bin() -> None:
    found = metrics.reliability(Answers.of(torch.tensor([[1000.0, 0.0]]), torch.tensor([1])))
    assert found.share[-1] == 1
    assert found.error == 1


def test_no_row_influences_its_own_calibration(predictions: tuple[Tensor, Tensor]) -> None:
    logits, labels = predictions
    shares = tuple([-1.0] * LABELS)
    before = CalibratedHalves.of(logits * 3, labels, shares)[:]
    changed = (labels + 1) % LABELS
    changed[1::2] = labels[1::2]  # the labels of the even rows are now wrong
    after = CalibratedHalves.of(logits * 3, changed, shares)[:]
    torch.testing.assert_close(after[::2], before[::2])
    assert not torch.allclose(after[1::2], before[1::2])
    one = CalibratedHalves.of(logits[:1], labels[:1], shares)
    assert torch.equal(one[:], logits[:1])


def test_parts_of_calibrated_halves() -> None:
    logits = torch.randn(9, 4)
    even, odd = Calibration(2.0), Calibration(3.0, (0.1, 0.0, 0.0, 0.2))
    found = CalibratedHalves(logits, (even, odd))
    expected = torch.empty(9, 4)
    expected[::2], expected[1::2] = even.apply(logits[::2]), odd.apply(logits[1::2])
    assert found.shape == (9, 4)
    for begin, end in ((0, 9), (0, 4), (3, 7), (4, 5), (5, 20), (9, 9)):
        assert torch.equal(found[begin:end], expected[begin:end])
    assert most_likely(found).tolist() == expected.argmax(-1).tolist()


def test_by_label(predictions: tuple[Tensor, Tensor]) -> None:
    logits, labels = predictions
    names = ["a", "b", "c", "d", "e", "never seen"]
    logits = torch.cat([logits, torch.full((ROWS, 1), -99.0)], 1)
    predicted = logits.argmax(-1)
    found = metrics.by_label(predicted, labels, names)
    for index, name in enumerate(names[:-1]):
        hits = int(((predicted == index) & (labels == index)).sum())
        assert found[name]["precision"] == pytest.approx(hits / int((predicted == index).sum()))
        assert found[name]["recall"] == pytest.approx(hits / int((labels == index).sum()))
        assert found[name]["rows"] == int((labels == index).sum())
    assert found["never seen"] == {"precision": 0, "recall": 0, "f1": 0, "rows": 0}


def test_prior_finds_rare_labels() -> None:
    """A label of 1 row in 100 is found when every label counts as equally frequent."""
    labels = torch.tensor([0] * 99 + [1])
    logits = torch.tensor([[2.0, 0.0]] * 99 + [[1.0, 0.5]])
    found = metrics.by_prior(Answers.of(logits, labels, [math.log(0.99), math.log(0.01)]))
    assert found[0.0] == pytest.approx({"accuracy": 0.99, "macro_f1": 0.497}, abs=1e-3)
    assert found[0.2]["macro_f1"] == 1
    assert found[1.0]["accuracy"] == pytest.approx(0.01)


def test_largest_confusions_come_first() -> None:
    truth = torch.tensor([0, 0, 0, 1, 2, 2])
    predicted = torch.tensor([1, 1, 0, 1, 0, 2])
    assert metrics.confusions(predicted, truth, "xyz") == [
        {"true": "x", "predicted": "y", "rows": 2},
        {"true": "z", "predicted": "x", "rows": 1},
    ]
