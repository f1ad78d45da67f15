"""The calls of a fixed-step file: state and tokens stay in buffers on the device.

Every call uses the same memory as an earlier one, so that CUDA can capture it once as a graph and
replay it. Without a graph, most of the time of a step goes into launching about fifty small
kernels. Each state has two buffers: a call reads one and writes the other. Capturing runs a call
more than once, so a state that is written where it is read would advance twice.

`OneStepReplay` is for files of one step per call. It draws into a row of slots: each draw reads
one slot and writes the next, and the row is fetched when it is full. `ManyStepsReplay` is for files
of several steps per call. Its last call may have steps left over; they are computed and ignored.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_infer import contract
from rnn_infer.modelfile.reader import ModelFile
from rnn_infer.runtime.device_buffer import Binding, DeviceBuffer
from rnn_infer.runtime.providers import onnxruntime

Feed = dict[str, NDArray[Any]]
"""Input arrays by name."""
_Call = tuple[Any, Any]
"""The arguments of a run: the bound buffers, and the run options."""
_SLOTS = 8
"""Draws between two fetches. The number is even, so each slot has its own pair of state buffers."""


class Replay(ABC):
    """The buffers and calls for up to `rows` streams. The first `batch` rows are in use."""

    batch: int
    graphs: int
    """The number of CUDA graphs that it captures."""

    def __init__(self, file: ModelFile, session: Any, device: str, rows: int) -> None:
        self._session, self._device = session, device
        assert file.steps
        self._steps = file.steps
        self._names = [state.name for state in file.states]
        self._states = [
            [self._buffer(np.float32, rows, state.width) for state in file.states] for _ in range(2)
        ]
        self._logits = self._buffer(np.float32, rows, self._steps, file.metadata.outputs)
        self._options: dict[str, DeviceBuffer] = {}
        if file.generates:
            self._options = {
                contract.TEMPERATURE: self._buffer(np.float32, rows),
                contract.TOP_K: self._buffer(np.int64, rows),
                contract.TOP_P: self._buffer(np.float32, rows),
            }
        self._side = 0

    def _buffer(self, kind: type[np.generic], *shape: int) -> DeviceBuffer:
        return DeviceBuffer(self._device, kind, shape)

    def _bind(self, side: int, graph: int, inputs: Sequence[Binding], drawn: Binding) -> _Call:
        """Bind one call.

        Args:
            side: which of the two state buffers is read, 0 or 1.
            graph: the number of the CUDA graph.
            inputs: bindings of the tokens and of the uniforms.
            drawn: binding of the drawn tokens.
        """
        bound = self._session.io_binding()
        for name, before, after in zip(
            self._names, self._states[side], self._states[1 - side], strict=True
        ):
            bound.bind_input(*before.bound(name))
            bound.bind_output(*after.bound(name + contract.NEXT))
        bound.bind_output(*self._logits.bound(contract.LOGITS))
        tokens, uniform = inputs
        bound.bind_input(*tokens)
        if self._options:
            bound.bind_input(*uniform)
            for name, value in self._options.items():
                bound.bind_input(*value.bound(name))
            bound.bind_output(*drawn)
        options = onnxruntime().RunOptions()
        options.add_run_config_entry("gpu_graph_id", str(graph))
        return bound, options

    def start(self, feed: Feed) -> None:
        """Copy in the states and the sampling options, which a run sets once."""
        self._side = 0
        for name, buffer in zip(self._names, self._states[0], strict=True):
            buffer.put(feed[name])
        for name, buffer in self._options.items():
            buffer.put(feed[name])

    def state(self) -> tuple[NDArray[np.float32], ...]:
        """Return the states after the last step, each [batch, width]."""
        return tuple(each.get()[: self.batch].copy() for each in self._states[self._side])

    @abstractmethod
    def read(self, tokens: NDArray[np.int64]) -> None:
        """Read tokens [batch, time]."""

    @abstractmethod
    def read_logits(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read tokens [batch, time] and return the logits after each, [batch, time, n]."""

    @abstractmethod
    def draw(self, token: NDArray[np.int64], uniform: NDArray[np.float32]) -> NDArray[np.int64]:
        """Read tokens [batch], then draw and feed back once per uniform [batch, steps].

        Returns:
            Drawn tokens [batch, steps].
        """


class OneStepReplay(Replay):
    """The calls of a file with one step per call."""

    graphs = 2 + _SLOTS

    def __init__(self, file: ModelFile, session: Any, device: str, rows: int, graph: int) -> None:
        """`graph` is the number of the first CUDA graph. The others follow it."""
        super().__init__(file, session, device, rows)
        self._given = self._buffer(np.int64, rows, 1)
        self._unused = self._buffer(np.int64, rows, 1)
        self._tokens = self._buffer(np.int64, _SLOTS + 1, rows, 1)
        self._uniform = self._buffer(np.float32, _SLOTS, rows, 1)
        self._reads = [
            self._bind(
                side,
                graph + side,
                (self._given.bound(contract.TOKENS), self._uniform.bound(contract.UNIFORM, 0)),
                self._unused.bound(contract.GENERATED),
            )
            for side in range(2)
        ]
        self._draws = [
            self._bind(
                slot % 2,
                graph + 2 + slot,
                (
                    self._tokens.bound(contract.TOKENS, slot),
                    self._uniform.bound(contract.UNIFORM, slot),
                ),
                self._tokens.bound(contract.GENERATED, slot + 1),
            )
            for slot in range(_SLOTS)
        ]

    def read(self, tokens: NDArray[np.int64]) -> None:
        for token in tokens.T:
            self._read(token)

    def read_logits(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        found = []
        for token in tokens.T:
            self._read(token)
            found.append(self._logits.get()[: self.batch].copy())
        return np.concatenate(found, 1)

    def _read(self, token: NDArray[np.int64]) -> None:
        self._given.put(token[:, None])
        self._session.run_with_iobinding(*self._reads[self._side])
        self._side = 1 - self._side

    def draw(self, token: NDArray[np.int64], uniform: NDArray[np.float32]) -> NDArray[np.int64]:
        found, done, steps = [], 0, uniform.shape[1]
        while done < steps:
            first = self._side
            count = min(_SLOTS - first, steps - done)
            self._tokens.host[first, : self.batch, 0] = token
            self._tokens.put()
            self._uniform.host[first : first + count, : self.batch, 0] = uniform.T[
                done : done + count
            ]
            self._uniform.put()
            for step in self._draws[first : first + count]:
                self._session.run_with_iobinding(*step)
            drawn = self._tokens.get()[first + 1 : first + count + 1, : self.batch, 0]
            found.append(drawn.copy())
            token = found[-1][-1]
            done += count
            self._side = (first + count) % 2
        return np.concatenate(found).T


class ManyStepsReplay(Replay):
    """The calls of a file with several steps per call."""

    graphs = 2

    def __init__(self, file: ModelFile, session: Any, device: str, rows: int, graph: int) -> None:
        """`graph` is the number of the first CUDA graph. The other follows it."""
        super().__init__(file, session, device, rows)
        self._tokens = self._buffer(np.int64, rows, self._steps)
        self._uniform = self._buffer(np.float32, rows, self._steps)
        self._drawn = self._buffer(np.int64, rows, self._steps)
        inputs = self._tokens.bound(contract.TOKENS), self._uniform.bound(contract.UNIFORM)
        drawn = self._drawn.bound(contract.GENERATED)
        self._calls = [self._bind(side, graph + side, inputs, drawn) for side in range(2)]

    def read(self, tokens: NDArray[np.int64]) -> None:
        for begin in range(0, tokens.shape[1], self._steps):
            self._call(tokens[:, begin : begin + self._steps])

    def read_logits(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        found = []
        for begin in range(0, tokens.shape[1], self._steps):
            some = tokens[:, begin : begin + self._steps]
            self._call(some)
            found.append(self._logits.get()[: self.batch, : some.shape[1]].copy())
        return np.concatenate(found, 1)

    def draw(self, token: NDArray[np.int64], uniform: NDArray[np.float32]) -> NDArray[np.int64]:
        found = []
        for begin in range(0, uniform.shape[1], self._steps):
            some = uniform[:, begin : begin + self._steps]
            tokens = np.full(some.shape, contract.DRAWN)
            tokens[:, 0] = token
            self._uniform.host[: self.batch, : some.shape[1]] = some
            self._uniform.put()
            self._call(tokens)
            found.append(self._drawn.get()[: self.batch, : some.shape[1]].copy())
            token = found[-1][:, -1]
        return np.concatenate(found, 1)

    def _call(self, tokens: NDArray[np.int64]) -> None:
        """Run one call on tokens [batch, steps], where a call may use fewer steps than it has."""
        self._tokens.host.fill(0)  # unused rows take steps too, so they need valid tokens
        self._tokens.host[: self.batch, : tokens.shape[1]] = tokens
        self._tokens.host[:, tokens.shape[1] :] = contract.NO_STEP
        self._tokens.put()
        self._session.run_with_iobinding(*self._calls[self._side])
        self._side = 1 - self._side
