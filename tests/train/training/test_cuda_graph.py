"""A training step's passes as recorded graphs; torch's recorder is played by a stand-in.

The stand-in keeps what a CUDA graph's user must not forget: inputs are read from where the sample
lay, and what a replay gave is overwritten by the next one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rnn_train.data.streams import ArrayRing, Streams
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.training import cuda_graph

CPU = torch.device("cpu")
TEXT = np.random.default_rng(0).integers(9, size=900).astype(np.uint8)
NAMES = tuple("abcdefghi")


def recorder(module: nn.Module, sample: tuple[Tensor, ...]) -> Callable[..., Any]:
    """Plays `torch.cuda.make_graphed_callables`."""
    assert not (torch.is_autocast_enabled("cpu") and torch.is_autocast_cache_enabled())
    assert all(each.is_leaf and not each.requires_grad for each in sample)
    given: list[Tensor] = []

    def replay(*inputs: Tensor) -> tuple[Tensor, ...]:
        assert [each.shape for each in inputs] == [each.shape for each in sample]
        assert [each.dtype for each in inputs] == [each.dtype for each in sample]
        for place, value in zip(sample, inputs, strict=True):
            place.copy_(value)
        for old in given:
            old.data.fill_(torch.nan)
        found = module(*(each.clone() for each in sample))
        given[:] = found
        return tuple(found)

    return replay


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graph, "possible", lambda _: True)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", recorder)


def objective(capture: bool = True) -> CharLMObjective:
    torch.manual_seed(3)
    config = CharLSTMConfig(vocabulary=9, embedding=6, hidden=8, weight_drop=0.2, skip=True)
    streams = Streams(ArrayRing(TEXT), 4, 10, 0)
    return CharLMObjective(CharLSTM(config), streams, TEXT[:0], NAMES, 0, CPU, capture=capture)


def learnt(subject: CharLMObjective, steps: int) -> list[Tensor]:
    """Weights after some steps, in which the state is carried and new epochs begin."""
    optimizer = torch.optim.SGD(subject.model.parameters(), lr=0.5)
    for step in range(steps):
        with subject.around_step():
            loss, _ = subject.loss(step)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return [each.detach() for each in subject.model.parameters()]


@pytest.mark.usefixtures("recording")
def test_replays_learn_what_steps_learn() -> None:
    replayed = objective()
    ours = learnt(replayed, 50)
    launched = objective(capture=False)
    theirs = learnt(launched, 50)
    assert all(map(torch.equal, ours, theirs))
    assert launched._pass is launched.model
    assert replayed._pass is not replayed.model


@pytest.mark.usefixtures("recording")
def test_carried_state_outlives_a_replay() -> None:
    subject = objective()
    learnt(subject, 3)
    kept = [each.clone() for each in subject.state()["carried"]]
    assert all(bool(each.isfinite().all()) and not each.requires_grad for each in kept)
    subject.restore({"carried": kept})
    loss, _ = subject.loss(3)
    assert loss.isfinite()


def test_where_it_cannot_be_recorded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("operation not permitted\nmore of it")

    monkeypatch.setattr(cuda_graph, "possible", lambda _: True)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", fails)
    subject = objective()
    learnt(subject, 2)
    assert subject._pass is subject.model
    told = capsys.readouterr().err
    assert told.count("warning: steps cannot be recorded here: operation not permitted\n") == 1


def test_only_cuda_records() -> None:
    assert cuda_graph.possible(torch.device("cuda"))
    assert not cuda_graph.possible(CPU)
