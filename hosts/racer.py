"""One contestant of `hosts.speed`, in the environment of its engine.

It opens a model, then draws 96 characters at each line that it reads, and prints the seconds a
character.
"""

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from driver import Call, Host

COUNT = 96


class Plain:
    """A plain graph (Gather, LSTM, Gemm): one call a character, drawn in numpy."""

    def __init__(self, call: Call, layers: int, width: int) -> None:
        self.call = call
        names = [f"{kind}{i}" for i in range(layers) for kind in "hc"]
        self.state = {name: np.zeros((1, 1, width), np.float32) for name in names}
        self.random, self.tokens = np.random.default_rng(0), np.zeros((1, 1), np.int64)

    def draw(self) -> None:
        for number in self.random.random(COUNT, np.float32):
            results = self.call({"tokens": self.tokens, **self.state})
            self.state = {name: np.array(results[f"{name}_next"]) for name in self.state}
            logits = np.array(results["logits"])[0, 0]
            sums = np.exp((logits - logits.max()) / np.float32(0.8)).cumsum()
            self.tokens = np.array([[(sums <= number * sums[-1]).sum()]])


def main() -> None:
    """Answers each line of standard input."""
    path = Path(sys.argv[2])
    case: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    call = importlib.import_module(sys.argv[1]).open_model(path)
    if case["plain"]:
        draw = Plain(call, case["layers"], case["width"]).draw
    else:
        host = Host(call, case)
        uniform = np.random.default_rng(0).random(COUNT, np.float32).tolist()

        def draw() -> None:
            host.draw([0], uniform)

    draw()
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        draw()
        print((time.perf_counter() - started) / COUNT, flush=True)


if __name__ == "__main__":
    main()
