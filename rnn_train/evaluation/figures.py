"""What an evaluation returns: the figures of a character model, and those of a classifier."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.errors import EvaluationError
from rnn_train.evaluation import metrics
from rnn_train.evaluation.language_model import bits
from rnn_train.evaluation.metrics import Reliability
from rnn_train.evaluation.prediction_sets import PredictionSets


@dataclass(frozen=True)
class CharLMFigures:
    """Loss of a character model on a text."""

    characters: int
    """Number of scored characters."""
    nats_per_char: dict[str, float]
    """Nats per character, by the name of the protocol."""

    def draw(self, folder: Path) -> list[Path]:
        """Refuses: there are plots for classifiers only.

        Raises:
            EvaluationError: always.
        """
        del folder
        raise EvaluationError("plots are for classifiers only; leave out --plots")

    def as_json(self) -> dict[str, Any]:
        """Returns the figures as plain values."""
        protocols = {
            name: {"nats_per_char": nats, "bits_per_char": bits(nats)}
            for name, nats in self.nats_per_char.items()
        }
        return {"kind": "charlm", "characters": self.characters, "protocols": protocols}

    def as_text(self) -> str:
        """Returns the figures as a few lines of text."""
        lines = [f"{self.characters:,} characters scored"]
        for name, nats in self.nats_per_char.items():
            lines.append(f"{name:10}{nats:.4f} nats/char  {bits(nats):.4f} bits/char")
        return "\n".join(lines)


@dataclass(frozen=True)
class LabelFigures:
    """Figures of one label."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float
    coverage: float | None = None
    """Share of its rows whose prediction set holds the label; None: no sets were asked for."""
    mean_set_size: float | None = None
    """Mean number of labels in the sets of its rows."""


@dataclass(frozen=True)
class ClassifierFigures:
    """Metrics of a classifier on labelled rows."""

    rows: int
    metrics: dict[str, float]
    """See `metrics.summary`. With prediction sets also `coverage` and `mean_set_size`."""
    labels: tuple[LabelFigures, ...]
    truth: NDArray[np.int64] = field(repr=False, compare=False)
    """Index of the true label of each row, [rows]."""
    predictions: NDArray[np.int64] = field(repr=False, compare=False)
    """Index of the predicted label of each row, [rows]."""
    reliability: Reliability = field(repr=False, compare=False)

    @classmethod
    def of(
        cls, logits: Tensor, truth: Tensor, labels: Sequence[str], threshold: float | None = None
    ) -> "ClassifierFigures":
        """Computes the figures.

        Args:
            logits: [rows, labels], on the CPU.
            truth: index of the true label of each row, [rows].
            labels: name of each label.
            threshold: of prediction sets; None: there are none.
        """
        sets = None if threshold is None else PredictionSets.of(logits, truth, threshold)
        by_label = tuple(
            LabelFigures(
                name,
                int(each["rows"]),
                each["precision"],
                each["recall"],
                each["f1"],
                *(sets.of_rows(truth == i) if sets else ()),
            )
            for i, (name, each) in enumerate(metrics.by_label(logits, truth, labels).items())
        )
        figures = metrics.summary(logits, truth)
        if sets:
            coverage, size = sets.of_rows(truth >= 0)
            figures |= {"coverage": float(coverage or 0), "mean_set_size": float(size or 0)}
        return cls(
            len(truth),
            figures,
            by_label,
            truth.numpy(),
            logits.argmax(-1).numpy(),
            metrics.reliability(logits, truth),
        )

    def draw(self, folder: Path) -> list[Path]:
        """Draws the confusion matrix and the reliability diagram as PNG files.

        Args:
            folder: is made if it does not exist.

        Returns:
            The files.

        Raises:
            RunError: a file cannot be written.
        """
        from rnn_train.evaluation import plots  # matplotlib is slow to import

        folder.mkdir(parents=True, exist_ok=True)
        names = [each.label for each in self.labels]
        return plots.classifier_plots(self.truth, self.predictions, self.reliability, names, folder)

    def as_json(self) -> dict[str, Any]:
        """Returns the figures as plain values."""
        hidden = () if self._has_sets else ("coverage", "mean_set_size")
        labels = [
            {key: value for key, value in asdict(each).items() if key not in hidden}
            for each in self.labels
        ]
        return {"kind": "classifier", "rows": self.rows, **self.metrics, "labels": labels}

    @property
    def _has_sets(self) -> bool:
        return "coverage" in self.metrics

    def as_text(self) -> str:
        """Returns the metrics and a table of the labels as lines of text."""
        lines = [f"{self.rows:,} rows scored"]
        lines += [f"{name.replace('_', ' ')}: {value:.4f}" for name, value in self.metrics.items()]
        width = max(len(each.label) for each in self.labels)
        more = "  coverage  set size" if self._has_sets else ""
        lines += ["", f"{'label':{width}}  precision  recall      f1    rows{more}"]
        lines += [
            f"{each.label:{width}}  {each.precision:9.3f}  {each.recall:6.3f}  {each.f1:6.3f}  "
            f"{each.rows:6}{_sets_of(each)}"
            for each in self.labels
        ]
        return "\n".join(lines)


def _sets_of(label: LabelFigures) -> str:
    if label.coverage is None or label.mean_set_size is None:
        return ""
    return f"  {label.coverage:8.3f}  {label.mean_set_size:8.2f}"
