"""Layers around a recurrent layer: columns that pass it by, running mean and maximum."""

import torch
from torch import Tensor

from rnn_train.models.cells import Cell, State


class PassThrough(Cell):
    """A cell whose output also holds the last columns of its input, unchanged."""

    def __init__(self, cell: Cell, columns: int) -> None:
        """Wrap a cell, which reads all columns; the last `columns` pass it by, too."""
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
    """The input, and its mean and maximum over all times so far: [x_t, mean, maximum].

    With this layer above a recurrent one, the readout sees all steps so far, not only the last
    one. The sums are state, so streaming gives the same numbers. The maximum starts at zero, as
    every state does.
    """

    def __init__(self, width: int, peaks: int) -> None:
        """Declare the shapes.

        Args:
            width: of the input.
            peaks: number of columns, from the first on, that have a maximum.
        """
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

    def at_end(
        self, x: Tensor, lengths: Tensor, before: State | None = None
    ) -> tuple[Tensor, State]:
        """Compute the output at the end of each text alone: what `scan` gives there, in a fraction
        of its time and memory.

        Args:
            x: [batch, time, input_size].
            lengths: of the texts, or of what is left of them, [batch].
            before: the state before x; None: the zero state.

        Returns:
            The output [batch, 1, output_size], and the state after each text.
        """
        last = x[torch.arange(len(x), device=x.device), lengths - 1]
        inside = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        # A product of matrices sums the times without a masked copy of x.
        mean = torch.bmm((inside / lengths[:, None]).to(x.dtype)[:, None], x)[:, 0]
        # All rows of a batch are about as long, so few values are filled.
        within = x[:, :, : self.peaks].masked_fill(~inside[:, :, None], 0)
        peak = within.max(1).values.clamp(min=0)
        count = lengths[:, None].float()
        total = mean * count
        if before is not None:
            total, count = total + before[0], count + before[2]
            mean, peak = total / count, torch.maximum(peak, before[1])
        return torch.cat([last, mean, peak], -1)[:, None], (total, peak, count)
