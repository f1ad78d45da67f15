"""Temperature and noise of a classifier, fitted to held-out rows."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from rnn_infer.predictions import with_noise
from rnn_train.evaluation import calibration, metrics
from rnn_train.evaluation.answers import Answers
from rnn_train.evaluation.calibration import LEAST_ROWS, Calibration, fit_calibration
from rnn_train.evaluation.temperature import fit_to_logits

SHARES = (0.6, 0.25, 0.1, 0.05)
LOG_SHARES = tuple(map(math.log, SHARES))


def drawn(rows: int, scale: float, noise: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits [rows, 4], and labels drawn from them at temperature `scale`. A share `noise` of the
    labels is drawn from `SHARES` instead."""
    random = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, len(SHARES), generator=random)
    labels = torch.multinomial(torch.softmax(logits, -1), 1, generator=random)[:, 0]
    chance = torch.multinomial(torch.tensor(SHARES), rows, replacement=True, generator=random)
    by_chance = torch.rand(rows, generator=random) < noise
    return logits * scale, torch.where(by_chance, chance, labels)


@pytest.mark.parametrize(("scale", "noise"), [(0.7, 0.1), (1.0, 0.3), (2.0, 0.05)])
def test_finds_what_the_rows_were_drawn_with(scale: float, noise: float) -> None:
    logits, labels = drawn(20_000, scale, noise)
    found, fit = fit_calibration(logits, labels, LOG_SHARES)
    assert found.temperature == fit.temperature == pytest.approx(scale, rel=0.05)
    assert sum(found.noise) == pytest.approx(noise, abs=0.012)
    assert np.array(found.noise) / sum(found.noise) == pytest.approx(np.array(SHARES))


def test_makes_the_probabilities_honest() -> None:
    """A temperature alone cannot: it leaves a calibration error several times as large."""
    logits, labels = drawn(20_000, 1.5, 0.15)
    new, truth = drawn(20_000, 1.5, 0.15, seed=1)
    found, _ = fit_calibration(logits, labels, LOG_SHARES)
    alone = fit_to_logits(logits, labels).temperature
    error = metrics.reliability(Answers.of(found.apply(new), truth)).error
    assert error < 0.015
    assert metrics.reliability(Answers.of(new / alone, truth)).error > 2 * error


@pytest.mark.parametrize("seed", range(5))
def test_no_noise_without_evidence(seed: int) -> None:
    """Then the temperature is that of `fit_to_logits`, to the last bit."""
    logits, labels = drawn(3000, 1.3, 0.0, seed)
    found, fit = fit_calibration(logits, labels, LOG_SHARES)
    assert found == Calibration(fit_to_logits(logits, labels).temperature)
    assert fit == fit_to_logits(logits, labels)


def test_few_rows_have_no_noise() -> None:
    logits, labels = drawn(LEAST_ROWS, 1.0, 0.3)
    assert fit_calibration(logits, labels, LOG_SHARES)[0].noise
    assert not fit_calibration(logits[1:], labels[1:], LOG_SHARES)[0].noise
    assert fit_calibration(logits[:0], labels[:0], LOG_SHARES)[0] == Calibration()


def test_probabilities_are_the_mixture() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0, 0.5], [90.0, -90.0, 0.0, 0.0]])
    before = logits.clone()
    found = Calibration(2.0, (0.05, 0.02, 0.0, 0.01)).apply(logits)
    noise = torch.tensor([0.05, 0.02, 0.0, 0.01])
    expected = 0.92 * torch.softmax(logits / 2, -1) + noise
    torch.testing.assert_close(torch.softmax(found, -1), expected)
    torch.testing.assert_close(found.exp(), expected)
    assert torch.equal(logits, before), "the logits stay as they were"
    assert found.isfinite().all()


def test_reader_of_files_agrees() -> None:
    logits, _ = drawn(500, 2.0, 0.0)
    noise = tuple(0.1 * share for share in SHARES)
    ours = Calibration(1.0, noise).apply(logits)
    theirs = with_noise(logits.numpy(), np.array(noise, np.float32))
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)


@pytest.mark.parametrize("noise", [(), (0.05, 0.02, 0.0, 0.01)])
def test_in_place(noise: tuple[float, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    logits, _ = drawn(50, 1.0, 0.0)
    expected = Calibration(1.7, noise).apply(logits)
    monkeypatch.setattr(calibration, "_BLOCK", 4 * 7)
    assert torch.equal(Calibration(1.7, noise).apply_(logits), expected)
    assert torch.equal(logits, expected)


def test_without_noise_logits_are_divided() -> None:
    logits, _ = drawn(10, 1.0, 0.0)
    assert torch.equal(Calibration(1.7).apply(logits), logits / 1.7)
