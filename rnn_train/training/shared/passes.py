"""The forward and backward pass of one step."""

from collections.abc import Callable

import torch
from torch import Tensor

from rnn_train.training.objective import Objective


def compute_gradient(
    objective: Objective,
    step: int,
    precision: torch.dtype,
    device: torch.device,
    scaled: Callable[[Tensor], Tensor],
) -> tuple[Tensor, int]:
    """Computes loss and gradient of a batch, or of the share of it that the objective has.

    Args:
        objective: its model's parameters get the gradient.
        step: number of the batch.
        precision: of the forward pass.
        device: where the model is.
        scaled: multiplies the loss by the loss scale.

    Returns:
        The loss in nats, without gradient, and the units of the whole batch.
    """
    low_precision = precision is not torch.float32
    with objective.around_step():
        with torch.autocast(device.type, precision, enabled=low_precision):
            loss, units = objective.loss(step)
        objective.model.zero_grad(set_to_none=True)
        scaled(loss).backward()  # type: ignore[no-untyped-call]
    return loss.detach(), units
