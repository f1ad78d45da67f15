"""The stepper: runs a checked file on tokens. It knows nothing of text.

Tokens go in, logits or drawn tokens come out. The caller holds the state: a tuple of arrays with
one row per stream. So a stepper never changes, and any number of threads and streams may share it.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from rnn_infer import contract
from rnn_infer.errors import DeviceError, ModelFileError, first_line, lacks_memory
from rnn_infer.modelfile.reader import ModelFile, check_model, read_model
from rnn_infer.modelfile.source import ModelSource, SourceBytes, read_source
from rnn_infer.runtime import golden
from rnn_infer.runtime.device import open_session
from rnn_infer.runtime.load_options import LoadKeywords, LoadOptions, with_keywords
from rnn_infer.runtime.open_once import OpenOnce
from rnn_infer.runtime.shortening import last_alone, no_logits
from rnn_infer.sampling import Sampling, draw

State = tuple[NDArray[np.float32], ...]
"""One float32 [batch, width] array per state of the file, in the file's order."""

_UNUSED = Sampling()
"""Sampling for calls that draw nothing. It is made and checked once, not at every step."""


class Stepper:
    """Runs a model file. Make one with `Stepper.open`."""

    def __init__(
        self, file: ModelFile, session: Any, device: str, options: LoadOptions | None = None
    ) -> None:
        self.file = file
        self.device = device
        """The device that the session runs on: "cpu" or "cuda"."""
        self.options = replace(options or LoadOptions(), sha256=file.sha256)
        """How the file was loaded. `sha256` is always that of the file."""
        self._session = session
        self._process = os.getpid()
        self._inputs = [state.name for state in file.states]
        self._next = [name + contract.NEXT for name in self._inputs]

    @classmethod
    def open(
        cls,
        source: ModelSource,
        *,
        options: LoadOptions | None = None,
        **keywords: Unpack[LoadKeywords],
    ) -> Self:
        """Read, check and open a file.

        Args:
            source: a path, bytes, a binary file object, or a resource of a package.
            options: how to load it.
            **keywords: fields of `LoadOptions`. A keyword replaces that field of `options`.

        Raises:
            ModelFileError: the file is missing, damaged, or breaks the format; or its logits are
                not those that it recorded.
            DeviceError: `cuda` does not work here.
            OptionError: an option is out of range.
            RuntimeMissingError: onnxruntime is not installed.
        """
        options = with_keywords(options, keywords)
        stepper = cls.of(read_model(source, sha256=options.sha256), options)
        stepper.check_golden()
        return stepper

    @classmethod
    def of(cls, file: ModelFile, options: LoadOptions) -> Self:
        """Open a checked file without its recorded run. Errors: as in `open`."""
        session, device = open_session(file, options.device, options.threads, options.streams)
        return cls(file, session, device, options)

    def __reduce__(self) -> tuple[Callable[..., "Stepper"], tuple[str | bytes, LoadOptions]]:
        """Pickle the place of the file and the options. A process opens the file once."""
        OPEN.add(self.options, self)
        return _reopened, (self.file.source.path or self.file.data, self.options)

    def golden_difference(self) -> float:
        """Repeat the recorded run. Return the largest difference of a logit; NaN if one is NaN."""
        recorded = self.file.metadata.golden
        logits, _ = self.forward(np.array([recorded.tokens], np.int64), self.zeros(1))
        return golden.difference(recorded, logits)

    def check_golden(self) -> None:
        """Repeat the recorded run, and refuse other logits. Errors: as in `open`."""
        found, recorded = self.golden_difference(), self.file.metadata.golden
        if not np.isfinite(found):
            raise self.file.not_finite()
        if not found < golden.tolerance(recorded):
            raise golden.refusal(self.file.path, self.device, found, recorded)

    def zeros(self, batch: int) -> State:
        """Return the state of `batch` streams that have read nothing."""
        return tuple(np.zeros((batch, state.width), np.float32) for state in self.file.states)

    def forward(self, tokens: NDArray[np.int64], state: State) -> tuple[NDArray[np.float32], State]:
        """Read tokens and return the logits after each.

        Args:
            tokens: [batch, time], time ≥ 1.
            state: the state before the first token.

        Returns:
            Logits [batch, time, n], and the state after the last token.

        Raises:
            ModelFileError: the graph fails, or its outputs have other shapes than it declares.
        """
        shape = (*tokens.shape, self.file.metadata.outputs)
        return self._run(contract.LOGITS, shape, self._reading(tokens, state))

    def logits(self, tokens: NDArray[np.int64], state: State) -> NDArray[np.float32]:
        """Read tokens and return only the logits after each. Otherwise as `forward`."""
        # A file of fixed steps returns the states too.
        found = self._session_run([contract.LOGITS], self._reading(tokens, state))[0]
        if found.shape != (*tokens.shape, self.file.metadata.outputs):
            raise self._misshapen()
        return found

    def last(self, tokens: NDArray[np.int64], state: State) -> NDArray[np.float32]:
        """Read tokens [batch, time], time ≥ 1, and return the logits after the last, [batch, n].

        A file that can leave the others out computes no others, see `shortening`.
        """
        tokens = last_alone(self.file, tokens)
        found = self._session_run([contract.LOGITS], self._reading(tokens, state))[0][:, -1:]
        if found.shape != (len(tokens), 1, self.file.metadata.outputs):
            raise self._misshapen()
        return found[:, 0]

    def consume(self, tokens: NDArray[np.int64], state: State) -> State:
        """Read tokens [batch, time], time ≥ 0, and return only the state after the last."""
        if not tokens.shape[1] or not state:
            return state
        tokens = no_logits(self.file, tokens)
        return self._call([], len(tokens), self._reading(tokens, state))[1]

    def draw(
        self,
        tokens: NDArray[np.int64],
        state: State,
        uniform: NDArray[np.float32],
        sampling: Sampling | Sequence[Sampling],
    ) -> tuple[NDArray[np.int64], State]:
        """Read tokens, then draw a token and feed it back, once per uniform.

        Args:
            tokens: [batch, time], time ≥ 1.
            state: the state before the first token.
            uniform: float32 [batch, steps] in [0, 1), steps ≥ 1.
            sampling: the same for all rows, or one per row.

        Returns:
            Drawn tokens [batch, steps], and the state that has read all but the last of them.

        Raises:
            ModelFileError: the graph fails, or its outputs have other shapes than it declares.
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
        """Run one call. Return one output, whose shape is checked, and the next state."""
        (result,), after = self._call([output], shape[0], feed)
        if result.shape != shape:
            raise self._misshapen()
        return result, after

    def _call(
        self, outputs: list[str], batch: int, feed: dict[str, Any]
    ) -> tuple[list[NDArray[Any]], State]:
        """Run one call. Return some outputs, and the next state."""
        found = self._session_run([*outputs, *self._next], feed)
        after = tuple(found[len(outputs) :])
        if any(
            each.shape != (batch, state.width)
            for each, state in zip(after, self.file.states, strict=True)
        ):
            raise self._misshapen()
        return found[: len(outputs)], after

    def _session_run(self, outputs: list[str], feed: dict[str, Any]) -> list[NDArray[Any]]:
        """Run one call, in the process of the session."""
        if os.getpid() != self._process:
            self._open_again()
        try:
            found: list[NDArray[Any]] = self._session.run(outputs, feed)
        except Exception as error:  # onnxruntime raises errors of many types
            if lacks_memory(error):
                raise self.file.too_large(first_line(error)) from None
            raise self._broken(f"fails when run: {first_line(error)}") from None
        return found

    def _open_again(self) -> None:
        """Open the file again in a forked child: the session has no threads here and may hang."""
        if self.device == "cuda":
            raise DeviceError(
                "cuda does not work in a forked child of a process that uses it; load the model "
                "in the child, or start children with the spawn method"
            )
        # The old session must never be freed here. That would wait for threads that only the
        # parent has.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))
        self._session, _ = open_session(self.file, "cpu", self.options.threads)
        self._process = os.getpid()

    def _misshapen(self) -> ModelFileError:
        return self._broken("returns other shapes than it declares")

    def _broken(self, what: str) -> ModelFileError:
        return ModelFileError(f"{self.file.path}: the graph {what}; export the file again")

    def _reading(self, tokens: NDArray[np.int64], state: State) -> dict[str, Any]:
        """Return the inputs of a call that draws nothing."""
        feed = self._feed(tokens, state)
        if self.file.generates:
            feed |= self._sampling(_UNUSED, np.empty((len(tokens), 0), np.float32))
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


OPEN: OpenOnce[LoadOptions, Stepper] = OpenOnce()
"""The models that this process has pickled or unpickled, by their hash and options."""


def _reopened(place: str | bytes, options: LoadOptions) -> Stepper:
    """Return the stepper that was pickled. It is opened only if this process has not done so.

    Raises:
        ModelFileError: the path has no file, or another one. Other errors: as in `Stepper.open`.
    """

    def opened() -> Stepper:
        stepper = Stepper.of(check_model(_read_again(place, options)), options)
        stepper.check_golden()
        return stepper

    return OPEN.get(options, opened)


def _read_again(place: str | bytes, options: LoadOptions) -> SourceBytes:
    advice = "load the model from bytes if other machines cannot read this path"
    try:
        found = read_source(place)
    except ModelFileError as error:
        raise ModelFileError(f"{error}; the pickled model needs it; {advice}") from None
    if found.sha256 != options.sha256:
        raise ModelFileError(
            f"{found.name}: is not the file of the pickled model: sha256 is {found.sha256}, not "
            f"{options.sha256}; put that file back, or load the new one and pickle it"
        )
    return found


def _draw_rows(
    logits: NDArray[np.float32],
    uniform: NDArray[np.float32],
    sampling: Sampling | Sequence[Sampling],
) -> NDArray[np.int64]:
    if isinstance(sampling, Sampling):
        return draw(logits, uniform, sampling)
    parts = [draw(logits[i : i + 1], uniform[i : i + 1], each) for i, each in enumerate(sampling)]
    return np.concatenate(parts)
