"""Layers beside and above a recurrent layer: columns passed through, running mean and maximum."""

import torch
from torch import Tensor

from rnn_train.models.cells import Cell, State


class PassThrough(Cell):
    """A cell beside which the last columns of its input go on to the layer above."""

    def __init__(self, cell: Cell, columns: int) -> None:
        super().__init__(cell.input_size, cell.state_sizes)
        self.cell = cell
        self.columns = columns

    @property
    def output_size(self) -> int:
        return self.cell.output_size + self.columns

    def project(self, x: Tensor) -> Tensor:
        return torch.cat([self.cell.project(x), x[..., -self.columns :]], -1)

    def forward(self, x: Tensor, state: State) -> State:
        after: State = self.cell(x[..., : -self.columns], state)
        return after

    def output(self, x: Tensor, state: State) -> Tensor:
        own = self.cell.output(x[..., : -self.columns], state)
        return torch.cat([own, x[..., -self.columns :]], -1)

    def scan(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        outputs, after = self.cell.scan(x, state)
        return torch.cat([outputs, x[..., -self.columns :]], -1), after


class RunningPool(Cell):
    """Mean and maximum of all inputs so far, beside the input itself, carried as state.

    With it above a recurrent layer a readout sees every step so far, not only the last, and
    streaming stays exact. The maximum starts from zero, as every state does.
    """

    def __init__(self, width: int, peaks: int) -> None:
        """`peaks`: how many columns, the first ones, have their maximum taken."""
        super().__init__(width, {"sum": width, "max": peaks, "count": 1})
        self.peaks = peaks

    @property
    def output_size(self) -> int:
        return 2 * self.input_size + self.peaks

    def forward(self, x: Tensor, state: State) -> State:
        total, peak, count = state
        return total + x, torch.maximum(peak, x[:, : self.peaks]), count + 1

    def output(self, x: Tensor, state: State) -> Tensor:
        total, peak, count = state
        return torch.cat([x, total / count, peak], -1)

    def scan(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        total, peak, count = state
        totals = total[:, None] + x.cumsum(1)
        peaks = torch.maximum(peak[:, None], x[:, :, : self.peaks].cummax(1).values)
        counts = count + torch.arange(1, x.shape[1] + 1, device=x.device)
        outputs = torch.cat([x, totals / counts[:, :, None], peaks], -1)
        return outputs, (totals[:, -1], peaks[:, -1], counts[:, -1:])
