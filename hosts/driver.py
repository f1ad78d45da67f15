"""Runs a model file with any engine, and compares with what the file and onnxruntime give.

Needs numpy alone. An engine's script calls `main(open_model)`, where `open_model(path)` returns a
function that makes one call, of any number of rows: inputs by name → outputs by name. The outputs
must not lie in memory that the next call writes to.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Call = Callable[[dict[str, Any]], dict[str, Any]]
DRAWN, SKIP = -1, -2
PIECE = 24
"""Characters that one call of an ordinary file draws."""
ROUNDS, PATIENCE = 7, 20
"""Rounds of the timing; none begins after so many seconds."""
ROWS = 5
"""Rows of the batch that is compared with one row."""


class Host:
    """One model in one engine. `case` is what `files.py` wrote beside the file."""

    def __init__(self, call: Call, case: dict[str, Any]) -> None:
        self.call, self.case, self.steps = call, case, case["steps"]
        self.sampling = case.get("texts", [{"temperature": 1, "top_k": 0, "top_p": 1}])[0]

    def zeros(self, rows: int) -> dict[str, Any]:
        widths = self.case["states"].items()
        return {name: np.zeros((rows, width), np.float32) for name, width in widths}

    def run(self, tokens: Any, state: dict[str, Any], uniform: Any) -> dict[str, Any]:
        feed = {"tokens": np.ascontiguousarray(tokens), **state}
        if self.case["draws"]:
            rows = len(tokens)
            feed["uniform"] = np.ascontiguousarray(uniform)
            feed["temperature"] = np.full(rows, self.sampling["temperature"], np.float32)
            feed["top_k"] = np.full(rows, self.sampling["top_k"], np.int64)
            feed["top_p"] = np.full(rows, self.sampling["top_p"], np.float32)
        return self.call(feed)

    def after(self, results: dict[str, Any]) -> dict[str, Any]:
        return {name: results[f"{name}_next"] for name in self.case["states"]}

    def read(self, tokens: Any) -> Any:
        """Returns the logits [rows, n] after the last of the tokens, from the zero state."""
        rows, count = tokens.shape
        state, size = self.zeros(rows), self.steps or count
        for begin in range(0, count, size):
            piece = np.full((rows, size), SKIP, np.int64)
            given = min(size, count - begin)
            piece[:, :given] = tokens[:, begin : begin + size]
            # It draws twice: a trap of some engines is a Loop that makes no turn.
            results = self.run(piece, state, np.full((rows, self.steps or 2), 0.5, np.float32))
            state = self.after(results)
        return np.asarray(results["logits"])[:, given - 1]

    def draw(self, prompt: Any, uniform: Any) -> Any:
        """Draws a token for each uniform number, in pieces.

        Args:
            prompt: tokens [rows, time].
            uniform: float32 [rows, length].

        Returns:
            Tokens [rows, length].
        """
        if not self.case["draws"]:
            return self._draw_outside(prompt, uniform)
        if self.steps:
            return self._draw_in_steps(prompt, uniform)
        drawn = []
        state, tokens = self.zeros(len(prompt)), prompt
        for begin in range(0, uniform.shape[1], PIECE):
            results = self.run(tokens, state, uniform[:, begin : begin + PIECE])
            state = self.after(results)
            drawn.append(np.asarray(results["generated"], np.int64))
            tokens = drawn[-1][:, -1:]
        return np.concatenate(drawn, 1)

    def _draw_in_steps(self, prompt: Any, uniform: Any) -> Any:
        """Of a file of fixed steps: −1 stands for the token of the step before."""
        rows, length = uniform.shape
        first = prompt.shape[1] - 1
        calls = -(-(first + length) // self.steps)
        tokens = np.full((rows, calls * self.steps), SKIP, np.int64)
        tokens[:, : first + 1] = prompt
        tokens[:, first + 1 : first + length] = DRAWN
        numbers = np.full(tokens.shape, 0.5, np.float32)
        numbers[:, first : first + length] = uniform
        drawn: list[Any] = []
        state = self.zeros(rows)
        for begin in range(0, tokens.shape[1], self.steps):
            piece = slice(begin, begin + self.steps)
            if begin > first:
                tokens[:, begin] = drawn[-1][:, -1]
            results = self.run(tokens[:, piece], state, numbers[:, piece])
            state = self.after(results)
            drawn.append(np.asarray(results["generated"], np.int64))
        return np.concatenate(drawn, 1)[:, first : first + length]

    def _draw_outside(self, prompt: Any, uniform: Any) -> Any:
        """Of a bare step: the rule of the format in numpy."""
        assert self.steps in (None, 1)
        drawn = []
        state = self.zeros(len(prompt))
        for place in range(prompt.shape[1] - 1):
            state = self.after(self.run(prompt[:, place : place + 1], state, None))
        tokens = prompt[:, -1:]
        for place in range(uniform.shape[1]):
            results = self.run(tokens, state, None)
            state = self.after(results)
            logits = np.asarray(results["logits"])[:, -1]
            tokens = drawn_from(logits, uniform[:, place], self.sampling["temperature"])
            drawn.append(tokens)
        return np.concatenate(drawn, 1)


def drawn_from(logits: Any, uniform: Any, temperature: float) -> Any:
    """Draws a token for each row [rows, 1] by the rule of the format, without top-k and top-p."""
    scale = np.float32(1) / np.float32(temperature)
    sums = np.exp((logits - logits.max(-1, keepdims=True)) * scale).cumsum(-1, dtype=np.float32)
    return (sums <= uniform[:, None] * sums[:, -1:]).sum(-1, keepdims=True)


def measured(host: Host, case: dict[str, Any]) -> dict[str, Any]:
    """Returns the largest difference of a logit, how many characters agree, and seconds."""
    tokens = np.array([case["golden"]["tokens"]], np.int64)
    logits = host.read(tokens)[0]
    found: dict[str, Any] = {"difference": float(np.abs(logits - case["golden"]["logits"]).max())}
    if case["kind"] == "charlm":
        found |= _drawn(host, case)
    # The first row of a batch, beside other rows, and alone.
    others = [np.roll(tokens, each, 1) for each in range(ROWS)]
    try:
        found["batch"] = float(np.abs(host.read(np.concatenate(others))[0] - logits).max())
    except Exception as error:
        found["batch"] = _first_line(error)
    return found


def _drawn(host: Host, case: dict[str, Any]) -> dict[str, Any]:
    """Draws the texts of a case, then times the first of them."""
    prompt = np.array([case["prompt"]], np.int64)
    uniform = np.array([case["uniform"]], np.float32)
    agree, seconds = [], []
    for text in case["texts"] if case["draws"] else case["texts"][:1]:
        host.sampling = text
        same = (host.draw(prompt, uniform)[0] == text["drawn"]).tolist()
        agree.append(same.index(False) if False in same else len(same))
    host.sampling = case["texts"][0]
    begin = time.perf_counter()
    while len(seconds) < ROUNDS and (not seconds or time.perf_counter() < begin + PATIENCE):
        started = time.perf_counter()
        host.draw(prompt[:, -1:], uniform)
        seconds.append((time.perf_counter() - started) / uniform.shape[1])
    return {"same": agree, "of": uniform.shape[1], "seconds": seconds}


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:160]}"


def main(open_model: Callable[[Path], Call]) -> None:
    """Prints the result of the file that the command line names, as one line of JSON."""
    path = Path(sys.argv[1])
    case = json.loads(path.with_suffix(".json").read_text())
    try:
        found = measured(Host(open_model(path), case), case)
    except Exception as error:
        found = {"refused": _first_line(error)}
    print("RESULT " + json.dumps(found))
