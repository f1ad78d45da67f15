"""Dynamic evaluation of a character model."""

import numpy as np
import pytest
import torch

from rnn_train.evaluation.dynamic import Adaptation, dynamic_loss
from rnn_train.evaluation.protocols import TorchReader, stateful_loss
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig

REPETITIVE = np.array([0, 1, 2, 3, 4, 3, 2, 1] * 60, np.uint8)
TRAINING = np.random.default_rng(3000).integers(5, size=3000).astype(np.uint8)


@pytest.fixture
def model() -> CharLSTM:
    config = CharLSTMConfig(vocabulary=5, embedding=6, hidden=12, layers=2, weight_drop=0.5)
    return CharLSTM(config).eval()


def test_it_learns_the_text_and_leaves_the_model_unchanged(model: CharLSTM) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    static = stateful_loss(TorchReader(model, 1.0), REPETITIVE, 5)
    dynamic = dynamic_loss(model, REPETITIVE, TRAINING, 1.0, Adaptation(rate=0.01))
    assert dynamic < static - 0.05, "a repetitive text is soon predicted"
    assert not model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_at_rate_zero_it_is_the_stateful_loss(model: CharLSTM, temperature: float) -> None:
    static = stateful_loss(TorchReader(model, temperature), REPETITIVE, 5)
    dynamic = dynamic_loss(model, REPETITIVE, TRAINING, temperature, Adaptation(rate=0.0))
    assert dynamic == pytest.approx(static, abs=1e-5)


def test_each_segment_is_scored_before_it_is_learned(model: CharLSTM) -> None:
    """The trained weights score the first segment, at any rate."""
    adaptation = Adaptation(rate=0.5)
    one_segment = REPETITIVE[:21]
    static = stateful_loss(TorchReader(model, 1.0), one_segment, 5)
    found = dynamic_loss(model, one_segment, TRAINING, 1.0, adaptation)
    assert found == pytest.approx(static)
    longer = REPETITIVE[:22]
    static = stateful_loss(TorchReader(model, 1.0), longer, 5)
    found = dynamic_loss(model, longer, TRAINING, 1.0, adaptation)
    assert found != pytest.approx(static, abs=1e-3)


def test_decay_pulls_the_weights_back(model: CharLSTM) -> None:
    """With the largest decay the model remembers only the last segment, so it learns less."""
    free, pulled = (
        dynamic_loss(model, REPETITIVE, TRAINING, 1.0, Adaptation(rate=0.01, decay=decay))
        for decay in (0.0, 1e9)
    )
    assert free < pulled - 0.1
