"""One contestant of `hosts.speed`, in the environment of its engine.

    python hosts/racer.py MODULE FILE.onnx

It opens a model. For each line `ROWS COUNT` that it reads it draws COUNT characters of ROWS streams
and prints `seconds: X`, which one character took. Where a number of rows comes up first, it
compares the logits with `golden`, and draws once without timing; it prints `refused: …` if the
engine does not do it.
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

    def draw(self, prompt: Any, uniform: Any) -> None:
        state, tokens = self.zeros(len(prompt)), prompt.T
        for numbers in uniform.T:
            results = self.call({"tokens": tokens, **state})
            state = {name: results[f"{name}_next"] for name in state}
            logits = np.asarray(results["logits"])[0]
            tokens = np.ascontiguousarray(drawn_from(logits, numbers, TEMPERATURE).T)


def check(host: Host | Plain, golden: dict[str, Any], rows: int) -> None:
    """Raises ValueError: the logits of a row are not those of the file."""
    tokens = np.repeat(np.array([golden["tokens"]], np.int64), rows, 0)
    right = np.array(golden["logits"])
    gap = float(np.abs(host.read(tokens) - right).max() / np.abs(right).max())
    if not gap < 1e-2:
        raise ValueError(f"logits are wrong by {gap:.0%} of the largest")


def main() -> None:
    """Answers each line of standard input."""
    path = Path(sys.argv[2])
    case: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    call = importlib.import_module(sys.argv[1]).open_model(path)
    host = Plain(call, case) if case["plain"] else Host(call, case)
    known = set()
    for line in sys.stdin:
        rows, count = map(int, line.split())
        prompt = np.zeros((rows, 1), np.int64)
        uniform = np.random.default_rng(0).random((rows, count), np.float32)
        try:
            if rows not in known and case["golden"]:
                check(host, case["golden"], rows)
            if rows not in known:
                host.draw(prompt, uniform)
            known.add(rows)
            started = time.perf_counter()
            host.draw(prompt, uniform)
        except Exception as error:
            print(f"refused: {error!r}".splitlines()[0][:200], flush=True)
        else:
            seconds = (time.perf_counter() - started) / (count * rows)
            print(f"seconds: {seconds}", flush=True)


if __name__ == "__main__":
    main()
