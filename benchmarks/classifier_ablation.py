"""What each part of the classifier's recipe is worth: the recipe, and each part changed alone.

    python -m benchmarks.classifier_ablation names.csv

Rows are split at random, as in the published split of the surnames: repeats and contradictions
stand on both sides, and the linear models are fitted to the same rows. Figures are means over the
seeds, each with a split of its own. Finished variants are kept in the results file, and a further
call goes on after them.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.labelled import load_rows
from rnn_train.data.rows import Rows
from rnn_train.evaluation import metrics
from rnn_train.evaluation.baselines import fit_baselines
from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.models.parameters import parameter_count
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training.loop import Trainer
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

from .ablation import Ablation
from .harness import RESULTS, machine

RESULT = RESULTS / "classifier_ablation.json"
MODEL: dict[str, Any] = {"hidden": 64, "embedding": 32, "dropout": 0.4}
"""The default size of an ensemble's student; without teachers the default is twice as wide."""
BALANCE = 0.1
VARIANTS: dict[str, dict[str, Any]] = {
    "recipe": {},
    # All defaults.
    "taught by 4 networks and the linear models": {"ensemble": 4},
    "without the evidence": {"model": {"evidence": 1}},
    "without n-grams": {"model": {"ngrams": 1, "evidence": 1}},
    "no n-grams, width 256": {"model": {"ngrams": 1, "evidence": 1, "hidden": 256}},
    "twice as wide": {"model": {"hidden": 128, "embedding": 64}},
    "GRU, width 48": {"model": {"cell": "gru", "hidden": 48}},
    "minGRU, 2 layers": {"model": {"cell": "mingru", "layers": 2}},
    "without balance": {"balance": 0.0},
    "without pooling": {"model": {"pool": False}},
    "without dropout": {"model": {"dropout": 0.0}},
    "without character dropout": {"character_dropout": 0.0},
    "without the average of weights": {"training": {"average": 0.0}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", help="a table of text,label")
    parser.add_argument("--seed", type=int, action="append", help="default: 0 and 1")
    parser.add_argument("--held-out", type=float, default=1 / 3, help="share of the rows")
    parser.add_argument("--only", action="append", metavar="VARIANT")
    parser.add_argument("--results", type=Path, default=RESULT)
    asked = parser.parse_args()
    rows = load_rows([asked.data])
    facts = {
        "command": "python -m benchmarks.classifier_ablation names.csv",
        "machine": machine(),
        "rows": len(rows),
        "held_out": round(asked.held_out, 4),
    }
    found = Ablation(asked.results, facts)
    for seed in asked.seed or (0, 1):
        train, held = split(rows, asked.held_out, seed)
        for name, figures in linear(train, held, seed).items():
            found.keep(name, seed, figures)
        for name in asked.only or VARIANTS:
            if not found.has(name, seed):
                figures = measure(train, held, VARIANTS[name], seed)
                found.keep(name, seed, figures)
                print(f"{seed}  {name:45} {figures}", flush=True)


def split(rows: Rows, share: float, seed: int) -> tuple[Rows, Rows]:
    """Training and held-out rows, split without looking at their texts."""
    order = np.random.default_rng(1000 + seed).permutation(len(rows)).tolist()
    count = round(len(rows) * share)
    known = set(rows.take(order[count:]).labels)
    held = [i for i in order[:count] if rows.labels[i] in known]
    return rows.take(sorted(order[count:])), rows.take(sorted(held))


def linear(train: Rows, held: Rows, seed: int) -> dict[str, dict[str, float]]:
    """Measures the linear models."""
    alphabet = Alphabet.of(train)
    labels = torch.from_numpy(label_indices(held, alphabet))
    figures = {}
    for model in fit_baselines(train, alphabet, seed):
        scores = model.scores(held.texts)
        figures[model.name] = {
            "accuracy": metrics.accuracy(scores, labels),
            "macro_f1": metrics.macro_f1(scores, labels),
        }
    return figures


def trained(run: Run, task: ClassifierTask) -> RecurrentClassifier:
    """Trains the network of a new run, its teachers first, for the epochs of its plan."""
    device = torch.device("cpu")
    task.prepare(device, print)
    steps = round(run.config()["epochs"] * task.steps_per_epoch)
    schedule = Schedule(task.plan.training.learning_rate, steps=steps, minutes=None)
    outcome = Trainer(run, task.objective(device), schedule, task.plan.training, device).fit()
    if not outcome.finished:
        raise KeyboardInterrupt  # half a run is no figure
    assert isinstance(outcome.model, RecurrentClassifier)
    return outcome.model


def measure(train: Rows, held: Rows, change: dict[str, Any], seed: int) -> dict[str, float]:
    """Trains one variant and measures it."""
    started = time.process_time()
    taught = "ensemble" in change
    with tempfile.TemporaryDirectory() as folder:
        sides = [write(Path(folder) / name, side) for name, side in (("t", train), ("h", held))]
        torch.manual_seed(seed)
        request = ClassifierRequest(
            data=(sides[0],),
            val_data=sides[1],
            seed=seed,
            ensemble=change.get("ensemble", 0),
            balance=None if taught else change.get("balance", BALANCE),
            model={} if taught else MODEL | change.get("model", {}),
            training=change.get("training", {}),
        )
        run = Run.create("classifier", Path(folder) / "run")
        task = ClassifierTask.create(run, request, Settings(device="cpu"))
        if "character_dropout" in change:
            run.write_config(run.config() | {"character_dropout": change["character_dropout"]})
            task = ClassifierTask(run)
        result = task.measure(trained(run, task))
        run.close()
    return result.metrics | {
        "temperature": result.temperature,
        "parameters": parameter_count(task.model),
        "cpu_seconds": time.process_time() - started,
    }


def write(path: Path, rows: Rows) -> str:
    path = path.with_suffix(".jsonl")
    lines = [json.dumps(dict(zip(("text", "label"), row, strict=True))) for row in _pairs(rows)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def _pairs(rows: Rows) -> list[tuple[str, str]]:
    return list(zip(rows.texts, rows.labels, strict=True))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
