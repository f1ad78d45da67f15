"""Calibration of classifiers: the fitted temperature before and after, and prediction sets.

    python -m benchmarks.calibration

Each set is split by chance into training, held-out and test rows. A network is trained on the
first by the recipe of the `classifier` command, and the temperature is fitted to the second, by the
bare search for the least loss (Guo et al., 2017) and by `rnn_train.evaluation.temperature`. The
test rows measure the calibration error (ECE: 15 bins of equal width, by the probability of the
predicted label), the nats a text, and how many answers `--min-probability 0.9` refuses, of the test
rows and of foreign texts: digits and names of another alphabet, on which no label is right.

Prediction sets for a coverage of 0.9: least ambiguous sets (LAC: Sadinle et al., 2019) beside
adaptive sets (APS: Romano et al., 2020, without the random part).
"""

import argparse
import itertools
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnn_infer.conformal.threshold import held_out_scores, set_sizes, threshold
from rnn_train.data.labelled import load_rows
from rnn_train.data.rows import Rows
from rnn_train.evaluation.answers import Answers
from rnn_train.evaluation.classification import held_out_logits, logits_of
from rnn_train.evaluation.metrics import reliability
from rnn_train.evaluation.temperature import fit_to_logits
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training.loop import Trainer
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

from .harness import write

COVERAGE = 0.9
LEAST = 0.9
FOREIGN = ("12345", "2024-11-28", "000", "Иванов", "山田太郎", "Παπαδόπουλος", "99 €", "???")
SETS = ("surnames", "a fifth of them", "easy: two endings", "easy, 4 held-out rows")
Figures = dict[str, float]


def main() -> None:
    """Measures all sets with several seeds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=8.0)
    asked = parser.parse_args()
    sets: dict[str, Any] = {}
    for name in SETS:
        runs = [measure(name, seed, asked.epochs) for seed in range(asked.seeds)]
        mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
        sets[name] = {"runs": runs, "mean": mean}
        print(name, {key: round(value, 3) for key, value in mean.items()}, flush=True)
    facts = {"asked_coverage": COVERAGE, "min_probability": LEAST, "epochs": asked.epochs}
    write("calibration", [], **facts, sets=sets)


def measure(name: str, seed: int, epochs: float) -> Figures:
    """Trains a network on one set and measures it."""
    train, held_out, test = _sides(name, seed)
    with tempfile.TemporaryDirectory() as folder:
        task, model = _trained(Path(folder), train, seed, epochs)
        logits, labels = held_out_logits(model, task.data.alphabet, held_out)
        unseen, truth = held_out_logits(model, task.data.alphabet, test)
        foreign = logits_of(model, task.data.alphabet, FOREIGN)
    found: Figures = {"held_out": float(len(held_out)), "test": float(len(test))}
    fits = {"before": _bare(logits, labels), "after": fit_to_logits(logits, labels).temperature}
    for when, temperature in fits.items():
        found[f"{when}_temperature"] = temperature
        found[f"{when}_error"] = reliability(Answers.of(unseen / temperature, truth)).error
        found[f"{when}_nats"] = float(cross_entropy(unseen / temperature, truth))
        found[f"{when}_refused"] = _refused(unseen / temperature)
        found[f"{when}_refused_foreign"] = _refused(foreign / temperature)
    shares, right = _shares(logits / fits["after"]), labels.numpy()
    new, new_right = _shares(unseen / fits["after"]), truth.numpy()
    for kind, sets in (("lac", _lac), ("aps", _aps)):
        of_sets = sets(shares, right, new, new_right)
        found |= {f"{kind}_{key}": each for key, each in of_sets.items()}
    return found


def _sides(name: str, seed: int) -> tuple[Rows, Rows, Rows]:
    """Returns training, held-out and test rows."""
    random = np.random.default_rng(seed)
    if name.startswith("easy"):
        syllables = ("ba", "do", "ri", "mu", "le", "sa", "to", "ni")
        stems = ["".join(each) for each in itertools.product(syllables, repeat=3)]
        rows = Rows(
            tuple(stem + ("ka", "son")[i % 2] for i, stem in enumerate(stems)),
            tuple(("east", "north")[i % 2] for i in range(len(stems))),
        )
        sizes = (80, 4 if "4" in name else 20)
    else:
        rows = load_rows(["surnames"])
        part = len(rows) // (5 if "fifth" in name else 1)
        sizes = (round(part * 0.6), round(part * 0.1))
    order = random.permutation(len(rows)).tolist()
    train, held_out = order[: sizes[0]], order[sizes[0] : sum(sizes)]
    known = {rows.labels[i] for i in train}
    sides = (train, held_out, order[sum(sizes) :])
    a, b, c = (rows.take([i for i in side if rows.labels[i] in known]) for side in sides)
    return a, b, c


def _trained(folder: Path, train: Rows, seed: int, epochs: float) -> tuple[ClassifierTask, Any]:
    """Trains a network by the recipe."""
    path = folder / "rows.jsonl"
    pairs = zip(train.texts, train.labels, strict=True)
    lines = [json.dumps({"text": text, "label": label}) for text, label in pairs]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    run = Run.create("classifier", folder / "run")
    request = ClassifierRequest(data=(str(path),), val_fraction=0.0, epochs=epochs, seed=seed)
    torch.manual_seed(seed)
    task = ClassifierTask.create(run, request, Settings(device="cpu", out=""))
    objective = task.objective(torch.device("cpu"))
    rate = task.plan.training.learning_rate
    schedule = Schedule.of(rate, task.steps_per_epoch, epochs, None)
    trainer = Trainer(run, objective, schedule, task.plan.training, torch.device("cpu"))
    model = trainer.fit().model
    run.close()
    return task, model.eval()


def _bare(logits: Tensor, labels: Tensor) -> float:
    """Fits the temperature as before: the least held-out loss from 0.05 to 20."""
    choices = torch.logspace(-1.3, 1.3, 261).tolist()
    losses = [float(cross_entropy(logits / choice, labels)) for choice in choices]
    return float(choices[int(np.argmin(losses))])


def _refused(logits: Tensor) -> float:
    """Returns the share of answers below `LEAST`."""
    return float((torch.softmax(logits, -1).amax(-1) < LEAST).float().mean())


def _shares(logits: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = torch.softmax(logits.double(), -1).numpy()
    return found


def _lac(
    held_out: NDArray[Any], right: NDArray[Any], test: NDArray[Any], truth: NDArray[Any]
) -> Figures:
    """Measures the sets that `classify --coverage` gives."""
    scores = held_out_scores(held_out[np.arange(len(right)), right])
    if scores is None or scores.rows < COVERAGE / (1 - COVERAGE):
        return {}
    limit = threshold(scores, COVERAGE)
    order = np.argsort(-test, -1, kind="stable")
    sizes = set_sizes(np.take_along_axis(test, order, -1), limit)
    return _of_sets(order, sizes, truth)


def _aps(
    held_out: NDArray[Any], right: NDArray[Any], test: NDArray[Any], truth: NDArray[Any]
) -> Figures:
    """Measures adaptive sets: the likeliest labels until their sum reaches a quantile."""
    if len(right) < COVERAGE / (1 - COVERAGE):
        return {}
    order = np.argsort(-held_out, -1, kind="stable")
    sums = np.cumsum(np.take_along_axis(held_out, order, -1), -1)
    scores = np.sort(sums[order == right[:, None]])
    limit = scores[math.ceil((len(scores) + 1) * COVERAGE - 1e-9) - 1]
    order = np.argsort(-test, -1, kind="stable")
    sums = np.cumsum(np.take_along_axis(test, order, -1), -1)
    return _of_sets(order, np.maximum((sums <= limit + 1e-9).sum(-1), 1), truth)


def _of_sets(order: NDArray[Any], sizes: NDArray[Any], truth: NDArray[Any]) -> Figures:
    holds = (order == truth[:, None]).argmax(-1) < sizes
    return {
        "coverage": float(holds.mean()),
        "size": float(sizes.mean()),
        "worst_label": min(_by_label(holds, truth)),
    }


def _by_label(holds: NDArray[Any], truth: NDArray[Any]) -> Iterator[float]:
    """Yields the coverage of each label that has 20 rows or more."""
    for label in np.unique(truth):
        if (truth == label).sum() >= 20:
            yield float(holds[truth == label].mean())


if __name__ == "__main__":
    main()
