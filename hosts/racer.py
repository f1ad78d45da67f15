"""One contestant of `hosts.speed`, in the environment of its engine.

    python hosts/racer.py MODULE FILE.onnx

It opens a model. For each line `ROWS COUNT` that it reads it draws COUNT characters of ROWS streams
and prints a line `ANSWER` with JSON: the seconds that one character took, the tokens, and how far
the logits are from `golden`. Where a number of rows comes up first, it compares the logits, and
draws once without timing; the answer is `refused` if the engine does not do it.
"""

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from driver import Call, Host, drawn_from

TEMPERATURE = 0.8
TOLERANCE = {"float32": 1e-3, "int8": 0.1}
"""Largest difference of a logit, as a share of the largest logit. In int8 a number of the state on
the border of two steps is rounded the other way where an engine adds in another order; the logits
of an untrained network are so small that this is a few hundredths of them."""


class Plain:
    """A plain graph (Gather, LSTM, MatMul): one call a character, drawn in numpy."""

    def __init__(self, call: Call, case: dict[str, Any]) -> None:
        self.call, self.width = call, case["width"]
        self.names = [f"{kind}{i}" for i in range(case["layers"]) for kind in "hc"]

    def zeros(self, rows: int) -> dict[str, Any]:
        return {name: np.zeros((1, rows, self.width), np.float32) for name in self.names}

    def read(self, tokens: Any) -> Any:
        state = self.zeros(len(tokens))
        for column in tokens.T:
            results = self.call({"tokens": column[None], **state})
            state = {name: results[f"{name}_next"] for name in state}
        return np.asarray(results["logits"])[0]

    def draw(self, prompt: Any, uniform: Any) -> Any:
        state, tokens, drawn = self.zeros(len(prompt)), prompt.T, []
        for numbers in uniform.T:
            results = self.call({"tokens": tokens, **state})
            state = {name: results[f"{name}_next"] for name in state}
            logits = np.asarray(results["logits"])[0]
            drawn.append(drawn_from(logits, numbers, TEMPERATURE))
            tokens = np.ascontiguousarray(drawn[-1].T)
        return np.concatenate(drawn, 1)


def gap_of(host: Host | Plain, case: dict[str, Any], rows: int) -> float | None:
    """Returns the largest difference of a logit from `golden`, as a share of the largest logit.

    None: an empty graph has no `golden`.

    Raises:
        ValueError: it is too large.
    """
    if not case["golden"]:
        return None
    tokens = np.repeat(np.array([case["golden"]["tokens"]], np.int64), rows, 0)
    right = np.array(case["golden"]["logits"])
    gap = float(np.abs(host.read(tokens) - right).max() / np.abs(right).max())
    if not gap < TOLERANCE[case["weights"]]:
        raise ValueError(f"wrong, by {gap:.0%}")
    return gap


def main() -> None:
    """Answers each line of standard input."""
    path = Path(sys.argv[2])
    case: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    call = importlib.import_module(sys.argv[1]).open_model(path)
    host = Plain(call, case) if case["plain"] else Host(call, case)
    gaps: dict[int, float | None] = {}
    for line in sys.stdin:
        rows, count = map(int, line.split())
        prompt = np.zeros((rows, 1), np.int64)
        uniform = np.random.default_rng(0).random((rows, count), np.float32)
        answer: dict[str, Any]
        try:
            if rows not in gaps:
                gaps[rows] = gap_of(host, case, rows)
                host.draw(prompt, uniform)
            started = time.perf_counter()
            drawn = host.draw(prompt, uniform)
            seconds = (time.perf_counter() - started) / (count * rows)
            answer = {"seconds": seconds, "drawn": drawn.tolist(), "gap": gaps[rows]}
        except Exception as error:
            answer = {"refused": (str(error).strip().splitlines() or [repr(error)])[0][:200]}
        print("ANSWER " + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
