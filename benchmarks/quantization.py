"""What 8 bits cost and bring: loss, size and speed of int8 files beside their float32 files.

    python -m benchmarks.quantization TEXT.txt NAMES.csv [--large FILE.onnx TABLE.csv]

The float32 files of `exported/` are exported again as int8. Of TEXT the last 20,077 characters are
read, in 16 pieces. NAMES is a table of text,label; `--large` adds a classifier of many labels, with
a table of which a sample is read.

The cost is the divergence of the int8 file from the float32 file, in nats a character or a name:
the mean of KL(float32 || int8). It needs no held-out data, and has less noise than the difference
of the losses, which stands beside it with its standard error. For a classifier, each kind of tensor
is rounded alone, too. The files of a network are raced in turns, on one thread.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

import rnn_infer
from rnn_infer.labelling import Labeller
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.text.vocabulary import Vocabulary
from rnn_train.data.labelled import read_rows
from rnn_train.exporting import model_graph
from rnn_train.exporting.from_file import reopen
from rnn_train.exporting.graph import FLOAT, Graph
from rnn_train.exporting.model_file import export
from rnn_train.exporting.products import IntegerProducts, Products, Rows, Table
from rnn_train.exporting.quantization import MIDDLE

from .harness import Race, Work, race, write

EXPORTED = Path(__file__).parents[1] / "exported"
CHARACTERS, PIECES, NAMES, DRAWN = 20_077, 16, 20_000, 400
KINDS = {
    "tables of n-grams": (".vectors", ".evidence"),
    "… and the input matrix": (".vectors", ".evidence", ".W."),
    "readout": ("head0",),
}
"""Kinds of tensors of a classifier, by parts of their names in the file."""
Logits = NDArray[np.float32]
Read = Callable[[Stepper], tuple[Logits, NDArray[np.int64]]]
"""Returns the logits [n, outputs] of a file, and what they should name, [n]."""


def main() -> None:
    """Measures all networks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("names")
    parser.add_argument("--large", nargs=2, metavar=("FILE", "TABLE"))
    asked = parser.parse_args()
    text = asked.text.read_text("utf-8")[-CHARACTERS:]
    classifiers = [(EXPORTED / "classifier.onnx", asked.names)]
    if asked.large:
        classifiers.append((Path(asked.large[0]), asked.large[1]))
    networks, races = [], []
    with TemporaryDirectory() as name:
        folder = Path(name)
        for each in ("charlm", "charlm-small"):
            file, shipped = EXPORTED / f"{each}.onnx", EXPORTED / f"{each}.int8.onnx"
            again = folder / shipped.name
            _export(file, again)
            files = {"float32": file, "int8": again, "int8, as shipped": shipped}
            networks.append(_measured(file.name, files, _text_reader(text)))
            races.append(_drawn(file.name, files))
        for file, table in classifiers:
            files = {"float32": file, "int8": folder / f"{len(networks)}.onnx"}
            _export(file, files["int8"])
            files |= _rounded_alone(file, folder)
            rows = read_rows([table])
            order = np.random.default_rng(0).permutation(len(rows))[:NAMES]
            chosen = rows.take(order.tolist())
            label = f"{len(set(rows.labels))} labels"
            networks.append(_measured(label, files, _names_reader(chosen.texts, chosen.labels)))
            races.append(_classified(label, files, list(chosen.texts)))
    write("quantization", races, networks=networks, characters=len(text), drawn=DRAWN)


def _export(file: Path, out: Path) -> None:
    source = reopen(file)
    # What the rounding costs is measured here, also if an export would be refused for it.
    export(source.model, source.card, out, weights="int8", loss=lambda _: 0.0, log=_silent)


def _silent(_: str) -> None:
    """Takes the line that says if there is nothing to round."""


class _Only(IntegerProducts):
    """Rounds the tensors of some names, and leaves the others in float32."""

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = parts

    def linear(self, graph: Graph, x: str, name: str, *options: Any, **more: Any) -> str:
        if self._has(name):
            return super().linear(graph, x, name, *options, **more)
        return Products().linear(graph, x, name, *options, **more)

    def rows_beside(self, graph: Graph, table: Table, places: str, shape: str) -> Rows:
        if self._has(table.name):
            return super().rows_beside(graph, table, places, shape)
        return Products().rows_beside(graph, table, places, shape)

    def whole_linear(self, graph: Graph, whole: str, name: str, weight: NDArray[Any]) -> str:
        if self._has(name):
            return super().whole_linear(graph, whole, name, weight)
        value = graph.add("Cast", whole, to=FLOAT)
        value = graph.add("Sub", value, graph.constant("middle_float", np.float32(MIDDLE)))
        return Products().linear(graph, value, name, weight)

    def _has(self, name: str) -> bool:
        return any(part in name for part in self._parts)


def _rounded_alone(file: Path, folder: Path) -> dict[str, Path]:
    """Exports a classifier with some of its tensors in int8."""
    found = {}
    for kind, parts in KINDS.items():
        out = folder / f"{file.stem} {kind}.onnx"
        with patch.object(model_graph, "products_of", lambda _, parts=parts: _Only(parts)):
            _export(file, out)
        weights = Stepper.open(out, device="cpu").file.metadata.training["weights"]
        if weights == "int8":  # else none of these tensors is large enough
            found[kind] = out
    return found


def _text_reader(text: str) -> Read:
    """Reads a text in pieces, each in one pass from the zero state."""

    def read(stepper: Stepper) -> tuple[Logits, NDArray[np.int64]]:
        tokens = Vocabulary(stepper.file.metadata).encode(text)
        rows = tokens[: len(tokens) // PIECES * PIECES].reshape(PIECES, -1)
        logits, state = [], stepper.zeros(PIECES)
        for begin in range(0, rows.shape[1] - 1, 64):
            piece = rows[:, begin : min(begin + 64, rows.shape[1] - 1)]
            found, state = stepper.forward(piece, state)
            logits.append(found)
        every = np.concatenate(logits, 1)
        return every.reshape(-1, every.shape[-1]), rows[:, 1:].ravel()

    return read


def _names_reader(texts: Sequence[str], labels: Sequence[str]) -> Read:
    """Reads texts that have labels."""

    def read(stepper: Stepper) -> tuple[Logits, NDArray[np.int64]]:
        section = stepper.file.metadata.classifier
        assert section is not None
        places = {label: place for place, label in enumerate(section.labels)}
        truth = np.array([places[label] for label in labels])
        return Labeller(stepper, section).logits(texts, "default"), truth

    return read


def _measured(network: str, files: dict[str, Path], read: Read) -> dict[str, Any]:
    """Measures what the rounding of each file costs, beside its float32 file."""
    found: dict[str, Any] = {"network": network, "files": {}}
    exact = np.empty(0)
    for kind, path in files.items():
        logits, truth = read(Stepper.open(path, device="cpu"))
        log = _log_softmax(logits)
        losses = -log[np.arange(len(truth)), truth]
        if kind == "float32":
            exact, exact_losses = log, losses
        change = losses - exact_losses
        found["files"][kind] = {
            "bytes": path.stat().st_size,
            "loss": _digits(losses.mean()),
            "divergence": _digits((np.exp(exact) * (exact - log)).sum(-1).mean()),
            "change": _digits(change.mean()),
            "error": _digits(change.std() / len(change) ** 0.5),
        }
        print(network, kind, found["files"][kind], flush=True)
    return found


def _log_softmax(logits: Logits) -> NDArray[np.float64]:
    below = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    found: NDArray[np.float64] = below - np.log(np.exp(below).sum(-1, keepdims=True))
    return found


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def _drawn(network: str, files: dict[str, Path]) -> Race:
    """Races files that draw a text, one stream."""
    contestants: dict[str, Work] = {}
    for kind, path in files.items():
        lm = rnn_infer.CharLM.load(path, device="cpu")
        contestants[kind] = _repeated(partial(lm.generate, "A", length=DRAWN, seed=1))
    return race(network, f"{DRAWN} characters", contestants, rounds=9, slice_=0.3)


def _classified(network: str, files: dict[str, Path], texts: list[str]) -> Race:
    """Races files that classify names."""
    contestants: dict[str, Work] = {}
    for kind in ("float32", "int8"):
        classifier = rnn_infer.Classifier.load(files[kind], device="cpu")
        contestants[kind] = _repeated(partial(classifier.classify, texts))
    return race(network, f"{len(texts)} names", contestants, rounds=9, slice_=0.3)


def _repeated(answer: Callable[[], object]) -> Work:
    def work(count: int) -> None:
        for _ in range(count):
            answer()

    return work


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
