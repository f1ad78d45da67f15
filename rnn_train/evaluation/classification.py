"""Figures of a classifier on labelled rows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.data.alphabet import Alphabet, label_indices, pad
from rnn_train.data.labelled import Rows
from rnn_train.evaluation import metrics
from rnn_train.evaluation.metrics import Reliability
from rnn_train.models.classifier import RecurrentClassifier


@dataclass(frozen=True)
class LabelFigures:
    """Of one label."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class TableFigures:
    """Of a classifier."""

    rows: int
    metrics: dict[str, float]
    labels: tuple[LabelFigures, ...]
    truth: NDArray[np.int64] = field(repr=False, compare=False)
    """Index of each row's label, [rows]."""
    answers: NDArray[np.int64] = field(repr=False, compare=False)
    """Index of the label that it was given, [rows]."""
    reliability: Reliability = field(repr=False, compare=False)

    def draw(self, folder: Path) -> list[Path]:
        """Which labels are taken for which, and how far answers can be trusted, as PNG."""
        from rnn_train.evaluation import plots  # slow to import

        folder.mkdir(parents=True, exist_ok=True)
        names = [each.label for each in self.labels]
        return plots.classifier_plots(self.truth, self.answers, self.reliability, names, folder)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        labels = [asdict(each) for each in self.labels]
        return {"kind": "classifier", "rows": self.rows, **self.metrics, "labels": labels}

    def as_text(self) -> str:
        """The figures, and a table of the labels."""
        lines = [f"{self.rows:,} rows scored"]
        lines += [f"{name.replace('_', ' ')}: {value:.4f}" for name, value in self.metrics.items()]
        width = max(len(each.label) for each in self.labels)
        lines += ["", f"{'label':{width}}  precision  recall      f1    rows"]
        lines += [
            f"{each.label:{width}}  {each.precision:9.3f}  {each.recall:6.3f}  {each.f1:6.3f}  "
            f"{each.rows:6}"
            for each in self.labels
        ]
        return "\n".join(lines)


def table_figures(logits: Tensor, truth: Tensor, labels: Sequence[str]) -> TableFigures:
    figures = tuple(
        LabelFigures(name, int(each["rows"]), each["precision"], each["recall"], each["f1"])
        for name, each in metrics.by_label(logits, truth, labels).items()
    )
    return TableFigures(
        len(truth),
        metrics.summary(logits, truth),
        figures,
        truth.numpy(),
        logits.argmax(-1).numpy(),
        metrics.reliability(logits, truth),
    )


@torch.inference_mode()
def logits_of(model: RecurrentClassifier, alphabet: Alphabet, texts: Sequence[str]) -> Tensor:
    """Logits [texts, labels], on the CPU."""
    device = model.readout.weight.device
    tokens = alphabet.encode(texts)
    order = np.argsort([len(each) for each in tokens], kind="stable")
    logits = torch.empty(len(texts), len(alphabet.labels))
    for begin in range(0, len(order), 512):
        chosen = order[begin : begin + 512]
        padded, lengths = pad([tokens[i] for i in chosen], device)
        logits[torch.from_numpy(chosen)] = model.last(padded, lengths).cpu()
    return logits


def held_out_logits(
    model: RecurrentClassifier, alphabet: Alphabet, rows: Rows
) -> tuple[Tensor, Tensor]:
    """Logits [rows, labels] and label indices [rows], on the CPU. Labels never trained on are
    refused by the caller."""
    return logits_of(model, alphabet, rows.texts), torch.from_numpy(label_indices(rows, alphabet))
