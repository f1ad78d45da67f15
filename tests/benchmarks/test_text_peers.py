"""The peers learn, and each character of the future counts once."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from benchmarks import text_peers
from benchmarks.text_peers import PEERS, PeerScore, _stateful_score, _windows_score

TEXT = torch.tensor([0, 1, 2, 3, 1, 0, 2, 4]).repeat(120)


@pytest.mark.parametrize("name", PEERS)
def test_peer_learns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count().__next__  # a step takes a second
    monkeypatch.setattr(text_peers, "_seconds", clock)
    monkeypatch.setattr(text_peers, "_CHECK_BATCHES", 2)
    before = PEERS[name](TEXT[:800], TEXT[800:], 5, 1.0, 0)
    after = PEERS[name](TEXT[:800], TEXT[800:], 5, 8.0, 0)
    assert after.nats < before.nats
    assert PEERS[name](TEXT[:800], TEXT[800:], 5, 1.0, 1).nats != before.nats, "the seed is used"
    assert after.best_temperature_nats <= after.nats


class Constant(nn.Module):
    """Gives each position the same logits."""

    logits = torch.tensor([2.0, 0.0, 0.0, 0.0, 0.0])

    def forward(self, tokens: Tensor) -> Tensor:
        return self.logits.expand(*tokens.shape, 5)


class ConstantLSTM(Constant):
    """The same with a state."""

    def forward(self, tokens: Tensor, state: int | None = None) -> tuple[Tensor, int]:  # type: ignore[override]
        return super().forward(tokens), (state or 0) + 1


@pytest.mark.parametrize("length", [65, 66, 97, 100, 129, 700])
def test_every_character_but_the_first_counts_once(length: int) -> None:
    text = TEXT[:length]
    log_probabilities = Constant.logits.log_softmax(-1)
    expected = -log_probabilities[text[1:]].mean().item()
    for score in (_windows_score(Constant(), text), _stateful_score(ConstantLSTM(), text)):
        assert score.nats == pytest.approx(expected, rel=1e-6)


def test_best_temperature_makes_a_model_modest_that_is_too_sure() -> None:
    text = TEXT[TEXT > 0][:200]
    score = _windows_score(Constant(), text)
    assert score.best_temperature_nats < score.nats
    assert score.best_temperature_nats > math.log(4)


def test_score_is_by_character() -> None:
    sums = torch.full((11,), 30.0, dtype=torch.double)
    sums[5] = 20.0
    assert PeerScore.of(sums, 10) == PeerScore(3.0, 2.0)
