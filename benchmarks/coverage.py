"""Prediction sets of exported files with many labels: do they hold the right label as asked?

    python -m benchmarks.coverage names.csv.gz

Of a large table of names and labels, without a header, a part is taken by chance. The `classifier`
command's recipe trains on it, with its default tenth held out, and the run is exported in float32
and in int8. Both files give prediction sets (`classify --coverage`) for other rows of the table,
whose names training has not seen: the share of sets that hold the right label, in all and by label,
and their mean size.
"""

import argparse
import csv
import gzip
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import rnn_infer
import rnn_train

from .harness import write

COVERAGE = 0.9
LEAST_ROWS, LEAST_TESTED = 50, 50
"""Rows of a label in the part that is taken, and test rows of a label whose coverage is shown."""
Pair = tuple[str, str]


def main() -> None:
    """Trains, exports and measures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--test", type=int, default=20_000)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    train, test = sides(asked.table, asked.rows, asked.test)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *train])
        request = rnn_train.ClassifierRequest(
            data=(str(folder / "train.csv"),), epochs=asked.epochs
        )
        files = {"float32": folder / "float32.onnx", "int8": folder / "int8.onnx"}
        rnn_train.train_classifier(
            request, out=files["float32"], run=folder / "run", threads=asked.threads
        )
        rnn_train.export(folder / "run", files["int8"], rnn_train.ExportOptions(weights="int8"))
        models = {weights: measure(file, test) for weights, file in files.items()}
    facts = {"asked_coverage": COVERAGE, "rows": len(train), "epochs": asked.epochs}
    labels = len({label for _, label in train})
    write("coverage", [], **facts, labels=labels, test_rows=len(test), models=models)


def sides(path: Path, rows: int, tested: int) -> tuple[list[Pair], list[Pair]]:
    """Returns training rows, and rows of other names; rare labels are left out of both."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        every = [(row[0], row[1]) for row in csv.reader(file)]
    order = np.random.default_rng(0).permutation(len(every)).tolist()
    chosen = [every[i] for i in order[:rows]]
    frequent = {
        label for label, n in Counter(each[1] for each in chosen).items() if n >= LEAST_ROWS
    }
    train = [pair for pair in chosen if pair[1] in frequent]
    seen = {text for text, _ in train}
    others = (every[i] for i in order[rows:])
    test = [pair for pair in others if pair[1] in frequent and pair[0] not in seen]
    return train, test[:tested]


def measure(file: Path, test: list[Pair]) -> dict[str, Any]:
    """Measures the prediction sets of a file, in all and by label."""
    model = rnn_infer.Classifier.load(file)
    predictions = model.classify([text for text, _ in test], coverage=COVERAGE)
    sets = [[each.label for each in prediction.top] for prediction in predictions]
    holds = np.array([label in found for (_, label), found in zip(test, sets, strict=True)])
    right = [
        prediction.label == label for prediction, (_, label) in zip(predictions, test, strict=True)
    ]
    labels = np.array([label for _, label in test])
    by_label = {
        name: {"rows": int((labels == name).sum()), "coverage": float(holds[labels == name].mean())}
        for name, count in Counter(labels.tolist()).most_common()
        if count >= LEAST_TESTED
    }
    sizes = np.array([len(found) for found in sets])
    return {
        "accuracy": float(np.mean(right)),
        "coverage": float(holds.mean()),
        "size": float(sizes.mean()),
        "by_label": by_label,
    }


if __name__ == "__main__":
    main()
