"""The default recipe on texts of unlike kind and size, beside what people train on a CPU.

    python -m benchmarks.texts FOLDER [--minutes 0.5 2 10] [--threads 1] [--hours 1] [--only NAME]
        [--contestants NAME]

FOLDER holds the texts of `benchmarks.text_sources`. The last tenth of each is the future: nobody
sees it before the end. `rnn-train charlm --minutes M` has no other option (but --documents for the
names, and --threads if it is given here). Its minutes are those of the whole command. A score is
nats a character of the future, of its first 100,000 characters at most, read once from start to
end. It costs no minutes.

Each score is kept in results/texts.json when it is there, with its processor and its date. A
further call goes on with those that lack, so a long comparison can be made in parts; delete the
file to measure all again. The minutes of the peers are CPU time, so a busy machine takes nothing
from them; it does from rnn-train. A text that has changed is measured again.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn_infer import CharLM
from rnn_train.files import write_bytes

from .harness import RESULTS, machine
from .text_peers import PEERS, PeerScore

OURS = "ours"
CONTESTANTS = (OURS, *PEERS)
SCORED = 100_000
"""Characters of the future that are scored, at most."""
_DOCUMENTS = ("names",)
"""Texts whose lines are documents."""
_RESULT = RESULTS / "texts.json"
Figures = dict[str, float]


@dataclass(frozen=True)
class Case:
    """A text, cut into what is learnt and what is scored."""

    name: str
    past: str
    future: str
    sha256: str
    documents: bool = False

    @classmethod
    def of(cls, path: Path) -> "Case":
        """Reads a text and cuts it; of documents, between two of them."""
        text = path.read_text("utf-8")
        documents = path.stem in _DOCUMENTS
        at = len(text) - len(text) // 10
        if documents:
            at = text.rindex("\n", 0, at) + 1
        known = set(text[:at])
        future = "".join(char for char in text[at:] if char in known)[:SCORED]
        digest = hashlib.sha256(text.encode()).hexdigest()
        return cls(path.stem, text[:at], future, digest, documents)


def ours(case: Case, minutes: float, threads: int) -> Figures:
    """Trains with the command and scores the file that it exports."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "text.txt").write_text(case.past, "utf-8", newline="\n")
        command = [sys.executable, "-m", "rnn_train", "charlm", "--data", "text.txt"]
        command += ["--minutes", str(minutes), "--out", "model.onnx", "--run", "run"]
        command += ["--documents", "line"] if case.documents else []
        command += ["--threads", str(threads)] if threads != torch.get_num_threads() else []
        began = time.monotonic()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        if done.returncode:
            raise SystemExit(f"{case.name}: rnn-train failed:\n{done.stderr}")
        score = CharLM.load(Path(folder, "model.onnx"), device="cpu").score(case.future)
    if abs(score.characters - len(case.future)) > 1:
        raise SystemExit(f"{case.name}: {score.characters} of {len(case.future)} characters scored")
    return {"nats": score.nats_per_char, "seconds": seconds}


def peer(name: str, case: Case, minutes: float, threads: int, seed: int = 0) -> Figures:
    """Trains and scores a peer in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return asdict(pool.apply(_peer, (name, case.past, case.future, minutes, threads, seed)))


def _peer(name: str, past: str, future: str, minutes: float, threads: int, seed: int) -> PeerScore:
    torch.set_num_threads(threads)
    vocabulary = sorted(set(past))
    text, later = (
        torch.from_numpy(np.searchsorted(vocabulary, list(each))) for each in (past, future)
    )
    return PEERS[name](text, later, len(vocabulary), 60 * minutes, seed)


def measured(name: str, case: Case, minutes: float, threads: int) -> Figures:
    """Trains and scores one contestant. Also returns how much of the processor it had.

    On a busy machine `cpu_share` is far below 1: such a score is no fair one.
    """
    before, began = _children_seconds(), time.monotonic()
    figures = ours(case, minutes, threads) if name == OURS else peer(name, case, minutes, threads)
    wall = time.monotonic() - began
    return figures | {"cpu_share": (_children_seconds() - before) / (threads * wall)}


def _children_seconds() -> float:
    """CPU seconds of the processes that this one has started, and that have ended."""
    found = os.times()
    return found.children_user + found.children_system


class Results:
    """The results file. It is written after each score."""

    def __init__(self, path: Path) -> None:
        """Names the file; it need not exist."""
        self._path = path

    def _cells(self) -> list[dict[str, Any]]:
        """Reads what has been measured: another process may have added some."""
        if not self._path.exists():
            return []
        cells: list[dict[str, Any]] = json.loads(self._path.read_text("utf-8"))["cells"]
        return cells

    def has(self, case: Case, minutes: float, threads: int, name: str) -> bool:
        """Whether a contestant has a score. It has none of an earlier version of the text."""
        facts = _facts(case, minutes, threads)
        return any(
            facts.items() <= cell.items() and name in cell["contestants"] for cell in self._cells()
        )

    def keep(self, case: Case, minutes: float, threads: int, name: str, figures: Figures) -> None:
        """Adds the score of a contestant to its cell. Scores of another version of the text go."""
        facts, here = _facts(case, minutes, threads), machine()
        load = {"load": os.getloadavg()[0]} if hasattr(os, "getloadavg") else {}
        score = {
            **{key: round(value, 4) for key, value in (figures | load).items()},
            "cpu": here.get("cpu", ""),
            "instructions": here.get("instructions", []),
            "date": datetime.now(UTC).date().isoformat(),
        }
        cells = self._cells()
        own = next((cell for cell in cells if facts.items() <= cell.items()), None)
        if own is None:
            own = facts | {"contestants": {}}
            place = ("text", "minutes", "threads")
            cells = [cell for cell in cells if any(cell[key] != facts[key] for key in place)]
            cells.append(own)
        own["contestants"][name] = score
        content = {"command": "python -m benchmarks.texts FOLDER", "machine": here, "cells": cells}
        write_bytes(self._path, (json.dumps(content, indent=1) + "\n").encode())


def _facts(case: Case, minutes: float, threads: int) -> dict[str, Any]:
    """What a cell is of."""
    return {
        "text": case.name,
        "sha256": case.sha256,
        "characters": len(case.past),
        "scored": len(case.future) - 1,
        "minutes": minutes,
        "threads": threads,
    }


def run(
    folder: Path,
    minutes: list[float],
    results: Results,
    *,
    threads: int = 1,
    hours: float = 24.0,
    only: list[str] | None = None,
    contestants: Sequence[str] = CONTESTANTS,
    measure: Callable[[str, Case, float, int], Figures] = measured,
) -> None:
    """Measures the scores that lack, those of the shortest minutes first.

    Args:
        folder: of the texts.
        minutes: of each contestant.
        results: take the scores.
        threads: of each contestant.
        hours: no score is begun after them.
        only: names of texts; None: all.
        contestants: `OURS` and names of `PEERS`.
        measure: trains and scores one contestant.
    """
    paths = {path.stem: path for path in sorted(folder.glob("*.txt"))}
    if not paths:
        raise SystemExit(f"{folder} has no text; make some with python -m benchmarks.text_sources")
    if unknown := sorted(set(only or ()) - set(paths)):
        raise SystemExit(f"{folder} has no {', '.join(unknown)}; it has {', '.join(paths)}")
    began = time.monotonic()
    for each in sorted(minutes):
        for name in only or paths:
            case = Case.of(paths[name])
            for contestant in contestants:
                if results.has(case, each, threads, contestant):
                    continue
                if time.monotonic() - began > 3600 * hours:
                    return
                figures = measure(contestant, case, each, threads)
                print(f"{each:g} min  {name:14}  {contestant:20}  {figures}", flush=True)
                results.keep(case, each, threads, contestant, figures)


def main() -> None:
    """Measures what the result lacks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[0.5, 2, 10])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--hours", type=float, default=24.0, help="begin nothing after these")
    parser.add_argument("--only", nargs="+", help="names of texts")
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=CONTESTANTS)
    parser.add_argument("--out", type=Path, default=_RESULT)
    asked = parser.parse_args()
    run(
        asked.folder,
        asked.minutes,
        Results(asked.out),
        threads=asked.threads,
        hours=asked.hours,
        only=asked.only,
        contestants=asked.contestants,
    )


if __name__ == "__main__":
    main()
