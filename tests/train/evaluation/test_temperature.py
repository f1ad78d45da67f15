"""The fitted temperature, compared with a dense search, and what too few items cannot decide."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnn_train.evaluation import temperature
from rnn_train.evaluation.temperature import (
    EVIDENCE,
    LIMITS,
    PRIOR_DEVIATION,
    Fit,
    enough_items,
    fit_to_logits,
)


def drawn(items: int, outputs: int = 4, scale: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits [items, outputs], and labels drawn from them at temperature `scale`."""
    random = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(items, outputs, generator=random)
    labels = torch.multinomial(torch.softmax(logits, -1), 1, generator=random)[:, 0]
    return logits * scale, labels


def right(items: int, share: float = 0.61) -> tuple[Tensor, Tensor]:
    """Predictions that are all right, each with a probability `share` of two labels."""
    labels = torch.arange(items) % 2
    logits = torch.zeros(items, 2)
    logits[torch.arange(items), labels] = math.log(share / (1 - share))
    return logits, labels


def posterior(logits: Tensor, labels: Tensor, at: float) -> float:
    """Minus the log posterior of a temperature, written down from its definition."""
    loss = float(cross_entropy(logits / at, labels, reduction="sum"))
    return loss + math.log(at) ** 2 / (2 * PRIOR_DEVIATION**2)


def dense(logits: Tensor, labels: Tensor) -> float:
    """The same answer by trying 2000 temperatures."""
    low, high = map(math.log10, LIMITS)
    choices: list[float] = torch.logspace(low, high, 2001).tolist()
    losses = [posterior(logits, labels, choice) for choice in choices]
    best = min(losses)
    if (found := float(choices[losses.index(best)])) >= 1:
        return found
    gain = posterior(logits, labels, 1.0) - best
    if gain <= EVIDENCE:
        return 1.0
    enough = best + EVIDENCE**2 / gain
    within = [c for c, loss in zip(choices, losses, strict=True) if loss <= enough]
    return min(1.0, max(within))


@pytest.mark.parametrize("items", [1, 30, 800])
@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_agrees_with_a_dense_search(items: int, scale: float) -> None:
    logits, labels = drawn(items, scale=scale)
    found = fit_to_logits(logits, labels)
    assert found.temperature == pytest.approx(dense(logits, labels), rel=2e-3)
    assert found.items == items


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_many_items_decide(scale: float) -> None:
    found = fit_to_logits(*drawn(20_000, scale=scale)).temperature
    assert found == pytest.approx(scale, rel=0.05)


@pytest.mark.parametrize("items", [1, 2, 5, 10])
def test_few_right_items_do_not_make_a_model_surer(items: int) -> None:
    assert fit_to_logits(*right(items)).temperature == 1


@pytest.mark.parametrize("items", [50, 100, 1000])
def test_right_items_make_a_model_as_sure_as_their_number_allows(items: int) -> None:
    """All are right, so the accuracy may be 1, or by chance (n + 1) / (n + 2) as well."""
    logits, labels = right(items)
    found = fit_to_logits(logits, labels).temperature
    assert LIMITS[0] <= found < 1
    share = float(torch.softmax(logits / found, -1).max())
    assert share < (items + 1) / (items + 2)
    assert found <= fit_to_logits(*right(items // 2)).temperature


def test_evidence_just_above_the_limit_changes_little() -> None:
    found = [fit_to_logits(*right(items)).temperature for items in range(10, 40)]
    jumps = [before - after for before, after in itertools.pairwise(found)]
    assert min(jumps) >= 0, "more right items make a model surer"
    assert found[0] == 1
    assert next(each for each in found if each < 1) > 0.8


@pytest.mark.parametrize("items", [1, 4])
def test_few_wrong_items_do_not_make_a_model_useless(items: int) -> None:
    logits, labels = right(items, share=0.99)
    assert 1 < fit_to_logits(logits, 1 - labels).temperature < 4


def test_no_items() -> None:
    assert fit_to_logits(torch.empty(0, 3), torch.empty(0, dtype=torch.int64)) == Fit(1.0, 0)


@pytest.mark.parametrize(
    ("scale", "limit", "words"), [(30, 5.0, "less sure"), (0.01, 0.2, "surer")]
)
def test_warning_at_a_limit(scale: float, limit: float, words: str) -> None:
    found = fit_to_logits(*drawn(2000, scale=scale))
    assert found.temperature == pytest.approx(limit, rel=0.05)
    (warning,) = found.warnings
    assert words in warning
    assert f"limit, {limit:g}:" in warning
    assert "\n" not in warning
    assert Fit(1.3, 40).warnings == []


def test_other_limits() -> None:
    assert fit_to_logits(*drawn(5000, scale=10), (0.05, 20.0)).temperature == pytest.approx(
        10, rel=0.05
    )


def test_enough_items_cost_little_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = drawn(30_000, scale=2)
    whole = fit_to_logits(logits, labels).temperature
    monkeypatch.setattr(temperature, "_MAX_LOGITS", 0)
    part = fit_to_logits(logits, labels)
    assert part.items == enough_items(4) == 1000
    assert part.temperature != whole
    loss, least = (float(cross_entropy(logits / t, labels)) for t in (part.temperature, whole))
    assert least < loss < least + 1e-3


@pytest.mark.parametrize("outputs", [2, 65, 6457, 100_000])
def test_enough_items(outputs: int) -> None:
    assert enough_items(outputs) >= 1000
    assert enough_items(outputs) * outputs <= max(2**23, 1000 * outputs)


def test_softmaxes_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    plain = torch.softmax

    def counted(values: Tensor, axis: int) -> Tensor:
        calls.append(axis)
        return plain(values, axis)

    for scale in (0.3, 1.0, 4.0):
        logits, labels = drawn(2000, scale=scale)
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(torch, "softmax", counted)
            fit_to_logits(logits, labels)
        assert 0 < len(calls) <= 25


@pytest.mark.parametrize("items", [5, 2000])
def test_items_of_one_label(items: int) -> None:
    """Few leave the temperature at 1. Many stay within the limits."""
    logits, _ = right(1)
    found = fit_to_logits(logits.repeat(items, 1), torch.zeros(items, dtype=torch.int64))
    assert LIMITS[0] <= found.temperature <= 1
    assert (found.temperature == 1) == (items == 5)


@pytest.mark.parametrize("is_right", [True, False])
def test_one_item_is_no_evidence(is_right: bool) -> None:
    logits, labels = right(1, share=0.9)
    found = fit_to_logits(logits, labels if is_right else 1 - labels).temperature
    assert found == 1 if is_right else 1 < found < 2
