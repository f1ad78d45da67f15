"""Recurrent cells: each one an `S` in `s_t = S(s_{t-1}, x_t)`.

Training, export and inference know a cell only by the `Cell` class, so that a new `S`
is one class here, or in a user's own package, and nothing else:

    class Leaky(Cell):
        def __init__(self, input_size: int, width: int):
            super().__init__(input_size, {"s": width})
            self.mix = nn.Linear(input_size + width, width)

        def forward(self, x, state):
            (s,) = state
            return (0.9 * s + 0.1 * torch.tanh(self.mix(torch.cat([x, s], -1))),)

`--cell package.module:Leaky` then trains, exports and runs it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnn_train.models.bptt import ElmanScan

State = tuple[Tensor, ...]
"""One [batch, width] tensor for each of a cell's states."""


class Cell(nn.Module, ABC):
    """One recurrent layer. Subclasses write `forward`, and may write `project` and `output`."""

    def __init__(self, input_size: int, state_sizes: dict[str, int]) -> None:
        """`state_sizes`: name and width of each state; every state starts at zero."""
        super().__init__()
        self.input_size = input_size
        self.state_sizes = state_sizes

    @property
    def output_size(self) -> int:
        """Width of what the layer above sees."""
        return next(iter(self.state_sizes.values()))

    def project(self, x: Tensor) -> Tensor:
        """The part of S that needs x_t alone, for all times at once: [..., input] → [..., p]."""
        return x

    @abstractmethod
    def forward(self, x: Tensor, state: State) -> State:
        """One step: `project(x_t)` [batch, p] and s_{t-1} give s_t."""

    def output(self, x: Tensor, state: State) -> Tensor:  # noqa: ARG002  (for those that need it)
        """What the layer above sees at time t: [batch, output_size]. By default the first state."""
        return state[0]

    def zeros(self, batch: int, like: Tensor) -> State:
        """The state before the first step."""
        return tuple(like.new_zeros(batch, width) for width in self.state_sizes.values())

    def scan(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Steps through x [batch, time, input]; returns outputs [batch, time, output_size], s_T."""
        projected = self.project(x)
        outputs = []
        for x_t in projected.unbind(1):
            state = self(x_t, state)
            outputs.append(self.output(x_t, state))
        return torch.stack(outputs, 1), state


class ElmanCell(Cell):
    """s_t = tanh(W x_t + U s_{t-1} + b) (Elman, 1990, "Finding structure in time")."""

    def __init__(self, input_size: int, width: int) -> None:
        super().__init__(input_size, {"s": width})
        self.W = nn.Parameter(torch.empty(input_size, width))
        self.U = nn.Parameter(torch.empty(width, width))
        self.b = nn.Parameter(torch.zeros(width))
        nn.init.xavier_uniform_(self.W)
        # Orthogonal U keeps the norm of the state, and so of its gradient, through time.
        nn.init.orthogonal_(self.U)

    def project(self, x: Tensor) -> Tensor:
        return x @ self.W + self.b

    def forward(self, x: Tensor, state: State) -> State:
        (s,) = state
        return (torch.tanh(x + s @ self.U),)

    def scan(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """As of any cell, to the same numbers up to rounding, and faster."""
        own = type(self)
        if (own.forward, own.output) != (ElmanCell.forward, Cell.output):
            return super().scan(x, state)  # a cell made of this one has equations of its own
        projected = self.project(x.transpose(0, 1))
        where = x.device.type
        mixed = torch.amp.is_autocast_available(where) and torch.is_autocast_enabled(where)
        given = (projected, state[0], self.U)
        kind = torch.get_autocast_dtype(where) if mixed else projected.dtype
        states = ElmanScan.apply(*(each.to(kind) for each in given))  # type: ignore[no-untyped-call]
        # A copy, or whoever carries it on would keep all the others alive.
        return states.transpose(0, 1), (states[-1].clone(),)


class GRUCell(Cell):
    """Gated recurrent unit (Cho et al., 2014), with the reset after the product, as in cuDNN."""

    def __init__(self, input_size: int, width: int) -> None:
        super().__init__(input_size, {"s": width})
        self.inputs = nn.Linear(input_size, 3 * width)
        self.recurrent = nn.Linear(width, 3 * width)
        _initialize(self.inputs, self.recurrent, gates=3)

    def project(self, x: Tensor) -> Tensor:
        projected: Tensor = self.inputs(x)
        return projected

    def forward(self, x: Tensor, state: State) -> State:
        (s,) = state
        x_r, x_z, x_n = x.chunk(3, -1)
        s_r, s_z, s_n = self.recurrent(s).chunk(3, -1)
        reset, keep = torch.sigmoid(x_r + s_r), torch.sigmoid(x_z + s_z)
        new = torch.tanh(x_n + reset * s_n)
        return (new + keep * (s - new),)


class LSTMCell(Cell):
    """Long short-term memory with a forget gate (Gers et al., 2000)."""

    def __init__(self, input_size: int, width: int) -> None:
        super().__init__(input_size, {"h": width, "c": width})
        self.inputs = nn.Linear(input_size, 4 * width)
        self.recurrent = nn.Linear(width, 4 * width, bias=False)
        _initialize(self.inputs, self.recurrent, gates=4)
        with torch.no_grad():  # remember by default
            self.inputs.bias[width : 2 * width] = 1

    def project(self, x: Tensor) -> Tensor:
        projected: Tensor = self.inputs(x)
        return projected

    def forward(self, x: Tensor, state: State) -> State:
        h, c = state
        i, f, g, o = (x + self.recurrent(h)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class MinGRUCell(Cell):
    """minGRU (Feng et al., 2024, "Were RNNs all we needed?"): its gate sees the input alone.

    One layer mixes neighbours hardly at all; give it two or three.
    """

    def __init__(self, input_size: int, width: int) -> None:
        super().__init__(input_size, {"s": width})
        self.inputs = nn.Linear(input_size, 2 * width)
        nn.init.xavier_uniform_(self.inputs.weight)
        nn.init.zeros_(self.inputs.bias)

    def project(self, x: Tensor) -> Tensor:
        projected: Tensor = self.inputs(x)
        return projected

    def forward(self, x: Tensor, state: State) -> State:
        (s,) = state
        gate, new = x.chunk(2, -1)
        return (s + torch.sigmoid(gate) * (new - s),)


def _initialize(inputs: nn.Linear, recurrent: nn.Linear, gates: int) -> None:
    for weight in inputs.weight.chunk(gates):
        nn.init.xavier_uniform_(weight)
    for weight in recurrent.weight.chunk(gates):
        nn.init.orthogonal_(weight)
    nn.init.zeros_(inputs.bias)
    if recurrent.bias is not None:
        nn.init.zeros_(recurrent.bias)


CELLS: dict[str, Callable[[int, int], Cell]] = {
    "elman": ElmanCell,
    "gru": GRUCell,
    "lstm": LSTMCell,
    "mingru": MinGRUCell,
}
"""The cells that `--cell` knows by name; each is made as `make(input_size, width)`."""
