"""Many threads on one model, and very large inputs, against one thread and small pieces.

    python -m benchmarks.stress [--threads N] [--calls N]

Each thread makes calls of every kind, chosen by a seed (the suite's own mix, at greater length);
its answers must be those that the same calls get alone. Then a prompt of 10 MB must leave the state
that its pieces leave, and a model of 20,000 characters must draw and score in its graph what the
numpy rule does. Counts, memory and seconds are written to results/stress.json.
"""

import argparse
import json
import random
import resource
import runpy
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

import rnn_infer
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig

from .harness import RESULTS, machine

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "tests" / "data" / "charlm.onnx"


def threads(lm: rnn_infer.CharLM, count: int, calls: int) -> dict[str, Any]:
    """Number of results that differ from those of one thread, of `count` threads."""
    mixed = runpy.run_path(str(ROOT / "tests" / "infer" / "test_threads.py"))["mixed"]
    started = time.monotonic()
    alone = [mixed(lm, lm.pool(), seed, calls) for seed in range(count)]
    between = time.monotonic()
    sys.setswitchinterval(5e-5)
    pool = lm.pool()
    with ThreadPoolExecutor(count) as executor:
        work: Callable[[int], Any] = lambda seed: mixed(lm, pool, seed, calls)  # noqa: E731
        together = list(executor.map(work, range(count)))
    ended = time.monotonic()
    differing = sum(
        one != other
        for mine, theirs in zip(alone, together, strict=True)
        for one, other in zip(mine, theirs, strict=True)
    )
    return {
        "threads": count,
        "calls": count * calls,
        "answers": sum(map(len, alone)),
        "differing": differing,
        "streams_left_in_the_pool": len(pool),
        "seconds_alone": round(between - started, 1),
        "seconds_together": round(ended - between, 1),
    }


def long_prompt(lm: rnn_infer.CharLM, megabytes: int) -> dict[str, Any]:
    """Reads one prompt at once and in pieces of every size."""
    chance = random.Random(1)
    text = "".join(chance.choices("abcdefghij \n", k=megabytes << 20))
    before = _peak()
    started = time.monotonic()
    whole = lm.session(seed=1)
    whole.feed(text)
    seconds = time.monotonic() - started
    pieces, at = lm.session(seed=1), 0
    while at < len(text):
        size = chance.randrange(1, 200_000)
        pieces.feed(text[at : at + size])
        at += size
    return {
        "megabytes": megabytes,
        "same_as_in_pieces": whole.save() == pieces.save(),
        "characters_per_second": round(len(text) / seconds),
        "memory_grown_megabytes": (_peak() - before) >> 10,
    }


def large_vocabulary(size: int) -> dict[str, Any]:
    """Compares the draws of the graph with numpy's, for a vocabulary of this size."""
    torch.manual_seed(0)
    model = CharLSTM(CharLSTMConfig(vocabulary=size, embedding=8, hidden=16, layers=1)).eval()
    characters = tuple(chr(0x3400 + i) for i in range(size))
    options: list[dict[str, Any]] = [
        {},
        {"top_k": 50},
        {"top_p": 0.9},
        {"temperature": 0.3, "top_p": 0.5, "top_k": 1000},
        {"temperature": 0},
    ]
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / each for each in ("graph.onnx", "step.onnx")]
        card = ModelCard(vocabulary=characters, unknown=None, start=characters[7])
        export(model, card, paths[0])
        export(model, card, paths[1], step_only=True)
        graph, numpy = (rnn_infer.CharLM.load(path, device="cpu") for path in paths)
        texts = [
            [lm.generate(characters[7], length=100, seed=3, **each) for each in options]
            for lm in (graph, numpy)
        ]
        scores = [lm.score(texts[0][0]).nats_per_char for lm in (graph, numpy)]
    return {
        "characters": size,
        "texts": len(options),
        "differing": sum(a != b for a, b in zip(*texts, strict=True)),
        "score_difference": float(np.abs(scores[0] - scores[1])),
    }


def _peak() -> int:
    """Peak memory of this process in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Runs all checks and fails if anything differed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--calls", type=int, default=100, help="A thread.")
    parser.add_argument("--megabytes", type=int, default=10)
    options = parser.parse_args()
    lm = rnn_infer.CharLM.load(MODEL, device="cpu")
    found = {
        "long_prompt": long_prompt(lm, options.megabytes),
        "large_vocabulary": large_vocabulary(20_000),
        "threads": threads(lm, options.threads, options.calls),
    }
    for name, values in found.items():
        print(name, values, flush=True)
    content = {"command": "python -m benchmarks.stress", "machine": machine()} | found
    (RESULTS / "stress.json").write_text(json.dumps(content, indent=1) + "\n")
    good = (
        found["long_prompt"]["same_as_in_pieces"]
        and not found["large_vocabulary"]["differing"]
        and not found["threads"]["differing"]
        and not found["threads"]["streams_left_in_the_pool"]
    )
    sys.exit(not good)


if __name__ == "__main__":
    main()
