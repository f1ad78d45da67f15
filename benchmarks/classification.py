"""Names a second on one core, from a list of strings to labels, everything included.

    python -m benchmarks.classification names.csv

The shipped classifier, float32 and int8, against linear models of the same rows
(scikit-learn; both fitted here), each asked for the label of every text of the table.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

import rnn_infer
from rnn_train.data.alphabet import Alphabet
from rnn_train.data.labelled import load_rows
from rnn_train.evaluation.baselines import fit_baselines

from .harness import Work, race, write

EXPORTED = Path(__file__).parents[1] / "exported"


def main() -> None:
    """Measures all contestants in turns."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", help="a table of text,label")
    rows = load_rows([parser.parse_args().data])
    texts = list(rows.texts)
    contestants: dict[str, Work] = {}
    for name, file in (("ours", "classifier.onnx"), ("ours int8", "classifier.int8.onnx")):
        classifier = rnn_infer.Classifier.load(EXPORTED / file, device="cpu")
        contestants[name] = _repeated(classifier.classify, texts)
    for model in fit_baselines(rows, Alphabet.of(rows), seed=0):
        contestants[model.name] = _repeated(model.scores, texts)
    found = race(f"{len(texts)} names; 1 thread", "pass", contestants, rounds=7, slice_=1.0)
    for name in contestants:
        print(f"{name:30} {len(texts) / found.typical(name):9,.0f} names/s")
    write("classification", [found], texts=len(texts))


def _repeated(answer: Callable[[list[str]], object], texts: list[str]) -> Work:
    def work(count: int) -> None:
        for _ in range(count):
            answer(texts)

    return work


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
