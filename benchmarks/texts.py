"""The default recipe on texts of unlike kind and size, beside what people train on a CPU.

    python -m benchmarks.texts FOLDER [--minutes 0.5 2 10] [--hours 1] [--only NAME]

FOLDER holds the texts of `benchmarks.text_sources`. The last tenth of each is the future: nobody
sees it before the end. `rnn-train charlm --minutes M` has no other option (but --documents for the
names); its minutes are those of the whole command. A score is nats a character of the future, read
once from its start to its end.

Cells that results/texts.json has already are not run again, so a long comparison can be made in
parts. The contestants of a cell run after each other in the same minutes.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn_infer import CharLM

from .harness import RESULTS, machine
from .text_peers import PEERS

OURS = "ours"
_RESULT = RESULTS / "texts.json"


def future_of(text: str) -> tuple[str, str]:
    """Cuts the last tenth off. It keeps the characters that the rest has."""
    at = len(text) - len(text) // 10
    past = text[:at]
    known = set(past)
    return past, "".join(char for char in text[at:] if char in known)


def ours(past: str, future: str, minutes: float, documents: bool) -> float:
    """Nats a character of a model that the command trains."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "text.txt").write_text(past, "utf-8", newline="\n")
        command = [sys.executable, "-m", "rnn_train", "charlm", "--data", "text.txt"]
        command += ["--minutes", str(minutes), "--out", "model.onnx", "--run", "run"]
        command += ["--documents", "line"] if documents else []
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return CharLM.load(Path(folder, "model.onnx"), device="cpu").score(future).nats_per_char


def peer(name: str, past: str, future: str, minutes: float) -> float:
    """Nats a character of a peer, which runs in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peer, (name, past, future, minutes))


def _peer(name: str, past: str, future: str, minutes: float) -> float:
    vocabulary = sorted(set(past))
    text, held_out = (
        torch.from_numpy(np.searchsorted(vocabulary, list(each))) for each in (past, future)
    )
    return PEERS[name](text, held_out, len(vocabulary), 60 * minutes)


def cell(path: Path, minutes: float) -> dict[str, Any]:
    """Trains all contestants on a text for the same minutes."""
    past, future = future_of(path.read_text("utf-8"))
    scores = {OURS: ours(past, future, minutes, documents=path.stem == "names")}
    scores |= {name: peer(name, past, future, minutes) for name in PEERS}
    return {
        "text": path.stem,
        "characters": len(past),
        "minutes": minutes,
        "load": round(os.getloadavg()[1], 1),
        "cpu": machine()["cpu"],
        "nats": {name: round(score, 4) for name, score in scores.items()},
    }


def main() -> None:
    """Runs the cells that the result lacks, the shortest first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[0.5, 2, 10])
    parser.add_argument("--hours", type=float, default=24.0, help="begin no cell after these")
    parser.add_argument("--only", nargs="+", help="names of texts")
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    result = json.loads(options.out.read_text("utf-8")) if options.out.exists() else {"cells": []}
    done = {(each["text"], each["minutes"]) for each in result["cells"]}
    began = time.monotonic()
    for minutes in sorted(options.minutes):
        for path in sorted(options.folder.glob("*.txt")):
            if (path.stem, minutes) in done or (options.only and path.stem not in options.only):
                continue
            if time.monotonic() - began > 3600 * options.hours:
                return
            found = cell(path, minutes)
            print(json.dumps(found), flush=True)
            result["cells"].append(found)
            result |= {"command": "python -m benchmarks.texts FOLDER", "machine": machine()}
            options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
