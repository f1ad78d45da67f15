"""Steps that several processes share: each computes the gradient of its rows of the batch.

Process 0 leads. For each step it sends the weights, its random state and what the objective carries
from step to step; it adds up the gradients, and takes the optimizer step alone. So the others keep
nothing that could differ, and a checkpoint is the same as that of one process.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rnn_train.distributed.group import Group
from rnn_train.distributed.share import Share
from rnn_train.training.device import pick_precision
from rnn_train.training.objective import SharedObjective
from rnn_train.training.shared.passes import compute_gradient


@dataclass(frozen=True)
class StepOrder:
    """What a follower needs for one step besides the weights."""

    step: int
    scale: float
    """Loss scale."""
    phase: int | None
    """See `SharedObjective.phase`."""
    carried: tuple[tuple[int, ...], ...]
    """Shapes of `SharedObjective.carried`."""
    random: tuple[Tensor, ...]
    """Random state of the CPU, and that of the GPU if training is there: dropout, and the masks of
    weight drop, are then the same in all processes."""
    first: bool
    """Whether all values of the model follow, and not the trained ones only."""


class SharedSteps:
    """The steps of one objective, as one process of a group sees them."""

    def __init__(self, group: Group, objective: SharedObjective, device: torch.device) -> None:
        """Takes this process's share of each batch.

        Args:
            group: the processes.
            objective: its model is on `device`.
            device: where this process computes.
        """
        self._group = group
        self._objective = objective
        self._device = device
        self._precision = pick_precision(device, objective.bfloat16)
        self._first = True
        objective.share = Share(group.rank, group.size)

    def begin(self, step: int, scale: float) -> None:
        """Sends a step to all followers. Process 0 then computes its own gradient.

        Args:
            step: number of the batch.
            scale: loss scale.
        """
        random = [torch.get_rng_state()]
        if self._device.type == "cuda":
            random.append(torch.cuda.get_rng_state())
        carried = self._objective.carried
        shapes = tuple(tuple(each.shape) for each in carried)
        phase = self._objective.phase
        order = StepOrder(step, scale, phase, shapes, tuple(random), self._first)
        self._group.busy = True
        self._group.send(order)
        self._group.broadcast([*self._values(order.first), *carried])
        self._first = False

    def finish(self, loss: Tensor) -> Tensor:
        """Adds up the gradients and what is carried on, in process 0.

        Args:
            loss: the part of the loss from this share.

        Returns:
            The loss of the whole batch.
        """
        total = loss.clone()
        parameters = [each for each in self._objective.model.parameters() if each.requires_grad]
        # Optimizers leave a parameter alone that has no gradient, so it must not get one of zeros.
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        self._group.add_up([*gradients, total, *self._objective.carried])
        self._group.busy = False
        return total

    def follow(self, order: StepOrder) -> None:
        """Computes the gradient of this share, for process 0.

        Args:
            order: what process 0 has sent.
        """
        carried = [torch.zeros(shape, device=self._device) for shape in order.carried]
        self._group.broadcast([*self._values(order.first), *carried])
        self._objective.follow(order.phase, carried)
        torch.set_rng_state(order.random[0])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(order.random[1])
        loss, _ = compute_gradient(
            self._objective,
            order.step,
            self._precision,
            self._device,
            lambda loss: loss * order.scale,
        )
        self.finish(loss)

    def _values(self, everything: bool) -> list[Tensor]:
        model = self._objective.model
        if everything:
            return list(model.state_dict().values())
        return [each for each in model.parameters() if each.requires_grad]
