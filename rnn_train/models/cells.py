"""Recurrent cells: each one is a state update `s_t = S(s_{t-1}, x_t)`.

Training, export and inference use only the interface of `Cell`. So a new cell is one class, here
or in a user's own package:

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
"""One tensor [batch, width] for each state of a cell."""


class Cell(nn.Module, ABC):
    """One recurrent layer.

    A subclass defines `forward`. It may also define `project`, `output` and `output_size`; and
    `scan`, if it can compute a whole sequence faster than step by step.
    """

    def __init__(self, input_size: int, state_sizes: dict[str, int]) -> None:
        """Declare the shapes.

        Args:
            input_size: width of x_t.
            state_sizes: name and width of each state. Every state starts at zero.
        """
        super().__init__()
        self.input_size = input_size
        self.state_sizes = state_sizes

    @property
    def output_size(self) -> int:
        """Width of the output, which the layer above reads: by default that of the first state."""
        return next(iter(self.state_sizes.values()))

    def project(self, x: Tensor) -> Tensor:
        """Compute the part of S that needs x_t alone; by default, return x.

        Args:
            x: the inputs of one time, or of many times at once [..., input_size].

        Returns:
            The projected inputs [..., p], where the cell chooses p.
        """
        return x

    @abstractmethod
    def forward(self, x: Tensor, state: State) -> State:
        """Compute one step.

        Args:
            x: the projected input of this time [batch, p].
            state: s_{t-1}, one tensor [batch, width] for each state.

        Returns:
            s_t, in the same shapes.
        """

    def output(self, x: Tensor, state: State) -> Tensor:  # noqa: ARG002  (subclasses may need it)
        """Compute what the layer above reads at this time; by default, the first state.

        Args:
            x: the projected input of this time [batch, p].
            state: s_t.

        Returns:
            The output [batch, output_size].
        """
        return state[0]

    def zeros(self, batch: int, like: Tensor) -> State:
        """Return the state before the first step, with the type and device of `like`."""
        return tuple(like.new_zeros(batch, width) for width in self.state_sizes.values())

    def scan(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute all steps of a sequence.

        Args:
            x: the inputs [batch, time, input_size].
            state: s_0.

        Returns:
            The outputs [batch, time, output_size], and s_T.
        """
        projected = self.project(x)
        outputs = []
        for x_t in projected.unbind(1):
            state = self(x_t, state)
            outputs.append(self.output(x_t, state))
        return torch.stack(outputs, 1), state


class ElmanCell(Cell):
    """s_t = tanh(W x_t + U s_{t-1} + b).

    Elman, 1990, "Finding structure in time".
    """

    def __init__(self, input_size: int, width: int) -> None:
        super().__init__(input_size, {"s": width})
        self.W = nn.Parameter(torch.empty(input_size, width))  # multiplied from the right: x @ W
        self.U = nn.Parameter(torch.empty(width, width))
        self.b = nn.Parameter(torch.zeros(width))
        nn.init.xavier_uniform_(self.W)
        # An orthogonal U keeps the norm of the state, and of its gradient, through time.
        nn.init.orthogonal_(self.U)

    def project(self, x: Tensor) -> Tensor:
        return x @ self.W + self.b

    def forward(self, x: Tensor, state: State) -> State:
        (s,) = state
        return (torch.tanh(x + s @ self.U),)

    def scan(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute all steps with `ElmanScan`: the same numbers up to rounding, and faster."""
        own = type(self)
        if (own.forward, own.output) != (ElmanCell.forward, Cell.output):
            return super().scan(x, state)  # a derived class has its own equation
        projected = self.project(x.transpose(0, 1))  # [time, batch, width]
        where = x.device.type
        mixed = torch.amp.is_autocast_available(where) and torch.is_autocast_enabled(where)
        given = (projected, state[0], self.U)
        kind = torch.get_autocast_dtype(where) if mixed else projected.dtype
        states = ElmanScan.apply(*(each.to(kind) for each in given))  # type: ignore[no-untyped-call]
        # A copy: a view of the last state would keep the states of all times in memory.
        return states.transpose(0, 1), (states[-1].clone(),)


class GRUCell(Cell):
    """Gated recurrent unit, with the reset gate after the product, as in cuDNN.

    r = sigmoid(W_r x_t + U_r s_{t-1} + b_r);  z = sigmoid(W_z x_t + U_z s_{t-1} + b_z)
    n = tanh(W_n x_t + b_n + r (U_n s_{t-1} + c_n))
    s_t = (1 - z) n + z s_{t-1}

    Cho et al., 2014, "Learning phrase representations using RNN encoder-decoder for statistical
    machine translation".
    """

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
        x_r, x_z, x_n = x.chunk(3, -1)  # each [batch, width]
        s_r, s_z, s_n = self.recurrent(s).chunk(3, -1)
        reset, update = torch.sigmoid(x_r + s_r), torch.sigmoid(x_z + s_z)
        new = torch.tanh(x_n + reset * s_n)
        return (new + update * (s - new),)


class LSTMCell(Cell):
    """Long short-term memory with a forget gate.

    i, f, o = sigmoid(W x_t + U h_{t-1} + b), each with its own W, U and b;  g = tanh(likewise)
    c_t = f c_{t-1} + i g;  h_t = o tanh(c_t)

    Hochreiter & Schmidhuber, 1997, "Long short-term memory"; Gers et al., 2000, "Learning to
    forget: continual prediction with LSTM".
    """

    def __init__(self, input_size: int, width: int) -> None:
        super().__init__(input_size, {"h": width, "c": width})
        self.inputs = nn.Linear(input_size, 4 * width)
        self.recurrent = nn.Linear(width, 4 * width, bias=False)
        _initialize(self.inputs, self.recurrent, gates=4)
        with torch.no_grad():  # forget gates start open, so that the cell remembers
            self.inputs.bias[width : 2 * width] = 1

    def project(self, x: Tensor) -> Tensor:
        projected: Tensor = self.inputs(x)
        return projected

    def forward(self, x: Tensor, state: State) -> State:
        h, c = state
        i, f, g, o = (x + self.recurrent(h)).chunk(4, -1)  # each [batch, width]
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class MinGRUCell(Cell):
    """minGRU: a gated unit whose gate and candidate depend on the input alone.

    z = sigmoid(W_z x_t + b_z);  n = W_n x_t + b_n
    s_t = (1 - z) s_{t-1} + z n

    Feng et al., 2024, "Were RNNs all we needed?". One layer hardly combines neighbouring
    characters; use two or three.
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
    """Start each gate's input matrix Xavier-uniform and its recurrent matrix orthogonal."""
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
"""The cells that `--cell` knows by name. Each is made as `CELLS[name](input_size, width)`."""
