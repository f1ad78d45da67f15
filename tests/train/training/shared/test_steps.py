"""Steps that are shared out: here both processes take turns. `test_worker.py` has real ones."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rnn_train.data.streams import ArrayRing, Streams
from rnn_train.distributed.group import Group
from rnn_train.distributed.share import WHOLE, Share
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.training.shared import steps
from rnn_train.training.shared.passes import compute_gradient
from rnn_train.training.shared.steps import SharedSteps, StepOrder

CPU = torch.device("cpu")


class Post(Group):
    """Keeps what process 0 sends, for process 1 to find."""

    def __init__(self, rank: int, letters: list[object]) -> None:
        self._rank, self.letters, self.busy = rank, letters, False

    @property
    def rank(self) -> int:
        return self._rank

    @property
    def size(self) -> int:
        return 2

    def send(self, order: object) -> None:
        self.letters.append(order)

    def broadcast(self, tensors: object) -> None:
        assert isinstance(tensors, list)
        if self._rank == 0:
            self.letters.append([each.detach().clone() for each in tensors])
        else:
            kept = self.letters.pop(0)
            assert isinstance(kept, list)
            with torch.no_grad():
                for each, value in zip(tensors, kept, strict=True):
                    each.copy_(value)

    def add_up(self, tensors: object) -> None:
        assert isinstance(tensors, list)
        self.letters.append([each.detach().clone() for each in tensors])


def objective(seed: int) -> CharLMObjective:
    torch.manual_seed(seed)
    config = CharLSTMConfig(vocabulary=5, embedding=3, hidden=4, layers=1, weight_drop=0.5)
    text = ArrayRing(np.arange(200) % 5)
    streams = Streams(text, batch=3, window=4, seed=0)
    return CharLMObjective(CharLSTM(config), streams, np.arange(0), tuple("abcde"), 0, CPU)


@pytest.fixture(autouse=True)
def _float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "pick_precision", lambda *_: torch.float32)


def gradient(subject: CharLMObjective, step: int) -> Tensor:
    loss, _ = compute_gradient(subject, step, torch.float32, CPU, lambda x: x)
    return loss


def test_follower_takes_over_weights_masks_and_state() -> None:
    whole, leader, follower = objective(1), objective(1), objective(2)
    letters: list[object] = []
    leading = SharedSteps(Post(0, letters), leader, CPU)
    following = SharedSteps(Post(1, letters), follower, CPU)
    assert (leader.share, follower.share, whole.share) == (Share(0, 2), Share(1, 2), WHOLE)
    for step in range(2):
        torch.manual_seed(step)
        expected = gradient(whole, step)
        torch.manual_seed(step)
        leading.begin(step, 1.0)
        busy = [leading._group.busy]
        assert leading.finish(gradient(leader, step)).shape == expected.shape
        assert [*busy, leading._group.busy] == [True, False], "no order would reach the others"
        mine = letters.pop()
        torch.manual_seed(99)
        order = letters.pop(0)
        assert isinstance(order, StepOrder)
        assert order.first == (step == 0)
        following.follow(order)
        theirs = letters.pop()
        assert isinstance(mine, list)
        assert isinstance(theirs, list)
        grads = [each.grad for each in whole.model.parameters()]
        for one, other, sum_of_both in zip(
            mine, theirs, [*grads, expected, *whole.carried], strict=True
        ):
            torch.testing.assert_close(one + other, sum_of_both)
        for kept, each in zip(leader.carried, whole.carried, strict=True):
            kept.copy_(each)  # what adding up does


def test_parameter_without_gradient_keeps_none() -> None:
    subject = objective(1)
    letters: list[Any] = []
    shared = SharedSteps(Post(0, letters), subject, CPU)
    gradient(subject, 0)
    subject.model.embedding.weight.grad = None
    shared.finish(torch.ones(()))
    (sent,) = letters
    assert not sent[0].any(), "zeros keep the place of the gradient in the message"
    assert subject.model.embedding.weight.grad is None
