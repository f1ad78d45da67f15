"""Names a second on one core, from a list of strings to labels, everything included.

    python -m benchmarks.classification names.csv [--before FOLDER]

The shipped classifier, float32 and int8, against linear models of the same rows
(scikit-learn; both fitted here), each asked for the label of every text of the table. A classifier
runs in a process of its own. `--before` is a folder with another version of the sources, which runs
its own files.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from rnn_train.data.alphabet import Alphabet
from rnn_train.data.labelled import load_rows
from rnn_train.evaluation.baselines import fit_baselines

from .harness import Work, race, work_of_other, write

EXPORTED = Path(__file__).parents[1] / "exported"


def main() -> None:
    """Measures all contestants in turns."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", help="a table of text,label")
    parser.add_argument("--before", type=Path)
    asked = parser.parse_args()
    rows = load_rows([asked.data])
    texts = list(rows.texts)
    contestants: dict[str, Work] = {}
    for name, file in (("ours", "classifier.onnx"), ("ours int8", "classifier.int8.onnx")):
        contestants[name] = _library(EXPORTED.parent, file, texts)
        if asked.before:
            contestants[name.replace("ours", "before")] = _library(asked.before, file, texts)
    for model in fit_baselines(rows, Alphabet.of(rows), seed=0):
        contestants[model.name] = _repeated(model.scores, texts)
    found = race(f"{len(texts)} names; 1 thread", "pass", contestants, rounds=7, slice_=1.0)
    for name in contestants:
        print(f"{name:30} {len(texts) / found.typical(name):9,.0f} names/s")
    write("classification", [found], texts=len(texts))


_OTHER = """
import json, sys
import rnn_infer
classifier = rnn_infer.Classifier.load(sys.argv[1], device="cpu")
texts = json.load(open(sys.argv[2]))
for line in sys.stdin:
    for _ in range(int(line)):
        classifier.classify(texts)
    print("done", flush=True)
"""


def _library(sources: Path, file: str, texts: list[str]) -> Work:
    """Starts a version of the library in a process of its own, without torch and scikit-learn, as
    an app has it. It answers when its turn comes."""
    with TemporaryDirectory() as folder:
        (path := Path(folder) / "texts.json").write_text(json.dumps(texts))
        model = sources.resolve() / "exported" / file
        work = work_of_other(sources, _OTHER, [str(model), str(path)])
        work(1)  # it has read the texts by then
    return work


def _repeated(answer: Callable[[list[str]], object], texts: list[str]) -> Work:
    def work(count: int) -> None:
        for _ in range(count):
            answer(texts)

    return work


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
