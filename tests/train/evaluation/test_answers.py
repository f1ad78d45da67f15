"""Answers of logits that come in blocks."""

import pytest
import torch

from rnn_train.evaluation import calibration
from rnn_train.evaluation.answers import PRIORS, Answers, predictions
from rnn_train.evaluation.prediction_sets import PredictionSets

ROWS, LABELS = 25, 4
LOG_PRIOR = [-0.5, -1.0, -2.0, -3.0]
PER_ROW = ("labels", "predicted", "ranks", "nats", "shares")


@pytest.fixture
def rows() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(ROWS, LABELS), torch.randint(LABELS, (ROWS,))


@pytest.mark.parametrize("prior", [0.0, 0.5])
def test_blocks_change_nothing(rows: tuple[torch.Tensor, torch.Tensor], prior: float) -> None:
    logits, labels = rows
    whole, parts = (
        Answers.of_blocks(
            zip(torch.split(logits, size), torch.split(labels, size), strict=True),
            ROWS,
            LOG_PRIOR,
            prior,
            0.6,
        )
        for size in (ROWS, 7)
    )
    for name in PER_ROW:
        assert torch.equal(getattr(parts, name), getattr(whole, name))
    for tried in PRIORS:
        assert torch.equal(parts.by_prior[tried], whole.by_prior[tried])
    assert torch.equal(whole.by_prior[prior], whole.predicted)
    assert parts.sets is not None
    assert whole.sets is not None
    assert parts.sets.sizes.tolist() == whole.sets.sizes.tolist()
    assert parts.sets.holds.tolist() == whole.sets.holds.tolist()
    sizes = PredictionSets.of(logits - prior * torch.tensor(LOG_PRIOR), labels, 0.6).sizes
    assert parts.sets.sizes.tolist() == sizes.tolist()


def test_by_hand() -> None:
    logits = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]]).log()
    found = Answers.of(logits, torch.tensor([1, 1]))
    assert found.count == 3
    assert found.predicted.tolist() == [0, 2]
    assert found.ranks.tolist() == [1, 2]
    torch.testing.assert_close(found.shares, torch.tensor([0.7, 0.4], dtype=torch.float64))
    torch.testing.assert_close(found.nats, -torch.tensor([0.2, 0.3]).log())
    assert found.by_prior == {}
    assert found.sets is None


def test_in_memory_logits_are_read_a_block_at_a_time(
    rows: tuple[torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Answers.of(*rows, LOG_PRIOR)
    monkeypatch.setattr(calibration, "_BLOCK", 3 * LABELS)
    assert torch.equal(Answers.of(*rows, LOG_PRIOR).nats, whole.nats)
    assert torch.equal(predictions(rows[0]), whole.predicted)
