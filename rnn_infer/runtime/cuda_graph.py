"""Steps of a file that takes a fixed number of them: state and token stay on the device.

Each call is one on the same memory as some call before it, so that CUDA can record it as a graph
once and replay it: what a step costs there is mostly the launching of some fifty small kernels.
States have two buffers, and each call reads one and writes the other: recording runs a call more
than once, which would advance a state that is written where it is read.

A file of one step a call draws into a row of slots: each draw reads one slot and writes the next,
and what was drawn is fetched when the row is full. A file of several steps is one graph for all of
them; what is left of the steps in its last call is computed, and left out.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_infer import contract
from rnn_infer.modelfile.reader import ModelFile
from rnn_infer.runtime.providers import onnxruntime

Feed = dict[str, NDArray[Any]]
_Bound = tuple[Any, ...]
"""What binds a name to memory."""
_Call = tuple[Any, Any]
"""What a run takes: what is bound, and its options."""
_MOST_KEPT = 32
"""Batch sizes to keep buffers, and graphs, for."""
_SLOTS = 8
"""Steps that draw between two fetches; even, so that each has its own pair of state buffers."""
_LEAST_ROWS = 64
"""Of a graph: more cost a GPU nothing, and each slot begins at a multiple of 256 bytes."""


@cache
def _graph_thread() -> ThreadPoolExecutor:
    """The one thread of the process that records and replays.

    onnxruntime keeps the graphs of each thread apart, for ever; and while one is recorded nothing
    else of the process may be done on the GPU.
    """
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="rnn_infer-cuda")


class ReplaySession:
    """A session of a file of fixed steps that is run as one of any other file is, with any number
    of tokens and uniforms. Threads take turns."""

    def __init__(self, file: ModelFile, session: Any, device: str) -> None:
        self._file, self._session, self._device = file, session, device
        self._kept: dict[int, _Replay] = {}
        self._graphs = 0
        self._turn = threading.Lock()

    def run(self, names: Sequence[str], feed: Feed) -> list[NDArray[Any]]:
        """Reads all tokens, then draws and feeds back once for each uniform.

        Args:
            names: logits, generated or neither, then all next states.
            feed: every input by name; tokens and uniforms [batch, any number].
        """
        if self._device == "cpu":
            return self._run(names, feed)
        return _graph_thread().submit(self._run, names, feed).result()

    def try_out(self) -> None:
        """Reads a token, and draws one if the file can. Raises what onnxruntime does."""
        once: Feed = {contract.TOKENS: np.zeros((1, 1), np.int64)}
        states = {each.name: np.zeros((1, each.width), np.float32) for each in self._file.states}
        drawing: Feed = {
            contract.UNIFORM: np.zeros((1, 1), np.float32),
            contract.TEMPERATURE: np.ones(1, np.float32),
            contract.TOP_K: np.zeros(1, np.int64),
            contract.TOP_P: np.ones(1, np.float32),
        }
        feed = once | states | (drawing if self._file.generates else {})
        self.run([contract.LOGITS], feed)
        if self._file.generates:
            self.run([contract.GENERATED], feed)

    def _run(self, names: Sequence[str], feed: Feed) -> list[NDArray[Any]]:
        tokens = feed[contract.TOKENS]
        if any(len(each) != len(tokens) for each in feed.values()):
            raise ValueError("inputs of different batch sizes")
        with self._turn:
            replay = self._of(len(tokens))
            replay.start(feed)
            found: list[NDArray[Any]] = []
            if names[0] == contract.GENERATED:
                replay.read(tokens[:, :-1])
                found = [replay.draw(tokens[:, -1], feed[contract.UNIFORM])]
            elif names[0] == contract.LOGITS:
                found = [replay.read_logits(tokens)]
            else:
                replay.read(tokens)
            return [*found, *replay.state()]

    def _of(self, batch: int) -> "_Replay":
        rows = batch
        if self._device != "cpu":
            # A graph is recorded for one number of rows. Rows that are not used cost little
            # there, and streams that end one by one would need as many graphs.
            rows = max(_LEAST_ROWS, 1 << (batch - 1).bit_length())
        replay = self._kept.pop(rows, None)
        if replay is None:
            if len(self._kept) == _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            kind = _OneStep if self._file.steps == 1 else _ManySteps
            replay = kind(self._file, self._session, self._device, rows, self._graphs + 1)
            self._graphs += replay.graphs
        self._kept[rows] = replay
        replay.batch = batch
        return replay


class _Replay(ABC):
    """Of `rows` streams, the first `batch` of which are used."""

    batch: int
    graphs: int
    """How many it records."""

    def __init__(self, file: ModelFile, session: Any, device: str, rows: int) -> None:
        self._session, self._device = session, device
        assert file.steps
        self._steps = file.steps
        self._names = [state.name for state in file.states]
        self._states = [
            [self._buffer(np.float32, rows, state.width) for state in file.states] for _ in range(2)
        ]
        self._logits = self._buffer(np.float32, rows, self._steps, file.metadata.outputs)
        self._options: dict[str, _Buffer] = {}
        if file.generates:
            self._options = {
                contract.TEMPERATURE: self._buffer(np.float32, rows),
                contract.TOP_K: self._buffer(np.int64, rows),
                contract.TOP_P: self._buffer(np.float32, rows),
            }
        self._side = 0

    def _buffer(self, kind: type[np.generic], *shape: int) -> "_Buffer":
        return _Buffer(self._device, kind, shape)

    def _bind(self, side: int, graph: int, inputs: Sequence[_Bound], drawn: _Bound) -> _Call:
        """What a run takes, for states of one side, and for tokens and uniforms."""
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
        """Takes what is given once a run: states, and how to draw."""
        self._side = 0
        for name, buffer in zip(self._names, self._states[0], strict=True):
            buffer.put(feed[name])
        for name, buffer in self._options.items():
            buffer.put(feed[name])

    def state(self) -> tuple[NDArray[np.float32], ...]:
        """After the last step."""
        return tuple(each.get()[: self.batch].copy() for each in self._states[self._side])

    @abstractmethod
    def read(self, tokens: NDArray[np.int64]) -> None:
        """Reads tokens [batch, time]."""

    @abstractmethod
    def read_logits(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Reads tokens [batch, time], and gives the logits after each, [batch, time, n]."""

    @abstractmethod
    def draw(self, token: NDArray[np.int64], uniform: NDArray[np.float32]) -> NDArray[np.int64]:
        """Reads tokens [batch], then draws and feeds back once for each uniform, [batch, any]."""


class _OneStep(_Replay):
    """A step a call."""

    graphs = 2 + _SLOTS

    def __init__(self, file: ModelFile, session: Any, device: str, rows: int, graph: int) -> None:
        """`graph`: the number of this one's first graph; the others have the next ones."""
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


class _ManySteps(_Replay):
    """As many steps a call as the file has."""

    graphs = 2

    def __init__(self, file: ModelFile, session: Any, device: str, rows: int, graph: int) -> None:
        """`graph`: the number of this one's first graph; the other has the next one."""
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
        """Takes steps, [batch, at most as many as a call has], in all rows."""
        self._tokens.host.fill(0)  # a row that is not used takes steps as well
        self._tokens.host[: self.batch, : tokens.shape[1]] = tokens
        self._tokens.host[:, tokens.shape[1] :] = contract.NO_STEP
        self._tokens.put()
        self._session.run_with_iobinding(*self._calls[self._side])
        self._side = 1 - self._side


class _Buffer:
    """Memory on the device that stays where it is, and its like on the host."""

    def __init__(self, device: str, kind: type[np.generic], shape: tuple[int, ...]) -> None:
        self.host = np.zeros(shape, kind)
        self._device = device
        make = onnxruntime().OrtValue.ortvalue_from_shape_and_type
        self._value = make(list(shape), kind, device, 0)
        self.put()

    def bound(self, name: str, index: int | None = None) -> _Bound:
        """What binds a name to all of it, or to one of its first axis."""
        part = self.host if index is None else self.host[0]
        place = self._value.data_ptr() + (index or 0) * part.nbytes
        return name, self._device, 0, part.dtype.type, part.shape, place

    def put(self, rows: NDArray[Any] | None = None) -> None:
        """Writes the first rows, or what stands on the host."""
        if rows is not None:
            self.host[: len(rows)] = rows
        self._value.update_inplace(self.host)

    def get(self) -> NDArray[Any]:
        """All of it; on the CPU this is the memory itself."""
        found: NDArray[Any] = self._value.numpy()
        return found
