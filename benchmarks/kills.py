"""Kills a training run at random moments, resumes it, and compares the results.

    python -m benchmarks.kills --kills 20

Each time a small character model is trained in a process of its own, with a checkpoint every few
steps, and killed with SIGKILL: a little after a step drawn from all steps, or (one time in twelve
each) soon after its folder appears, or while it judges and exports. Then it is resumed to its end
(or begun again, if it died before it had written what was asked of it). It must end like the run
that nobody disturbed: the same weights and the same exported bytes. On the CPU, with one thread.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import rnn_train
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.training import checkpoint
from rnn_train.training.device import pick_precision

from .harness import RESULTS, machine

RESULT = RESULTS / "kills.json"
OPTIONS = (
    *("--epochs", "2", "--validate-every", "0.1", "--device", "cpu", "--threads", "1"),
    *("--batch", "8", "--window", "32", "--hidden", "48", "--embedding", "16"),
    *("--dropout-input", "0.1", "--weight-drop", "0.2"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_text(folder / "text.txt")
        begin(folder, "whole").wait()
        steps = newest_step(folder, "whole")
        moments = random.Random(arguments.seed)
        kills = []
        for number in range(arguments.kills):
            kills.append(kill_once(folder, moments, steps))
            print(f"{number + 1:3} {kills[-1]}", flush=True)
    same = sum(kill["identical"] for kill in kills)
    print(f"{same} of {len(kills)} runs ended bit-identical ({steps} steps each)")
    report = {
        "machine": machine(),
        "precision": str(pick_precision(torch.device("cpu"), CharLMObjective.bfloat16)),
        "options": " ".join(OPTIONS),
        "steps": steps,
        "killed": len(kills),
        "identical": same,
        "kills": kills,
    }
    RESULT.write_text(json.dumps(report, indent=2) + "\n")
    sys.exit(same != len(kills))


def kill_once(folder: Path, moments: random.Random, steps: int) -> dict[str, Any]:
    """Trains one run, kills it at a random moment and resumes it."""
    for left in ("run", "run.onnx"):
        path = folder / left
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
    draw = moments.uniform(-0.1, 1.1)
    step = min(max(1, round(draw * steps)), steps)
    delay = moments.uniform(0, 0.1 if 0 <= draw <= 1 else 1.0)
    process = begin(folder, "run")
    while not (folder / "run").exists():
        time.sleep(0.001)
    started = time.monotonic()
    while draw >= 0 and newest_step(folder, "run") < step and process.poll() is None:
        time.sleep(0.001)
    time.sleep(delay)
    seconds = time.monotonic() - started
    moment = where(folder) if process.poll() is None else "after its end"
    process.kill()
    process.wait()
    if (folder / "run" / "config.json").exists():
        command(folder, "--resume", "run", "--out", "run.onnx").wait()
    else:
        begin(folder, "run").wait()
    return {"seconds": round(seconds, 3), "moment": moment, "identical": identical(folder)}


def begin(folder: Path, name: str) -> "subprocess.Popen[bytes]":
    return command(folder, "--data", "text.txt", *OPTIONS, "--run", name, "--out", f"{name}.onnx")


def command(folder: Path, *options: str) -> "subprocess.Popen[bytes]":
    root = str(Path(rnn_train.__file__).parent.parent)
    return subprocess.Popen(
        [sys.executable, "-m", "rnn_train.cli", "charlm", *options],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def where(folder: Path) -> str:
    """Describes how far the run had come."""
    run = folder / "run"
    if not (run / "config.json").exists():
        return "before its config"
    if not (step := newest_step(folder, "run")):
        return "before its first checkpoint"
    writing = ", in the middle of a write" if list(folder.rglob(".*.part")) else ""
    return f"after the checkpoint of step {step}{writing}"


def newest_step(folder: Path, name: str) -> int:
    paths = (folder / name / "checkpoints").glob("step-*.ckpt")
    return max((int(path.stem.removeprefix("step-")) for path in paths), default=0)


def identical(folder: Path) -> bool:
    """Whether weights and file equal those of the run that was not killed."""
    files = [folder / f"{name}.onnx" for name in ("run", "whole")]
    if not all(path.exists() for path in files) or len({path.read_bytes() for path in files}) > 1:
        return False
    states = [checkpoint.load_latest(folder / n / "checkpoints")[0] for n in ("run", "whole")]
    return all(
        torch.equal(value, states[1][part][name])
        for part in ("model", "average")
        for name, value in states[0][part].items()
    )


def write_text(path: Path) -> None:
    """Invented words, the same in each call."""
    words = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    lexicon = ["".join(words.choices(letters, k=words.randint(2, 9))) for _ in range(200)]
    text = [" ".join(words.choices(lexicon, k=8)) + ".\n" for _ in range(400)]
    path.write_text("".join(text))


if __name__ == "__main__":
    main()
