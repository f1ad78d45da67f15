"""Held-out loss and temperature of a character model."""

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rnn_train.evaluation import language_model
from rnn_train.evaluation.language_model import bits, fit_temperature, held_out_loss
from rnn_train.evaluation.protocols import TorchReader, stateful_loss
from rnn_train.evaluation.temperature import Fit, fit_to_logits
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig


@pytest.fixture
def model() -> CharLSTM:
    return CharLSTM(CharLSTMConfig(vocabulary=5, embedding=6, hidden=12, layers=2)).eval()


def random_tokens(length: int) -> NDArray[np.integer]:
    return np.random.default_rng(length).integers(5, size=length).astype(np.uint8)


@pytest.mark.parametrize("length", [2, 300, 1999])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_one_stream_is_the_stateful_protocol(
    model: CharLSTM, length: int, temperature: float
) -> None:
    tokens = random_tokens(length)
    expected = stateful_loss(TorchReader(model, temperature), tokens, 5)
    for streams in (0, 1):  # so short a text is one stream in any case
        found = held_out_loss(model, tokens, streams, temperature)
        assert found == pytest.approx(expected, abs=1e-5)


def test_each_stream_starts_from_the_zero_state(model: CharLSTM) -> None:
    tokens = random_tokens(3001)
    parts = [tokens[begin : begin + 1001] for begin in (0, 1000, 2000)]
    expected = np.mean([held_out_loss(model, part, streams=1) for part in parts])
    assert held_out_loss(model, tokens) == pytest.approx(float(expected), abs=1e-5)
    assert held_out_loss(model, tokens, streams=1) != pytest.approx(float(expected), abs=1e-7)


@torch.inference_mode()
def sampled_tokens(model: CharLSTM, length: int) -> NDArray[np.integer]:
    """Tokens sampled from the model's own distribution."""
    token, state, tokens = torch.zeros(1, 1, dtype=torch.int64), model.zeros(1), []
    for _ in range(length):
        logits, state = model(token, state)
        token = torch.multinomial(torch.softmax(logits[0], -1), 1)
        tokens.append(int(token))
    return np.array(tokens, np.uint16)


def test_temperature_corrects_a_scaled_head(model: CharLSTM) -> None:
    with torch.no_grad():
        model.get_submodule("head").get_parameter("weight").mul_(
            6
        )  # far from uniform, so that a temperature matters
    tokens = sampled_tokens(model, 4001)
    assert fit_temperature(model, tokens).temperature == pytest.approx(1, rel=0.1)
    with torch.no_grad():
        for weight in model.get_submodule("head").parameters():
            weight.mul_(3)
    best = fit_temperature(model, tokens).temperature
    assert best == pytest.approx(3, rel=0.1)
    losses = [held_out_loss(model, tokens, 4, best * factor) for factor in (0.9, 1.0, 1.1)]
    assert min(losses) == losses[1]


def test_bits() -> None:
    assert bits(np.log(2)) == pytest.approx(1)


def test_each_document_starts_from_the_zero_state(model: CharLSTM) -> None:
    tokens = np.array([*[0, 1, 2] * 99, 0, *[3, 4] * 400, 0, 2, 0], np.uint8)
    marks = np.flatnonzero(tokens == 0)
    alone = [
        held_out_loss(model, tokens[a : b + 1], streams=1) * (b - a)
        for a, b in itertools.pairwise(marks)
    ]
    expected = sum(alone) / (len(tokens) - 1)
    assert held_out_loss(model, tokens, mark=0) == pytest.approx(expected, abs=1e-5)
    assert held_out_loss(model, tokens) != pytest.approx(expected, abs=1e-4)


def test_temperature_of_documents(model: CharLSTM) -> None:
    with torch.no_grad():
        model.get_submodule("head").get_parameter("weight").mul_(40)
    tokens = np.concatenate([[0], sampled_tokens(model, 3000), [0]])
    best = fit_temperature(model, tokens, mark=0).temperature
    losses = [held_out_loss(model, tokens, 0, best * f, mark=0) for f in (0.85, 1.0, 1.15)]
    assert min(losses) == losses[1]


def test_logits_of_a_large_vocabulary_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The temperature hardly depends on how many characters are read."""
    wide = CharLSTM(CharLSTMConfig(vocabulary=400, embedding=6, hidden=12, layers=1)).eval()
    with torch.no_grad():
        wide.get_submodule("head").get_parameter("weight").mul_(20)
    tokens = sampled_tokens(wide, 3000) % 400
    seen: list[int] = []
    plain = fit_to_logits

    def fit(logits: torch.Tensor, labels: torch.Tensor) -> Fit:
        seen.append(logits.numel())
        return plain(logits, labels)

    monkeypatch.setattr(language_model, "fit_to_logits", fit)
    monkeypatch.setattr(language_model, "_MOST_LOGITS", 400 * 1000)
    part = fit_temperature(wide, tokens).temperature
    monkeypatch.setattr(language_model, "_MOST_LOGITS", 400 * 10_000)
    assert part == pytest.approx(fit_temperature(wide, tokens).temperature, rel=0.1)
    assert seen == [400 * 1000, 400 * 2997]


def test_characters_never_trained_on_do_not_decide(model: CharLSTM) -> None:
    with torch.no_grad():
        model.get_submodule("head").get_parameter("weight").mul_(6)
        model.get_submodule("head").get_parameter("bias")[4] = -30  # never trained on
    tokens = sampled_tokens(model, 3001)
    tokens[tokens == 4] = 0
    before = fit_temperature(model, tokens).temperature
    foreign = np.concatenate([tokens, np.full(600, 4, np.uint8)])
    assert fit_temperature(model, foreign).temperature > 1.5 * before
    trained = np.array([True] * 4 + [False])
    assert fit_temperature(model, foreign, None, trained).temperature == pytest.approx(
        before, rel=0.1
    )
    only = fit_temperature(model, np.full(300, 4, np.uint8), None, trained)
    assert (only.temperature, only.items) == (1, 0)


def test_characters_after_one_never_trained_on_do_not_count() -> None:
    trained = np.ones(60, bool)
    trained[20] = False
    counts = language_model._settled(trained)
    assert np.flatnonzero(~counts).tolist() == list(range(20, 37))
    assert language_model._settled(trained[20:22]).tolist() == [False, False]


@pytest.mark.parametrize("mark", [None, 0])
def test_place_of_each_target(model: CharLSTM, mark: int | None) -> None:
    tokens = np.concatenate([[0], random_tokens(3000), [0]])
    seen = []
    for logits, targets, places in language_model._read(model, tokens, 0, mark):
        assert len(logits) == len(targets) == len(places)
        np.testing.assert_array_equal(targets.numpy(), tokens[places])
        seen += places.tolist()
    assert len(set(seen)) == len(seen) >= 2999
