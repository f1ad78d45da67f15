"""The one stepping core: a checked file, an open session, and nothing of text.

Tokens go in and logits or drawn tokens come out; state is a tuple of arrays, one
row a stream, that the caller holds. So a stepper itself never changes, and any
number of threads and streams may share one.
"""

import ctypes
import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rnn_infer import contract
from rnn_infer.errors import DeviceError, ModelFileError
from rnn_infer.modelfile.reader import ModelFile, read_model
from rnn_infer.runtime.device import Device, open_session
from rnn_infer.runtime.providers import first_line
from rnn_infer.sampling import Sampling, draw

State = tuple[NDArray[np.float32], ...]
"""One float32 [batch, width] array for each of the file's states, in the file's order."""

_NO_MATTER = Sampling()
"""Where nothing is drawn: made, and checked, once instead of at every step."""


class Stepper:
    """Runs a model file."""

    def __init__(self, file: ModelFile, session: Any, device: str, threads: int = 1) -> None:
        self.file = file
        self.device = device
        """Where the session really runs: "cpu" or "cuda"."""
        self._session = session
        self._threads = threads
        self._process = os.getpid()
        self._inputs = [state.name for state in file.states]
        self._next = [name + contract.NEXT for name in self._inputs]

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        device: Device = "auto",
        threads: int = 1,
        streams: int | None = None,
        sha256: str | None = None,
    ) -> Self:
        """Reads, checks and opens a file. Errors: as `read_model` and `open_session`."""
        file = read_model(path, sha256=sha256)
        return cls(file, *open_session(file, device, threads, streams), threads)

    def zeros(self, batch: int) -> State:
        """The state of `batch` streams that have read nothing."""
        return tuple(np.zeros((batch, state.width), np.float32) for state in self.file.states)

    def forward(self, tokens: NDArray[np.int64], state: State) -> tuple[NDArray[np.float32], State]:
        """Reads tokens [batch, time], time ≥ 1.

        Returns:
            Logits [batch, time, n], and the state after the last token.
        """
        shape = (*tokens.shape, self.file.metadata.outputs)
        return self._run(contract.LOGITS, shape, self._reading(tokens, state))

    def consume(self, tokens: NDArray[np.int64], state: State) -> State:
        """Reads tokens [batch, time] for their effect on the state alone; time may be 0."""
        if not tokens.shape[1] or not state:
            return state
        return self._call([], len(tokens), self._reading(tokens, state))[1]

    def draw(
        self,
        tokens: NDArray[np.int64],
        state: State,
        uniform: NDArray[np.float32],
        sampling: Sampling | Sequence[Sampling],
    ) -> tuple[NDArray[np.int64], State]:
        """Reads tokens [batch, time], then draws and feeds back once for each uniform.

        Args:
            tokens: time ≥ 1.
            uniform: float32 [batch, steps], steps ≥ 1.
            sampling: options for all rows alike, or of each row.

        Returns:
            Drawn tokens [batch, steps], and the state that has read all but the last of them.
        """
        if self.file.generates:
            feed = self._feed(tokens, state) | self._sampling(sampling, uniform)
            generated, state = self._run(contract.GENERATED, uniform.shape, feed)
            if generated.min() < 0 or generated.max() >= self.file.metadata.outputs:
                raise self._broken("draws tokens outside its vocabulary")
            return generated, state
        drawn: list[NDArray[np.int64]] = []
        for step in range(uniform.shape[1]):
            logits, state = self.forward(tokens, state)
            drawn.append(_draw_rows(logits[:, -1], uniform[:, step], sampling))
            tokens = drawn[-1][:, None]
        return np.stack(drawn, 1), state

    def _run(
        self, output: str, shape: tuple[int, ...], feed: dict[str, Any]
    ) -> tuple[NDArray[Any], State]:
        """One call: an output of the shape it must have, and the next state."""
        (result,), after = self._call([output], shape[0], feed)
        if result.shape != shape:
            raise self._misshapen()
        return result, after

    def _call(
        self, outputs: list[str], batch: int, feed: dict[str, Any]
    ) -> tuple[list[NDArray[Any]], State]:
        """One call: some outputs, and the next state."""
        if os.getpid() != self._process:
            self._open_again()
        try:
            found = self._session.run([*outputs, *self._next], feed)
        except Exception as error:  # onnxruntime raises many types, RuntimeError at their root
            raise self._broken(f"fails when run: {first_line(error)}") from None
        after = tuple(found[len(outputs) :])
        if any(
            each.shape != (batch, state.width)
            for each, state in zip(after, self.file.states, strict=True)
        ):
            raise self._misshapen()
        return found[: len(outputs)], after

    def _open_again(self) -> None:
        """After a fork: the parent's session has lost its threads here, and may hang."""
        if self.device == "cuda":
            raise DeviceError(
                "cuda cannot be used in a forked child of a process that uses it; load the model "
                "in the child, or start children by the spawn method"
            )
        # The old session must never be freed here: that would wait for threads which only the
        # parent has.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))
        self._session, _ = open_session(self.file, "cpu", self._threads)
        self._process = os.getpid()

    def _misshapen(self) -> ModelFileError:
        """A file may declare one thing and do another."""
        return self._broken("gives other shapes than it declares")

    def _broken(self, what: str) -> ModelFileError:
        return ModelFileError(f"{self.file.path}: the graph {what}; export the file again")

    def _reading(self, tokens: NDArray[np.int64], state: State) -> dict[str, Any]:
        """What a call is given that draws nothing."""
        feed = self._feed(tokens, state)
        if self.file.generates:
            feed |= self._sampling(_NO_MATTER, np.empty((len(tokens), 0), np.float32))
        return feed

    def _feed(self, tokens: NDArray[np.int64], state: State) -> dict[str, Any]:
        return {contract.TOKENS: tokens, **dict(zip(self._inputs, state, strict=True))}

    @staticmethod
    def _sampling(
        sampling: Sampling | Sequence[Sampling], uniform: NDArray[np.float32]
    ) -> dict[str, Any]:
        rows = [sampling] if isinstance(sampling, Sampling) else sampling
        repeat = len(uniform) if isinstance(sampling, Sampling) else 1
        return {
            contract.UNIFORM: uniform,
            contract.TEMPERATURE: np.array([each.temperature for each in rows] * repeat, "f4"),
            contract.TOP_K: np.array([each.top_k for each in rows] * repeat, "i8"),
            contract.TOP_P: np.array([each.top_p for each in rows] * repeat, "f4"),
        }


def _draw_rows(
    logits: NDArray[np.float32],
    uniform: NDArray[np.float32],
    sampling: Sampling | Sequence[Sampling],
) -> NDArray[np.int64]:
    if isinstance(sampling, Sampling):
        return draw(logits, uniform, sampling)
    parts = [draw(logits[i : i + 1], uniform[i : i + 1], each) for i, each in enumerate(sampling)]
    return np.concatenate(parts)
