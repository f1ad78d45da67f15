"""Kills a process while it writes checkpoints, and checks what is left.

    python -m benchmarks.checkpoint_kills [--kills N]

A child writes one checkpoint after another, as large as a real model's, and reports after each that
it stands. It is killed with SIGKILL at a random moment, which is nearly always in the middle of a
write. Then the newest checkpoint that it spoke of, or a later one, must load whole and hold what
was put into it; otherwise the run is lost. Written to results/checkpoint_kills.json.
"""

import argparse
import json
import multiprocessing
import multiprocessing.connection
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from rnn_train.training import checkpoint

from .harness import RESULTS, machine

NUMBERS = 3_000_000
"""Numbers in a checkpoint: a small model's weights, their average and the optimizer's moments."""


def write_for_ever(folder: Path, pipe: "multiprocessing.connection.Connection[int, int]") -> None:
    """The child process: it writes checkpoint after checkpoint."""
    step = 0
    while True:
        step += 1
        checkpoint.save(folder, step, state(step))
        pipe.send(step)


def state(step: int) -> dict[str, Any]:
    """Content of the checkpoint of a step."""
    return {"step": step, "weights": torch.full((NUMBERS,), float(step))}


def kill_once(folder: Path, chance: random.Random) -> dict[str, Any]:
    """Runs one child, which is killed within a few writes of its first."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(
        target=write_for_ever, args=(folder, theirs)
    )
    child.start()
    said = ours.recv()  # it writes by now
    time.sleep(chance.uniform(0, 0.3))
    child.kill()
    child.join()
    while ours.poll():
        said = ours.recv()
    in_write = bool([*folder.glob("*.part"), *folder.glob(".*.part")])
    try:
        found, warnings = checkpoint.load_latest(folder)
        whole = found["step"] >= said and bool((found["weights"] == found["step"]).all())
    except Exception as error:
        whole, warnings = False, [str(error)]
    return {"spoken_of": said, "in_a_write": in_write, "kept": whole, "warnings": warnings}


def main() -> None:
    """Kills children, counts the results, and fails if a run was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, kills = random.Random(options.seed), []
    torch.set_num_threads(1)  # a forked child has no others
    for _ in range(options.kills):
        with tempfile.TemporaryDirectory() as name:
            kills.append(kill_once(Path(name), chance))
    lost = sum(not each["kept"] for each in kills)
    content = {
        "command": "python -m benchmarks.checkpoint_kills",
        "machine": machine(),
        "megabytes": NUMBERS * 4 / 1e6,
        "kills": len(kills),
        "in_a_write": sum(each["in_a_write"] for each in kills),
        "lost": lost,
        "warnings": [warning for each in kills for warning in each["warnings"]],
    }
    print({key: content[key] for key in ("kills", "in_a_write", "lost")})
    (RESULTS / "checkpoint_kills.json").write_text(json.dumps(content, indent=1) + "\n")
    sys.exit(lost > 0)


if __name__ == "__main__":
    main()
