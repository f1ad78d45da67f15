"""The exact numbers of a model: what rounding allows, and what is a fault."""

import numpy as np
import pytest
import torch
from torch import nn

from rnn_train.exporting.exact import FLOOR, Exact
from tests.train.exporting.examples import char_lstm, classifier, shaken, some_tokens


def scaled(model: nn.Module, factor: float) -> nn.Module:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(factor)
    return model.eval()


def numbers(model: nn.Module, temperature: float = 1.0) -> list[np.ndarray]:
    with torch.inference_mode():
        logits, after = model(torch.from_numpy(some_tokens(3, 24)), model.zeros(3))  # type: ignore[operator]
    return [logits.numpy() / np.float32(temperature), *(each.numpy() for each in after)]


@pytest.mark.parametrize("temperature", [1.0, 0.05])
@pytest.mark.parametrize("factor", [1, 3, 6])
@pytest.mark.parametrize("kind", ["lstm", "elman", "gru"])
def test_float32_is_allowed_at_any_size(kind: str, factor: float, temperature: float) -> None:
    model = scaled(shaken(char_lstm() if kind == "lstm" else classifier(cell=kind)), factor)
    exact = Exact.of(model, temperature, some_tokens(3, 24))
    largest, difference, allowed = exact.excess(numbers(model, temperature))
    assert difference < allowed
    assert difference <= largest
    assert all(np.diff(exact.rounding[0]) >= 0), "rounding adds up over the steps"


@pytest.mark.parametrize("temperature", [1.0, 0.05])
@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("name", ["head.weight", "layers.0.weight_hh_l0"])
def test_one_weight_changed_by_one_percent_is_not(
    name: str, factor: float, temperature: float
) -> None:
    model = scaled(shaken(char_lstm()), factor)
    exact = Exact.of(model, temperature, some_tokens(3, 24))
    with torch.no_grad():
        weight = model.get_parameter(name).view(-1)
        weight[weight.abs().argmax()] *= 1.01
    _, difference, allowed = exact.excess(numbers(model, temperature))
    assert difference > allowed


def test_other_shapes_and_nan_are_not_allowed() -> None:
    model = scaled(shaken(char_lstm()), 1)
    exact, found = Exact.of(model, 1.0, some_tokens(3, 24)), numbers(model)
    for wrong in (
        [found[0][:, 1:], *found[1:]],
        [*found[:-1], np.full_like(found[-1], np.nan)],
        [np.full_like(found[0], np.nan), *found[1:]],
        [np.full_like(found[0], np.inf), *found[1:]],
    ):
        _, difference, allowed = exact.excess(wrong)
        assert not difference < allowed


class Single(nn.Module):
    """Computes in float32 only."""

    def zeros(self, batch: int) -> tuple[torch.Tensor, ...]:
        return (torch.zeros(batch, 2),)

    def forward(
        self, tokens: torch.Tensor, state: tuple[torch.Tensor, ...]
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        if torch.get_default_dtype() != self.weight.dtype:
            raise RuntimeError("expected scalar type Float but found Double")
        return tokens[..., None].float() * self.weight, state

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))


def test_model_that_cannot_compute_in_float64() -> None:
    exact = Exact.of(Single(), 1.0, some_tokens(3, 24))
    assert not any(each.any() for each in exact.rounding)
    right = [np.asarray(each, np.float32) for each in exact.numbers]
    assert exact.excess(right)[1] < FLOOR
    _, difference, allowed = exact.excess([right[0] * np.float32(1.001), right[1]])
    assert difference > allowed
