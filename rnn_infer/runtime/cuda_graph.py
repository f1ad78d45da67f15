"""A session for fixed-step files, which captures CUDA graphs and replays them.

On the CPU the same session runs without graphs.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_infer import contract
from rnn_infer.modelfile.reader import ModelFile
from rnn_infer.runtime.replay import Feed, ManyStepsReplay, OneStepReplay, Replay

_MOST_KEPT = 32
"""Batch sizes whose buffers and graphs are kept."""
_LEAST_ROWS = 64
"""Rows of a graph at least. Unused rows cost a GPU nothing, and each slot of a buffer then begins
at a multiple of 256 bytes."""


@cache
def _graph_thread() -> ThreadPoolExecutor:
    """Return the one thread of the process that captures and replays graphs.

    onnxruntime keeps the graphs of each thread separately and never frees them. And while a graph
    is captured, no other thread may use the GPU.
    """
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="rnn_infer-cuda")


class ReplaySession:
    """A session of a fixed-step file that runs any number of tokens and uniforms per call.

    It stands in for onnxruntime's `InferenceSession`. Threads take turns.
    """

    def __init__(self, file: ModelFile, session: Any, device: str) -> None:
        self._file, self._session, self._device = file, session, device
        self._kept: dict[int, Replay] = {}
        self._graphs = 0
        self._turn = threading.Lock()

    def run(self, names: Sequence[str], feed: Feed) -> list[NDArray[Any]]:
        """Read all tokens, then draw and feed back once per uniform.

        Args:
            names: first logits, generated, or neither; then all next states.
            feed: every input by name. Tokens and uniforms are [batch, any number].

        Returns:
            The outputs in the order of `names`.

        Raises:
            ValueError: the inputs have different batch sizes.
        """
        if self._device == "cpu":
            return self._run(names, feed)
        return _graph_thread().submit(self._run, names, feed).result()

    def try_out(self) -> None:
        """Read one token, and draw one if the file can. Raises onnxruntime's errors."""
        once: Feed = {contract.TOKENS: np.zeros((1, 1), np.int64)}
        states = {each.name: np.zeros((1, each.width), np.float32) for each in self._file.states}
        sampling: Feed = {
            contract.UNIFORM: np.zeros((1, 1), np.float32),
            contract.TEMPERATURE: np.ones(1, np.float32),
            contract.TOP_K: np.zeros(1, np.int64),
            contract.TOP_P: np.ones(1, np.float32),
        }
        feed = once | states | (sampling if self._file.generates else {})
        self.run([contract.LOGITS], feed)
        if self._file.generates:
            self.run([contract.GENERATED], feed)

    def _run(self, names: Sequence[str], feed: Feed) -> list[NDArray[Any]]:
        tokens = feed[contract.TOKENS]
        if any(len(each) != len(tokens) for each in feed.values()):
            raise ValueError("the inputs have different batch sizes")
        with self._turn:
            replay = self._replay(len(tokens))
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

    def _replay(self, batch: int) -> Replay:
        """Return the buffers and calls for a batch size. The least recently used are dropped."""
        rows = batch
        if self._device != "cpu":
            # A graph is captured for one number of rows. With powers of 2, streams that end one
            # by one do not need a new graph each time.
            rows = max(_LEAST_ROWS, 1 << (batch - 1).bit_length())
        replay = self._kept.pop(rows, None)
        if replay is None:
            if len(self._kept) == _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            kind = OneStepReplay if self._file.steps == 1 else ManyStepsReplay
            replay = kind(self._file, self._session, self._device, rows, self._graphs + 1)
            self._graphs += replay.graphs
        self._kept[rows] = replay
        replay.batch = batch
        return replay
