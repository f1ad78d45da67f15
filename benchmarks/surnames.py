"""The classifier on a small table of names beside linear models, on five grouped splits.

    python -m benchmarks.surnames names.csv [--ensemble 2] [--only CONTESTANT] [--split 0]

The distinct names are dealt into five parts by chance. Each split holds one part out, so no name
stands on both sides, and each name is held out once. All contestants learn from the same rows. What
is fitted to held-out rows, a temperature or a prior, is fitted to one half of the held-out names
and applied to the other half. Finished contestants are kept in the results file, and a further call
goes on after them.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.labelled import load_rows
from rnn_train.data.rows import Rows, normal
from rnn_train.evaluation import metrics
from rnn_train.evaluation.answers import Answers
from rnn_train.evaluation.baselines import fit_baselines
from rnn_train.evaluation.classification import held_out_logits
from rnn_train.evaluation.temperature import fit_to_logits
from rnn_train.models.parameters import parameter_count
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training.run import Run

from .ablation import Ablation, Figures
from .classifier_ablation import trained, write
from .harness import RESULTS, machine

RESULT = RESULTS / "surnames.json"
SPLITS = 5
LINEAR = "linear models"
NETWORKS: dict[str, dict[str, Any]] = {
    "default recipe": {},
    "student of {ensemble} networks and the linear models": {"ensemble": True},
}


def main() -> None:
    """Measures all contestants, split by split."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", help="a table of text,label")
    parser.add_argument("--ensemble", type=int, default=2, help="teachers of the student")
    parser.add_argument("--only", action="append", metavar="CONTESTANT", help="its first letters")
    parser.add_argument("--split", type=int, action="append", help="default: all five")
    parser.add_argument("--results", type=Path, default=RESULT)
    asked = parser.parse_args()
    rows = load_rows([asked.data])
    found = Ablation(
        asked.results,
        {
            "command": "python -m benchmarks.surnames names.csv",
            "machine": machine(),
            "rows": len(rows),
            "splits": SPLITS,
        },
    )
    wanted = tuple(asked.only or [""])
    for number in asked.split or range(SPLITS):
        train, held = split(rows, number)
        if LINEAR.startswith(wanted):
            for name, figures in linear(train, held).items():
                found.keep(name, number, figures)
        for pattern, change in NETWORKS.items():
            name = pattern.format(ensemble=asked.ensemble)
            if not name.startswith(wanted) or found.has(name, number):
                continue
            ensemble = asked.ensemble if change.get("ensemble") else 0
            figures = network(train, held, number, ensemble)
            found.keep(name, number, figures)
            print(f"{number}  {name:45} {figures}", flush=True)


def split(rows: Rows, number: int) -> tuple[Rows, Rows]:
    """Returns the training rows and the held-out rows of a split."""
    part = _dealt(rows.texts, SPLITS, seed=0)
    held = part == number
    known = set(rows.take(np.flatnonzero(~held).tolist()).labels)
    held &= np.array([label in known for label in rows.labels])
    train = np.flatnonzero(part != number)
    return rows.take(train.tolist()), rows.take(np.flatnonzero(held).tolist())


def linear(train: Rows, held: Rows) -> dict[str, Figures]:
    """Measures the linear models."""
    alphabet = Alphabet.of(train)
    labels = torch.from_numpy(label_indices(held, alphabet))
    prior = torch.tensor(alphabet.log_prior(train))
    return {
        model.name: measured(model.scores(held.texts).clamp(min=-1e3), labels, prior, held)
        for model in fit_baselines(train, alphabet, 0)
    }


def network(train: Rows, held: Rows, seed: int, ensemble: int) -> Figures:
    """Trains a network and measures it."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        sides = [write(Path(folder) / name, side) for name, side in (("t", train), ("h", held))]
        torch.manual_seed(seed)
        request = ClassifierRequest(
            data=(sides[0],), val_data=sides[1], seed=seed, ensemble=ensemble
        )
        run = Run.create("classifier", Path(folder) / "run")
        task = ClassifierTask.create(run, request, Settings(device="cpu"))
        logits, labels = held_out_logits(trained(run, task), task.data.alphabet, held)
        prior = torch.tensor(task.data.log_prior(task.plan.balance))
        run.close()
    return measured(logits, labels, prior, held) | {
        "parameters": parameter_count(task.model),
        "cpu_seconds": time.process_time() - started,
    }


def measured(scores: Tensor, labels: Tensor, log_prior: Tensor, held: Rows) -> Figures:
    """Computes the figures of one contestant.

    Args:
        scores: logits, or scores that a temperature turns into logits, [rows, labels].
        labels: [rows].
        log_prior: that is left in the scores, [labels].
        held: the held-out rows.
    """
    half = torch.from_numpy(_dealt(held.texts, 2, seed=1) == 0)
    scaled, adjusted = torch.empty_like(scores), torch.empty_like(scores)
    for own, other in ((half, ~half), (~half, half)):
        temperature = fit_to_logits(scores[other], labels[other], (0.05, 20.0)).temperature
        scaled[own] = scores[own] / temperature
        others = Answers.of(scores[other] / temperature, labels[other], log_prior.tolist())
        priors = metrics.by_prior(others)
        best = max(priors, key=lambda prior: priors[prior]["macro_f1"])
        adjusted[own] = scaled[own] - best * log_prior
    return {
        "accuracy": metrics.accuracy(scores, labels),
        "macro_f1": metrics.macro_f1(scores, labels),
        "best_prior_macro_f1": metrics.macro_f1(adjusted, labels),
        "calibration_error": metrics.reliability(Answers.of(scaled, labels)).error,
        "held_out_rows": float(len(labels)),
    }


def _dealt(texts: tuple[str, ...], parts: int, seed: int) -> NDArray[np.int64]:
    """Returns the part of each text, [texts]. Equal texts are in one part."""
    _, name = np.unique([normal(text) for text in texts], return_inverse=True)
    part = np.random.default_rng(seed).permutation(int(name.max()) + 1) % parts
    dealt: NDArray[np.int64] = part[name]
    return dealt


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
