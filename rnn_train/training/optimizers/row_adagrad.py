"""Row-wise Adagrad: an optimizer for look-up tables."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

INITIAL_SQUARE = 1e-6
"""Sum of squares that each row starts with. It bounds the first steps of a row that is read
rarely, which would otherwise be learnt by heart."""


class RowAdagrad(Optimizer):
    """Adagrad (Duchi et al., 2011, "Adaptive subgradient methods") with one rate for each row.

    A batch reads few rows of a table, and some rows far more often than others. Each row's rate
    falls with the squares of its own gradients, so rare rows are learnt as fast as frequent ones.
    A row that a batch does not read stays as it is: there is no momentum, and no weight decay. One
    number a row is kept, where Adam keeps two for each weight.

    Args:
        params: tables [rows, width], or groups of them.
        lr: learning rate.
        initial: sum of squares that each row starts with.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        initial: float = INITIAL_SQUARE,
    ) -> None:
        super().__init__(params, {"lr": lr, "initial": initial})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Updates every table that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is not None:
                    self._update(table, group)

    def _update(self, table: Tensor, group: dict[str, Any]) -> None:
        state = self.state[table]
        if not state:
            state["squares"] = table.new_full((len(table), 1), group["initial"])
        gradient, squares = table.grad, state["squares"]
        assert gradient is not None
        norms = gradient.norm(dim=1, keepdim=True)
        squares.addcmul_(norms, norms, value=1 / gradient.shape[1])
        table.addcmul_(gradient, squares.rsqrt(), value=-group["lr"])
