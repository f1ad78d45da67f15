"""Memory, file handles and threads over many steps, sessions and streams.

    python -m benchmarks.soak [--steps N] [--sessions N]

Each kind of work is done once to warm up, then many times. What has grown since is shown, and
written to results/soak.json.
"""

import argparse
import gc
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import rnn_infer

from .harness import RESULTS, machine

MODEL = Path(__file__).parents[1] / "tests" / "data" / "charlm.onnx"


def steps(lm: rnn_infer.CharLM, count: int) -> None:
    """One session draws one character a call."""
    session = lm.session(seed=1)
    for _ in range(count):
        session.generate(1)


def sessions(lm: rnn_infer.CharLM, count: int) -> None:
    """Sessions are opened, fed, forked, saved, restored and dropped."""
    for i in range(count):
        session = lm.session(seed=i)
        session.feed("the")
        lm.session(restore=session.fork().save()).generate(2)


def streams(lm: rnn_infer.CharLM, count: int) -> None:
    """Streams join and leave one pool from eight threads."""
    pool = lm.pool()

    def work(index: int) -> None:
        with pool.open("a", seed=index) as stream:
            stream.draw(5)

    with ThreadPoolExecutor(8) as threads:
        for begin in range(0, count, 1000):
            list(threads.map(work, range(begin, min(begin + 1000, count))))


def usage() -> dict[str, int]:
    """Memory, handles and threads of this process now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "handles": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
    }


def main() -> None:
    """Runs all kinds of work and reports what grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=100_000)
    options = parser.parse_args()
    lm = rnn_infer.CharLM.load(MODEL, device="cpu")
    schedule: dict[str, tuple[Callable[[rnn_infer.CharLM, int], None], int]] = {
        "steps": (steps, options.steps),
        "sessions": (sessions, options.sessions),
        "streams": (streams, options.sessions // 5),
    }
    found: dict[str, Any] = {}
    for name, (work, count) in schedule.items():
        work(lm, max(2000, count // 20))
        before = usage()
        work(lm, count)
        after = usage()
        found[name] = {"count": count} | {key: after[key] - before[key] for key in after}
        print(name, found[name], flush=True)
    content = {"command": "python -m benchmarks.soak", "machine": machine(), "growth": found}
    (RESULTS / "soak.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
