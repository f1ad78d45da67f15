"""Steps of a one-step file: state and token stay on the device from one to the next.

Each step is the same call on the same memory, so that CUDA can record it as a graph once and
replay it: what a step costs there is mostly the launching of some fifty small kernels. There are
two sets of buffers, and each step reads one and writes the other: recording runs a step more than
once, which would advance a state that is written where it is read.
"""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_infer import contract
from rnn_infer.modelfile import ModelFile
from rnn_infer.runtime import onnxruntime

Feed = dict[str, NDArray[Any]]
_MOST_KEPT = 32
"""Batch sizes to keep buffers, and graphs, for."""


class ReplaySession:
    """A session of a one-step file that is run as one of any other file is, with any number of
    tokens and uniforms. Threads take turns."""

    def __init__(self, file: ModelFile, session: Any, device: str) -> None:
        self._file, self._session, self._device = file, session, device
        self._kept: dict[int, _Replay] = {}
        self._graphs = 0
        self._turn = threading.Lock()

    def run(self, names: Sequence[str], feed: Feed) -> list[NDArray[Any]]:
        """Reads all tokens, then draws and feeds back once for each uniform.

        Args:
            names: logits or generated first, then all next states.
            feed: every input by name; tokens and uniforms [batch, any number].
        """
        tokens = feed[contract.TOKENS]
        batch, time = tokens.shape
        uniform = feed.get(contract.UNIFORM, np.empty((batch, 0), np.float32))
        steps = uniform.shape[1]
        reads = names[0] == contract.LOGITS
        found: list[NDArray[Any]] = []
        with self._turn:
            replay = self._of(batch)
            replay.start(feed)
            for step in range(time + max(0, steps - 1)):
                draws = step - time + 1  # of the uniforms, from the last token on
                replay.step(
                    tokens[:, step] if step < time else None,
                    uniform[:, draws] if 0 <= draws < steps else None,
                )
                if reads and step < time:
                    found.append(replay.logits())
                elif not reads and draws >= 0:
                    found.append(replay.drawn())
            return [np.concatenate(found, 1), *replay.state()]

    def _of(self, batch: int) -> "_Replay":
        rows = batch
        if self._device != "cpu":
            # A graph is recorded for one number of rows. Rows that are not used cost little
            # there, and streams that end one by one would need as many graphs.
            rows = 1 << (batch - 1).bit_length()
        replay = self._kept.pop(rows, None)
        if replay is None:
            if len(self._kept) == _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            replay = _Replay(self._file, self._session, self._device, rows, self._graphs + 1)
            self._graphs += 2
        self._kept[rows] = replay
        replay.batch = batch
        return replay


class _Replay:
    """Of `rows` streams, the first `batch` of which are used."""

    batch: int

    def __init__(self, file: ModelFile, session: Any, device: str, rows: int, graph: int) -> None:
        """`graph`: the number of this one's first graph; the second has the next."""
        self._session = session
        self._inputs = [state.name for state in file.states]
        once, number = (rows, 1), np.dtype(np.float32)
        whole = np.dtype(np.int64)

        def buffer(shape: tuple[int, ...], kind: np.dtype[Any]) -> _Buffer:
            return _Buffer(shape, kind, device)

        self._sides = [
            {
                contract.TOKENS: buffer(once, whole),
                **{state.name: buffer((rows, state.width), number) for state in file.states},
            }
            for _ in range(2)
        ]
        self._logits = buffer((rows, 1, file.metadata.outputs), number)
        self._drawing: dict[str, _Buffer] = {}
        if file.generates:
            self._drawing = {
                contract.UNIFORM: buffer(once, number),
                contract.TEMPERATURE: buffer((rows,), number),
                contract.TOP_K: buffer((rows,), whole),
                contract.TOP_P: buffer((rows,), number),
            }
        self._bindings = [self._bind(*self._sides), self._bind(*self._sides[::-1])]
        self._options = []
        for number_of_graph in (graph, graph + 1):
            options = onnxruntime().RunOptions()
            options.add_run_config_entry("gpu_graph_id", str(number_of_graph))
            self._options.append(options)
        self._side = 0

    def _bind(self, before: "dict[str, _Buffer]", after: "dict[str, _Buffer]") -> Any:
        binding = self._session.io_binding()
        for name, buffer in (before | self._drawing).items():
            binding.bind_ortvalue_input(name, buffer.value)
        binding.bind_ortvalue_output(contract.LOGITS, self._logits.value)
        for name in self._inputs:
            binding.bind_ortvalue_output(name + contract.NEXT, after[name].value)
        if self._drawing:
            binding.bind_ortvalue_output(contract.GENERATED, after[contract.TOKENS].value)
        return binding

    def start(self, feed: Feed) -> None:
        """Takes what is given once a run: states, and how to draw."""
        for name in self._inputs:
            self._sides[self._side][name].put(feed[name])
        for name in self._drawing.keys() - {contract.UNIFORM}:
            self._drawing[name].put(feed[name])

    def step(self, token: NDArray[np.int64] | None, uniform: NDArray[np.float32] | None) -> None:
        """Reads a token, or the one that was drawn last, and draws one if that may be used."""
        if token is not None:
            self._sides[self._side][contract.TOKENS].put(token[:, None])
        if uniform is not None:
            self._drawing[contract.UNIFORM].put(uniform[:, None])
        self._session.run_with_iobinding(self._bindings[self._side], self._options[self._side])
        self._side = 1 - self._side

    def logits(self) -> NDArray[np.float32]:
        """After the last step, [batch, 1, n]."""
        return self._logits.get(self.batch)

    def drawn(self) -> NDArray[np.int64]:
        """By the last step, [batch, 1]."""
        return self._sides[self._side][contract.TOKENS].get(self.batch)

    def state(self) -> tuple[NDArray[np.float32], ...]:
        """After the last step."""
        return tuple(self._sides[self._side][name].get(self.batch) for name in self._inputs)


class _Buffer:
    """Memory on the device that stays where it is."""

    def __init__(self, shape: tuple[int, ...], kind: "np.dtype[Any]", device: str) -> None:
        make = onnxruntime().OrtValue.ortvalue_from_shape_and_type
        self.value = make(list(shape), kind.type, device, 0)
        self._host = np.zeros(shape, kind)
        self.value.update_inplace(self._host)

    def put(self, rows: NDArray[Any]) -> None:
        """Writes the first rows."""
        self._host[: len(rows)] = rows
        self.value.update_inplace(self._host)

    def get(self, rows: int) -> NDArray[Any]:
        """A copy of the first rows."""
        found: NDArray[Any] = self.value.numpy()[:rows].copy()
        return found
