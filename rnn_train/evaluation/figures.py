"""What an evaluation returns: the figures of a character model, and those of a classifier."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_train.errors import EvaluationError
from rnn_train.evaluation import metrics
from rnn_train.evaluation.answers import Answers
from rnn_train.evaluation.contradictions import Contradictions
from rnn_train.evaluation.label_figures import OF_SETS, LabelFigures, of_labels, write_table
from rnn_train.evaluation.language_model import bits
from rnn_train.evaluation.metrics import Confusion, Reliability
from rnn_train.system_errors import system_errors
from rnn_train.wording import counted

_SHOWN, _SHOWN_LABELS = 10, 60
"""Confusions and labels that are printed."""


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

    def write_labels(self, path: Path) -> None:
        """Refuses: only a classifier has labels.

        Raises:
            EvaluationError: always.
        """
        del path
        raise EvaluationError("only a classifier has labels; leave out --per-label")

    def as_json(self) -> dict[str, Any]:
        """Returns the figures as plain values."""
        protocols = {
            name: {"nats_per_char": nats, "bits_per_char": bits(nats)}
            for name, nats in self.nats_per_char.items()
        }
        return {"kind": "charlm", "characters": self.characters, "protocols": protocols}

    def as_text(self) -> str:
        """Returns the figures as a few lines of text."""
        lines = [f"{counted(self.characters, 'character')} scored"]
        for name, nats in self.nats_per_char.items():
            lines.append(f"{name:10}{nats:.4f} nats/char  {bits(nats):.4f} bits/char")
        return "\n".join(lines)


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
    confusions: tuple[Confusion, ...] = ()
    """The most frequent confusions, the most frequent first."""
    contradictions: Contradictions | None = None
    """Texts with several labels. None: the texts were not given, or none has several."""
    priors: dict[float, dict[str, float]] = field(default_factory=dict)
    """Accuracy and macro-F1 by the value of `prior`; empty: it is not known."""
    prior: float = 0.0
    """The prior of all other figures."""

    @classmethod
    def of(
        cls,
        answers: Answers,
        labels: Sequence[str],
        *,
        keys: NDArray[np.integer] | None = None,
        prior: float = 0.0,
    ) -> "ClassifierFigures":
        """Computes the figures.

        Args:
            answers: to the rows.
            labels: name of each label.
            keys: one number for each text, [rows], to find texts with several labels; None: they
                are not looked for.
            prior: of the answers.
        """
        figures, sets = metrics.summary(answers), answers.sets
        predicted, truth = answers.predicted, answers.labels
        if sets:
            coverage, size = sets.of_rows(truth >= 0)
            figures |= {"coverage": float(coverage or 0), "mean_set_size": float(size or 0)}
        several = (
            None if keys is None else Contradictions.of(keys, truth.numpy(), predicted.numpy())
        )
        return cls(
            len(truth),
            figures,
            of_labels(predicted, truth, labels, sets),
            truth.numpy(),
            predicted.numpy(),
            metrics.reliability(answers),
            tuple(metrics.confusions(predicted, truth, labels)),
            several if several and several.texts else None,
            metrics.by_prior(answers),
            prior,
        )

    def draw(self, folder: Path) -> list[Path]:
        """Draws the confusion matrix and the reliability diagram as PNG files.

        Args:
            folder: is made if it does not exist.

        Returns:
            The files.

        Raises:
            RunError: a file cannot be written. Then none is.
        """
        from rnn_train.evaluation import plots  # matplotlib is slow to import

        names = [each.label for each in self.labels]
        with system_errors():
            folder.mkdir(parents=True, exist_ok=True)
            return plots.classifier_plots(
                self.truth, self.predictions, self.reliability, names, folder
            )

    def write_labels(self, path: Path) -> None:
        """Writes the figures of each label as a CSV table.

        Args:
            path: of the file. Its folder is made if it does not exist.

        Raises:
            RunError: the file cannot be written.
        """
        write_table(self.labels, path)

    def as_json(self) -> dict[str, Any]:
        """Returns the figures as plain values."""
        hidden = () if self._has_sets else OF_SETS
        labels = [
            {key: value for key, value in asdict(each).items() if key not in hidden}
            for each in self.labels
        ]
        found = {"kind": "classifier", "rows": self.rows, **self.metrics}
        if self.contradictions:
            found["several_labels"] = asdict(self.contradictions)
        if self.priors:
            found["prior"] = self.prior
            found["priors"] = {f"{prior:g}": each for prior, each in self.priors.items()}
        return {**found, "confusions": list(self.confusions), "labels": labels}

    @property
    def _has_sets(self) -> bool:
        return "coverage" in self.metrics

    def as_text(self) -> str:
        """Returns the metrics and a table of the labels as lines of text."""
        lines = [f"{counted(self.rows, 'row')} scored"]
        lines += [f"{name.replace('_', ' ')}: {value:.4f}" for name, value in self.metrics.items()]
        lines += self._notes()
        return "\n".join([*lines, "", *self._table()])

    def _table(self) -> list[str]:
        """Returns a table of the labels; of many, only those with most rows."""
        rows = sorted(self.labels, key=lambda each: -each.rows)[:_SHOWN_LABELS]
        shown = self.labels if len(self.labels) <= _SHOWN_LABELS else rows
        width = max(len("label"), *(len(each.label) for each in shown))
        more = "  coverage  set size" if self._has_sets else ""
        lines = [f"{'label':{width}}  precision  recall      f1    rows{more}"]
        lines += [
            f"{each.label:{width}}  {each.precision:9.3f}  {each.recall:6.3f}  {each.f1:6.3f}  "
            f"{each.rows:6}{_sets_of(each)}"
            for each in shown
        ]
        if (left := len(self.labels) - len(shown)) > 0:
            lines.append(
                f"and {counted(left, 'label')} with fewer rows; --per-label FILE.csv writes all of "
                "them"
            )
        return lines

    def _notes(self) -> list[str]:
        """Returns the lines between the metrics and the table of the labels."""
        lines = [f"prior: {self.prior:g}"] if self.prior else []
        if self.priors:
            best = max(self.priors, key=lambda prior: self.priors[prior]["macro_f1"])
            found = self.priors[best]
            lines.append(
                f"best prior of these rows: {best:g} (macro f1: {found['macro_f1']:.4f}, accuracy: "
                f"{found['accuracy']:.4f})"
            )
        if self.contradictions:
            lines.append(self.contradictions.as_text())
        if self.confusions:
            lines += ["", "most frequent confusions (true → predicted: rows)"]
            lines += [
                f"  {each['true']} → {each['predicted']}: {each['rows']:,}"
                for each in self.confusions[:_SHOWN]
            ]
        return lines


def _sets_of(label: LabelFigures) -> str:
    if label.coverage is None or label.mean_set_size is None:
        return ""
    return f"  {label.coverage:8.3f}  {label.mean_set_size:8.2f}"
