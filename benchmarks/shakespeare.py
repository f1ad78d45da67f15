"""From a text to the figure of a character model under each protocol, with its spread over seeds.

    python -m benchmarks.shakespeare input.txt --minutes 60 --seeds 0 1 2 [--dynamic] [--peer]
    python -m benchmarks.shakespeare input.txt --models exported/charlm.onnx runs/charlm-1
    python -m benchmarks.shakespeare last-tenth.txt --held-out 1 --models exported/charlm.onnx

The text is yours, tiny Shakespeare for example; it is not part of this project. The last tenth
(`--held-out`) is cut off as nanoGPT does it: the first int(0.9 n) of n characters are learnt. The
default recipe learns them once with each seed, and `rnn_train.evaluate` scores the rest under the
protocols `windows` and `stateful`, and `dynamic` if it is asked for. With --models nothing is
trained: these files and run folders are scored. With --peer a plain `nn.LSTM` (see
`benchmarks.text_peers`) learns the same characters in the same minutes, once with each seed.

Runs stay in `--runs`. The same command goes on with a run that was interrupted, and scores a
finished one again. Written to results/shakespeare.json: hash of the text, command, hours of
training, machine.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import rnn_train
from rnn_infer import CharLM, RnnInferError
from rnn_train.errors import RnnTrainError
from rnn_train.evaluation.figures import CharLMFigures
from rnn_train.files import sha256, write_bytes
from rnn_train.training import checkpoint

from .harness import RESULTS, machine
from .text_peers import PLAIN
from .texts import Case, peer

Row = dict[str, Any]
"""Name of a model, facts about it, and `nats_per_char` by protocol."""


@dataclass(frozen=True)
class Split:
    """A text, cut into what may be learnt and what is scored."""

    past: str
    future: str
    facts: dict[str, Any]

    @classmethod
    def of(cls, path: Path, held_out: float) -> "Split":
        """Reads and cuts a text.

        Args:
            path: of the text, UTF-8.
            held_out: share of it that is scored, above 0, up to 1.
        """
        if not 0 < held_out <= 1:
            raise SystemExit(f"--held-out must be above 0 and at most 1, got {held_out:g}")
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SystemExit(f"{path} is no UTF-8 text that can be read: {error}") from error
        at = int(len(text) * (1 - held_out))
        facts = {"sha256": sha256(path), "characters": len(text), "held_out": len(text) - at}
        return cls(text[:at], text[at:], facts)


@dataclass(frozen=True)
class Budget:
    """How long each seed is trained, and where its run stays."""

    runs: Path
    minutes: float | None
    epochs: float | None
    threads: int | None = None

    def folder(self, seed: int) -> Path:
        """The run folder of a seed. Another budget has another one."""
        length = f"{self.epochs:g}-epochs" if self.epochs else f"{self.minutes:g}-minutes"
        return self.runs / f"{length}-seed-{seed}"


def trained(split: Split, seeds: list[int], budget: Budget, dynamic: bool) -> Iterator[Row]:
    """Trains the default recipe with each seed, or goes on with its run, and scores it."""
    budget.runs.mkdir(parents=True, exist_ok=True)
    past, future = (budget.runs / name for name in ("past.txt", "future.txt"))
    for path, text in ((past, split.past), (future, split.future)):
        write_bytes(path, text.encode())
    for seed in seeds:
        folder = budget.folder(seed)
        out = folder / "model.onnx"
        if (folder / "config.json").exists():
            report = rnn_train.resume(folder, out=out, threads=budget.threads)
        else:
            request = rnn_train.CharLMRequest(
                data=(str(past),), minutes=budget.minutes, epochs=budget.epochs, seed=seed
            )
            report = rnn_train.train_charlm(request, out=out, run=folder, threads=budget.threads)
        if not report.finished:
            raise KeyboardInterrupt
        state, _ = checkpoint.load_latest(folder / "checkpoints")
        hours = float(f"{float(state['elapsed']) / 3600:.3g}")
        facts = {"name": f"seed {seed}", "hours": hours, "parameters": _parameters(out)}
        yield facts | _scored(folder, future, dynamic)


def peers(split: Split, seeds: list[int], budget: Budget) -> Iterator[Row]:
    """Trains the peer with each seed. Its scores stay in the folder of the runs."""
    assert budget.minutes is not None
    known = set(split.past)
    future = "".join(char for char in split.future if char in known)
    case = Case(PLAIN, split.past, future, split.facts["sha256"])
    for seed in seeds:
        kept = budget.runs / f"{budget.folder(seed).name}.peer.json"
        if not kept.exists():
            threads = budget.threads or torch.get_num_threads()
            figures = peer(PLAIN, case, budget.minutes, threads, seed)
            write_bytes(kept, json.dumps(figures).encode())
        nats = {"stateful": round(json.loads(kept.read_text())["nats"], 4)}
        yield {
            "name": f"{PLAIN}, seed {seed}",
            "characters": len(future) - 1,
            "nats_per_char": nats,
        }


def given(split: Split, models: list[Path], dynamic: bool) -> Iterator[Row]:
    """Scores files and run folders."""
    with tempfile.TemporaryDirectory() as folder:
        future = Path(folder) / "future.txt"
        write_bytes(future, split.future.encode())
        for model in models:
            facts: Row = {"name": model.name}
            if model.is_file():
                facts["sha256"] = sha256(model)
                facts["parameters"] = _parameters(model)
            yield facts | _scored(model, future, dynamic and model.is_dir())


def _parameters(model: Path) -> Any:
    """Number of weights, by a file's metadata; it refuses a classifier."""
    return CharLM.load(model, device="cpu").metadata.training.get("parameters")


def _scored(target: Path, future: Path, dynamic: bool) -> Row:
    figures = rnn_train.evaluate(target, [str(future)], dynamic=dynamic)
    if not isinstance(figures, CharLMFigures):
        raise SystemExit(f"{target}: a classifier; name a character model")
    losses = {name: round(nats, 4) for name, nats in figures.nats_per_char.items()}
    return {"characters": figures.characters, "nats_per_char": losses}


def spread(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Returns mean, least, most and standard deviation of each protocol that all rows have."""
    found = {}
    for name in rows[0]["nats_per_char"]:
        nats = [row["nats_per_char"].get(name) for row in rows]
        if None not in nats:
            found[name] = {
                "mean": round(statistics.fmean(nats), 4),
                "least": min(nats),
                "most": max(nats),
                "deviation": round(statistics.stdev(nats), 4) if len(nats) > 1 else 0.0,
            }
    return found


def shown(row: Row) -> str:
    """Renders a row as a line."""
    losses = [f"{name} {nats:.4f}" for name, nats in row["nats_per_char"].items()]
    hours = [f"{row['hours']:.2f} hours"] if "hours" in row else []
    return ", ".join([f"{row['name']}: {losses[0]}", *losses[1:], *hours])


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Scores what is asked for, and writes the result after each model."""
    split = Split.of(asked.data, asked.held_out)
    if asked.models:
        rows_of = given(split, asked.models, asked.dynamic)
    else:
        rows_of = trained(split, asked.seeds, _budget(asked), asked.dynamic)
    content: dict[str, Any] = {
        "command": _command(asked),
        "machine": machine(),
        "threads": asked.threads or torch.get_num_threads(),
        "data": split.facts,
    }
    _collect(content, "", rows_of, asked.out)
    if asked.peer:
        _collect(content, "peer_", peers(split, asked.seeds, _budget(asked)), asked.out)
    return content


def _budget(asked: argparse.Namespace) -> Budget:
    return Budget(asked.runs, asked.minutes, asked.epochs, asked.threads)


def _collect(content: dict[str, Any], prefix: str, rows_of: Iterator[Row], out: Path) -> None:
    """Adds rows and their spread to the content, and writes it after each row."""
    rows: list[Row] = []
    for row in rows_of:
        rows.append(row)
        print(shown(row), flush=True)
        content |= {f"{prefix}runs": rows, f"{prefix}spread": spread(rows)}
        write_bytes(out, (json.dumps(content, indent=1) + "\n").encode())


def _command(asked: argparse.Namespace) -> str:
    """The command without the folders of this machine."""
    words = ["python -m benchmarks.shakespeare", asked.data.name]
    if asked.held_out != 0.1:
        words.append(f"--held-out {asked.held_out:g}")
    if asked.models:
        words += ["--models", *(model.name for model in asked.models)]
    else:
        words.append(f"--epochs {asked.epochs:g}" if asked.epochs else "")
        words.append(f"--minutes {asked.minutes:g}" if asked.minutes else "")
        words += ["--seeds", *map(str, asked.seeds)]
    words += ["--dynamic" if asked.dynamic else "", "--peer" if asked.peer else ""]
    return " ".join(filter(None, words))


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    found.add_argument(
        "data", type=Path, help="a text; tiny Shakespeare is not part of the project"
    )
    found.add_argument("--held-out", type=float, default=0.1, help="share that is scored (0.1)")
    budget = found.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="of each seed")
    budget.add_argument("--epochs", type=float, help="of each seed")
    budget.add_argument("--models", type=Path, nargs="+", help="score these; train nothing")
    found.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    found.add_argument("--dynamic", action="store_true", help="also dynamic evaluation of the runs")
    found.add_argument("--peer", action="store_true", help="also train a plain nn.LSTM (--minutes)")
    found.add_argument("--threads", type=int)
    found.add_argument("--runs", type=Path, default=Path("runs/shakespeare"))
    found.add_argument("--out", type=Path, default=RESULTS / "shakespeare.json")
    return found


def main() -> None:
    """Measures, and prints mean and spread."""
    found = parser()
    asked = found.parse_args()
    if not (asked.models or asked.minutes or asked.epochs):
        found.error("give --minutes, --epochs or --models")
    if asked.peer and not asked.minutes:
        found.error("--peer needs --minutes")
    try:
        content = measure(asked)
    except (RnnTrainError, RnnInferError) as error:
        raise SystemExit(f"error: {error}") from error
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        raise SystemExit(130) from None
    for whose, prefix in (("", ""), (f"{PLAIN}, ", "peer_")):
        if len(content.get(f"{prefix}runs", ())) > 1:
            for name, each in content[f"{prefix}spread"].items():
                print(
                    f"{whose}{name}: mean {each['mean']:.4f}, {each['least']:.4f} to "
                    f"{each['most']:.4f}, standard deviation {each['deviation']:.4f}"
                )


if __name__ == "__main__":
    main()
