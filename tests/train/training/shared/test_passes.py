"""Loss and gradient of one step."""

import pytest
import torch

from rnn_train.training.shared.passes import compute_gradient
from tests.train.training.test_learner import Line

CPU = torch.device("cpu")


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_gradient_is_scaled_and_the_loss_is_not(scale: float) -> None:
    objective = Line()
    for _ in range(2):  # gradients do not pile up
        loss, units = compute_gradient(objective, 1, torch.float32, CPU, lambda x: x * scale)
    assert units == 3
    assert not loss.requires_grad
    with torch.enable_grad():
        x = torch.linspace(0, 2, 3)[:, None]
        expected = ((objective.model(x) - 2 * x) ** 2).mean()
    assert loss == expected
    weight = objective.model.weight
    (gradient,) = torch.autograd.grad(expected, [weight])
    torch.testing.assert_close(weight.grad, scale * gradient)
