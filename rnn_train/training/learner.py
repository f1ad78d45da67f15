"""The optimizer step, the averaged weights, and the state of both."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from rnn_train.training.config import TrainingConfig
from rnn_train.training.device import pick_precision
from rnn_train.training.objective import Objective
from rnn_train.training.optimizers.choice import make_optimizers
from rnn_train.training.shared.passes import compute_gradient
from rnn_train.training.shared.steps import SharedSteps

_INITIAL_SCALE = 2.0**12
"""First loss scale, for float16."""
_OFTEN_FIRST = 100
"""Updates of the average, at its begin, that follow each step."""


@dataclass(frozen=True)
class StepResult:
    """What one optimizer step measured."""

    loss: float
    """Loss of the batch, in nats."""
    gradient_norm: float
    """Norm of the whole gradient, before clipping."""
    units: int
    """Size of the batch, in units of the objective."""
    sound: bool
    """False: training has diverged."""


class Learner:
    """Trains the weights of an objective's model, and keeps their moving average."""

    def __init__(
        self,
        objective: Objective,
        config: TrainingConfig,
        device: torch.device,
        shared: SharedSteps | None = None,
    ) -> None:
        """Makes the optimizers and the average.

        Args:
            objective: its model is on `device`.
            config: how to train.
            device: where to train.
            shared: shares each step out to several processes; None: this one computes all of it.
        """
        self._shared = shared
        self._objective = objective
        self._config = config
        self._device = device
        self.precision = pick_precision(device, objective.bfloat16)
        self.optimizers = make_optimizers(objective, config)
        self._average = AveragedModel(objective.model, multi_avg_fn=self._update_average)
        for module in self._average.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()  # cuDNN needs it, and a copied module is not flat
        self._scaler = torch.amp.GradScaler(
            device.type, enabled=self.precision is torch.float16, init_scale=_INITIAL_SCALE
        )

    @property
    def learning_rate(self) -> float:
        """Learning rate of the last step."""
        return float(self.optimizers[0].param_groups[0]["lr"])

    def averaged_model(self) -> nn.Module:
        """Returns the model with the averaged weights, in evaluation mode."""
        return self._average.module.eval()

    def take_step(self, step: int, rate: float) -> StepResult:
        """Takes one optimizer step.

        Args:
            step: number of the batch.
            rate: learning rate.

        Returns:
            What the step measured. If the gradient is not finite, no weight has changed.
        """
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]
        loss, units = self._backward(step)
        for optimizer in self.optimizers:
            self._scaler.unscale_(optimizer)
        norm = self._clipped()
        # Both in one transfer: on a GPU, each transfer waits for the step to end.
        loss_value, norm_value = torch.stack([loss, norm]).tolist()
        finite = math.isfinite(norm_value)
        if finite:
            for optimizer in self.optimizers:
                self._scaler.step(optimizer)
            begun = int(self._average.n_averaged) < _OFTEN_FIRST
            if begun or step % self._config.average_every == 0:
                self._average.update_parameters(self._objective.model)
        self._scaler.update()
        # In float16 a gradient may overflow. Then the optimizers skip the step, and the scaler
        # lowers its scale. In another precision it is an error, even if this loss is finite.
        sound = math.isfinite(loss_value) and (finite or self._scaler.is_enabled())
        return StepResult(loss_value, norm_value, units, sound)

    def _clipped(self) -> Tensor:
        """Scales the gradient down if its norm is too large. Returns the norm before that."""
        parameters = [*self._objective.model.parameters()]
        norm = nn.utils.get_total_norm([each.grad for each in parameters if each.grad is not None])
        # A GPU would have to wait for the answer; on a CPU, a pass over large tables is saved.
        if norm.device.type != "cpu" or float(norm) > self._config.clip:
            nn.utils.clip_grads_with_norm_(parameters, self._config.clip, norm)
        return norm

    def _backward(self, step: int) -> tuple[Tensor, int]:
        """Computes loss and gradient of a batch. Returns the loss and the units of the batch."""
        if self._shared:
            self._shared.begin(step, self._scaler.get_scale())
        loss, units = compute_gradient(
            self._objective, step, self.precision, self._device, self._scaler.scale
        )
        return self._shared.finish(loss) if self._shared else loss, units

    @torch.no_grad()
    def go_on_from_average(self) -> None:
        """Gives the model the averaged weights, and begins a new average.

        The average reaches back over a share of all steps; what is to come may be shorter.
        """
        model, average = self._objective.model, self._average.module
        for weight, mean in zip(model.parameters(), average.parameters(), strict=True):
            weight.copy_(mean)
        self._average.n_averaged.zero_()

    def state(self) -> dict[str, Any]:
        """Returns all weights and the state of the optimizers, for a checkpoint."""
        return {
            "model": self._objective.model.state_dict(),
            "average": self._average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self._scaler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Loads what `state` returned. Other keys are ignored."""
        self._objective.model.load_state_dict(state["model"])
        self._average.load_state_dict(state["average"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        if state["scaler"]:  # empty: so far the run was in a precision without a loss scale
            self._scaler.load_state_dict(state["scaler"])

    def _update_average(self, averages: Any, currents: Any, count: Any) -> None:
        # In the first steps the average forgets faster, or it would keep the random initial values:
        # it reaches back over about a ninth of the steps so far (Shamir & Zhang, 2013, "Stochastic
        # gradient descent for non-smooth optimization", polynomial-decay averaging).
        decay = min(self._config.average, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(averages, currents, 1 - decay)
