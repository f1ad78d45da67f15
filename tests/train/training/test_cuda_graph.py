"""Capture and replay of a training step. A fake replaces torch's capture, so no GPU is needed.

The fake behaves as a CUDA graph does: it reads its inputs from the memory of the sample, and each
replay overwrites the outputs of the one before.
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


def fake_capture(module: nn.Module, sample: tuple[Tensor, ...]) -> Callable[..., Any]:
    """Replaces `torch.cuda.make_graphed_callables`."""
    assert not (torch.is_autocast_enabled("cpu") and torch.is_autocast_cache_enabled())
    assert all(each.is_leaf and not each.requires_grad for each in sample)
    outputs: list[Tensor] = []

    def replay(*inputs: Tensor) -> tuple[Tensor, ...]:
        assert [each.shape for each in inputs] == [each.shape for each in sample]
        assert [each.dtype for each in inputs] == [each.dtype for each in sample]
        for memory, value in zip(sample, inputs, strict=True):
            memory.copy_(value)
        for old in outputs:
            old.data.fill_(torch.nan)
        found = module(*(each.clone() for each in sample))
        outputs[:] = found
        return tuple(found)

    return replay


@pytest.fixture
def with_fake_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graph, "available", lambda _: True)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", fake_capture)


def objective(capture: bool = True) -> CharLMObjective:
    torch.manual_seed(3)
    config = CharLSTMConfig(vocabulary=9, embedding=6, hidden=8, weight_drop=0.2, skip=True)
    streams = Streams(ArrayRing(TEXT), 4, 10, 0)
    return CharLMObjective(CharLSTM(config), streams, TEXT[:0], NAMES, 0, CPU, capture=capture)


def train(subject: CharLMObjective, steps: int) -> list[Tensor]:
    """Trains some steps, over several epochs. Returns the weights."""
    optimizer = torch.optim.SGD(subject.model.parameters(), lr=0.5)
    for step in range(steps):
        with subject.around_step():
            loss, _ = subject.loss(step)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return [each.detach() for each in subject.model.parameters()]


@pytest.mark.usefixtures("with_fake_capture")
def test_replay_gives_the_same_weights_as_launching() -> None:
    replayed = objective()
    with_graph = train(replayed, 50)
    launched = objective(capture=False)
    without_graph = train(launched, 50)
    assert all(map(torch.equal, with_graph, without_graph))
    assert launched._pass is launched.model
    assert replayed._pass is not replayed.model


@pytest.mark.usefixtures("with_fake_capture")
def test_carried_state_survives_the_next_replay() -> None:
    subject = objective()
    train(subject, 3)
    kept = [each.clone() for each in subject.state()["carried"]]
    assert all(bool(each.isfinite().all()) and not each.requires_grad for each in kept)
    subject.restore({"carried": kept})
    loss, _ = subject.loss(3)
    assert loss.isfinite()


def test_failed_capture_falls_back_to_launching(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("operation not permitted\nmore of it")

    monkeypatch.setattr(cuda_graph, "available", lambda _: True)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", fails)
    subject = objective()
    train(subject, 2)
    assert subject._pass is subject.model
    shown = capsys.readouterr().err
    assert shown.count("cannot be captured as a CUDA graph here: operation not permitted\n") == 1


def test_only_cuda_has_graphs() -> None:
    assert cuda_graph.available(torch.device("cuda"))
    assert not cuda_graph.available(CPU)
