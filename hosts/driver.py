"""Runs a model file with any engine, and compares with what the file and onnxruntime give.

Needs numpy alone. An engine's script calls `main(open_model)`, where `open_model(path)` returns a
function that makes one call: inputs by name → outputs by name.
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
ROUNDS = 7


class Host:
    """One model in one engine. `case` is what `files.py` wrote beside the file."""

    def __init__(self, call: Call, case: dict[str, Any]) -> None:
        self.call, self.case, self.steps = call, case, case["steps"]
        self.sampling = case.get("texts", [{"temperature": 1, "top_k": 0, "top_p": 1}])[0]

    def zeros(self) -> dict[str, Any]:
        widths = self.case["states"].items()
        return {name: np.zeros((1, width), np.float32) for name, width in widths}

    def run(self, tokens: list[int], state: dict[str, Any], uniform: list[float]) -> dict[str, Any]:
        feed = {"tokens": np.array([tokens], np.int64), **state}
        if self.case["draws"]:
            feed["uniform"] = np.array([uniform], np.float32).reshape(1, -1)
            feed["temperature"] = np.array([self.sampling["temperature"]], np.float32)
            feed["top_k"] = np.array([self.sampling["top_k"]], np.int64)
            feed["top_p"] = np.array([self.sampling["top_p"]], np.float32)
        return self.call(feed)

    def after(self, results: dict[str, Any]) -> dict[str, Any]:
        return {name: np.array(results[f"{name}_next"]) for name in self.case["states"]}

    def read(self, tokens: list[int]) -> Any:
        """Returns the logits after the last token, from the zero state."""
        state, size = self.zeros(), self.steps or len(tokens)
        for begin in range(0, len(tokens), size):
            piece = tokens[begin : begin + size]
            padded = piece + [SKIP] * (size - len(piece))
            # It draws twice: a trap of some engines is a Loop that makes no turn.
            results = self.run(padded, state, [0.5] * (self.steps or 2))
            state = self.after(results)
        return np.array(results["logits"])[0, len(piece) - 1]

    def draw(self, prompt: list[int], uniform: list[float]) -> list[int]:
        """Draws a token for each uniform, in pieces."""
        if not self.case["draws"]:
            return self._draw_outside(prompt, uniform)
        if self.steps:
            return self._draw_in_steps(prompt, uniform)
        drawn: list[int] = []
        state, tokens = self.zeros(), prompt
        for begin in range(0, len(uniform), PIECE):
            results = self.run(tokens, state, uniform[begin : begin + PIECE])
            state = self.after(results)
            drawn += [int(each) for each in np.array(results["generated"])[0]]
            tokens = drawn[-1:]
        return drawn

    def _draw_in_steps(self, prompt: list[int], uniform: list[float]) -> list[int]:
        """Of a file of fixed steps: −1 stands for the token of the step before."""
        drawn: list[int] = []
        state, first = self.zeros(), len(prompt) - 1
        total = first + len(uniform)
        for begin in range(0, total, self.steps):
            tokens, numbers = [], []
            for place in range(begin, begin + self.steps):
                given = prompt[place] if place <= first else DRAWN
                if place == begin and place > first:
                    given = drawn[-1]
                tokens.append(given if place < total else SKIP)
                numbers.append(uniform[place - first] if first <= place < total else 0.5)
            results = self.run(tokens, state, numbers)
            state = self.after(results)
            found = np.array(results["generated"])[0]
            drawn += [
                int(found[place - begin])
                for place in range(max(begin, first), min(begin + self.steps, total))
            ]
        return drawn

    def _draw_outside(self, prompt: list[int], uniform: list[float]) -> list[int]:
        """Of a bare step: the rule of the format in numpy."""
        drawn: list[int] = []
        state, size = self.zeros(), self.steps or 1
        assert size == 1
        for token in prompt[:-1]:
            state = self.after(self.run([token], state, []))
        token = prompt[-1]
        for number in uniform:
            results = self.run([token], state, [])
            state = self.after(results)
            logits = np.array(results["logits"])[0, -1]
            scale = np.float32(1) / np.float32(self.sampling["temperature"])
            sums = np.exp((logits - logits.max()) * scale).cumsum(dtype=np.float32)
            token = int((sums <= np.float32(number) * sums[-1]).sum())
            drawn.append(token)
        return drawn


def measured(host: Host, case: dict[str, Any]) -> dict[str, Any]:
    """Returns the largest difference of a logit, how many characters agree, and seconds."""
    golden = case["golden"]
    logits = host.read(golden["tokens"])
    found: dict[str, Any] = {"difference": float(np.abs(logits - golden["logits"]).max())}
    if case["kind"] != "charlm":
        return found
    found["same"], found["of"], found["seconds"] = [], len(case["uniform"]), []
    for text in case["texts"] if case["draws"] else case["texts"][:1]:
        host.sampling = text
        drawn = host.draw(case["prompt"], case["uniform"])
        same = [one == other for one, other in zip(drawn, text["drawn"], strict=True)]
        found["same"].append(same.index(False) if False in same else len(same))
    host.sampling = case["texts"][0]
    for _ in range(ROUNDS):
        started = time.perf_counter()
        host.draw(case["prompt"][-1:], case["uniform"])
        found["seconds"].append((time.perf_counter() - started) / len(case["uniform"]))
    return found


def main(open_model: Callable[[Path], Call]) -> None:
    """Prints the result of the file that the command line names, as one line of JSON."""
    path = Path(sys.argv[1])
    case = json.loads(path.with_suffix(".json").read_text())
    try:
        found = measured(Host(open_model(path), case), case)
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        found = {"refused": f"{type(error).__name__}: {lines[0][:160]}"}
    print("RESULT " + json.dumps(found))
