"""Losses under the protocols, compared with sums that are computed one character at a time."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rnn_train.evaluation import protocols
from rnn_train.evaluation.protocols import (
    TorchReader,
    documents_loss,
    stateful_loss,
    static_losses,
    windowed_loss,
)
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig


class MemoryReader:
    """A model whose logits depend on every token since the zero state."""

    outputs = 5

    def __init__(self) -> None:
        self.weights = np.random.default_rng(1).normal(size=(3, self.outputs))
        self.calls: list[tuple[int, int]] = []
        """Batch and time of each call."""

    def zeros(self, batch: int) -> tuple[Any, ...]:
        return (np.zeros(batch),)

    def forward(
        self, tokens: NDArray[np.int64], state: Any
    ) -> tuple[NDArray[np.float32], tuple[Any, ...]]:
        assert tokens.dtype == np.int64
        self.calls.append((tokens.shape[0], tokens.shape[1]))
        (memory,) = state
        logits = np.empty((*tokens.shape, self.outputs), np.float32)
        for i in range(tokens.shape[1]):
            memory = 0.9 * memory + tokens[:, i]
            features = np.stack([memory, np.sin(memory), np.ones_like(memory)], 1)
            logits[:, i] = features @ self.weights
        return logits, (memory,)

    def nats_by_character(self, tokens: NDArray[np.integer], begin: int) -> list[float]:
        """Nats of each token after `begin`; the state is zero there."""
        logits, _ = MemoryReader().forward(tokens[None, begin:-1].astype(np.int64), self.zeros(1))
        rows = torch.log_softmax(torch.from_numpy(logits[0]).double(), -1)
        return [-float(row[token]) for row, token in zip(rows, tokens[begin + 1 :], strict=True)]


def random_tokens(length: int) -> NDArray[np.integer]:
    return np.random.default_rng(length).integers(5, size=length).astype(np.uint8)


LENGTHS = [2, 3, 256, 257, 258, 513, 514, 256 * 40 + 7]


@pytest.mark.parametrize("length", LENGTHS)
def test_windowed_loss(length: int) -> None:
    tokens, model = random_tokens(length), MemoryReader()
    nats: list[float] = []
    for begin in range(0, length - 1, 256):
        nats += model.nats_by_character(tokens[: begin + 257], begin)
    assert len(nats) == length - 1
    assert windowed_loss(model, tokens, model.outputs) == pytest.approx(sum(nats) / len(nats))
    assert sum(batch * time for batch, time in model.calls) == length - 1
    assert max(batch for batch, _ in model.calls) <= 32


@pytest.mark.parametrize("length", LENGTHS)
def test_stateful_loss(length: int) -> None:
    tokens, model = random_tokens(length), MemoryReader()
    nats = model.nats_by_character(tokens, 0)
    assert stateful_loss(model, tokens, model.outputs) == pytest.approx(sum(nats) / len(nats))
    assert sum(batch * time for batch, time in model.calls) == length - 1


def test_large_vocabularies_are_read_in_small_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = random_tokens(2000)
    expected = [loss(MemoryReader(), tokens, 5) for loss in (windowed_loss, stateful_loss)]
    monkeypatch.setattr(protocols, "_MAX_LOGITS", 3000)
    model = MemoryReader()
    assert windowed_loss(model, tokens, 5) == pytest.approx(expected[0])
    assert max(batch for batch, _ in model.calls) == 2
    model.calls.clear()
    monkeypatch.setattr(protocols, "_MAX_LOGITS", 300)
    assert stateful_loss(model, tokens, 5) == pytest.approx(expected[1])
    assert max(time for _, time in model.calls) == 60


def test_static_losses_are_both_losses() -> None:
    tokens = random_tokens(700)
    found = static_losses(MemoryReader(), tokens, 5)
    assert found == {
        "windows": windowed_loss(MemoryReader(), tokens, 5),
        "stateful": stateful_loss(MemoryReader(), tokens, 5),
    }
    assert found["windows"] != found["stateful"]


def test_torch_reader_divides_the_logits_and_carries_the_state() -> None:
    model = CharLSTM(CharLSTMConfig(vocabulary=5, embedding=6, hidden=8)).eval()
    tokens = random_tokens(12)[None].astype(np.int64)
    plain, halved = TorchReader(model, 1.0), TorchReader(model, 2.0)
    logits, _ = plain.forward(tokens, plain.zeros(1))
    assert logits.shape == (1, 12, 5)
    np.testing.assert_allclose(halved.forward(tokens, halved.zeros(1))[0], logits / 2, rtol=1e-6)
    _, state = plain.forward(tokens[:, :7], plain.zeros(1))
    second, _ = plain.forward(tokens[:, 7:], state)
    np.testing.assert_allclose(second, logits[:, 7:], atol=1e-6)


def test_each_document_is_read_from_the_zero_state(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = np.array([0, 1, 2, 0, 3, 0, *[4, 1] * 300, 0, 2, 2, 2, 0], np.uint8)
    marks = np.flatnonzero(tokens == 0)
    expected = sum(
        stateful_loss(MemoryReader(), tokens[a : b + 1], 5) * (b - a)
        for a, b in itertools.pairwise(marks)
    ) / (len(tokens) - 1)
    for batch in (1, 2, 32):
        monkeypatch.setattr(protocols, "_BATCH", batch)
        found = documents_loss(MemoryReader(), tokens, 5, 0)
        assert found == pytest.approx(expected, abs=1e-6)
