"""Triton's Python backend: each sequence is a stream of one pool, and a batch is one tick."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb  # it comes with the server

from rnn_infer import CharLM, PoolStream, RnnInferError

IDLE_SECONDS = 60.0
"""As in config.pbtxt: the server forgets such a sequence, and does not tell."""


class TritonPythonModel:
    """The name and the methods are Triton's."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model, which lies beside config.pbtxt."""
        name = json.loads(args["model_config"])["parameters"]["model"]["string_value"]
        self.pool = CharLM.load(Path(args["model_repository"]) / name, device="cpu").pool()
        self.streams: dict[int, PoolStream] = {}
        self.used: dict[int, float] = {}

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer requests of different sequences together."""
        errors: dict[int, str] = {}
        lengths: dict[int, list[PoolStream]] = {}
        for i, request in enumerate(requests):
            try:
                lengths.setdefault(_number(request, "length"), []).append(self._stream(request))
            except RnnInferError as error:
                errors[i] = str(error)
        texts: dict[PoolStream, str] = {}
        for length, streams in lengths.items():
            texts |= self.pool.tick(length, streams)
        answers = [self._answer(each, texts, errors.get(i)) for i, each in enumerate(requests)]
        self._forget_idle()
        return answers

    def _stream(self, request: Any) -> PoolStream:
        """Return the stream of the request's sequence. Open it if the sequence starts."""
        sequence = _number(request, "sequence")
        if _number(request, "start"):
            self._close(sequence)
            prompt = _value(request, "prompt").decode()
            self.streams[sequence] = self.pool.open(prompt, seed=_number(request, "seed"))
        self.used[sequence] = time.monotonic()
        return self.streams[sequence]

    def _answer(self, request: Any, texts: dict[PoolStream, str], error: str | None) -> Any:
        sequence = _number(request, "sequence")
        if error is not None:
            return pb.InferenceResponse([], error=pb.TritonError(error))
        text = np.array([[texts[self.streams[sequence]].encode()]], object)
        if _number(request, "end"):
            self._close(sequence)
        return pb.InferenceResponse([pb.Tensor("text", text)])

    def _close(self, sequence: int) -> None:
        self.used.pop(sequence, None)
        if stream := self.streams.pop(sequence, None):
            stream.close()

    def _forget_idle(self) -> None:
        for sequence, used in list(self.used.items()):
            if used < time.monotonic() - IDLE_SECONDS:
                self._close(sequence)

    def finalize(self) -> None:
        """Close the pool."""
        self.pool.close()


def _value(request: Any, name: str) -> Any:
    return pb.get_input_tensor_by_name(request, name).as_numpy().item()


def _number(request: Any, name: str) -> int:
    return int(_value(request, name))
