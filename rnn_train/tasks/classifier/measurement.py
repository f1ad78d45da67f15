"""Metrics of a classifier on its held-out rows, its baselines and its model card."""

import json
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rnn_infer import Classifier
from rnn_infer.conformal.threshold import held_out_scores
from rnn_infer.contract import HeldOutScores
from rnn_infer.runtime.stepper import Stepper
from rnn_train.data.alphabet import BEGIN, END
from rnn_train.data.rows import NORMALIZATION
from rnn_train.evaluation import metrics, plots
from rnn_train.evaluation.baselines import NGramModel
from rnn_train.evaluation.calibration import Calibration, fit_calibration
from rnn_train.evaluation.classification import held_out_logits
from rnn_train.evaluation.hashed_linear import HashedLinear
from rnn_train.exporting.model_file import ModelCard
from rnn_train.files import write_bytes
from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.tasks.classifier.data import ClassifierData
from rnn_train.tasks.classifier.plan import ClassifierPlan
from rnn_train.tasks.task import HeldOutResult, rounded

_LEAST_KNOWN = 0.5
"""Share of a row's characters that the training rows must have, for the row to decide anything."""
_BLOCK = 1 << 14
"""Rows whose probabilities in float64 are in memory at once."""
_LOSS_ROWS = 2_000
"""Rows that are read to measure the loss of a file."""


class Measurement:
    """Predictions of one model for the held-out rows of its run."""

    def __init__(
        self, model: RecurrentClassifier, data: ClassifierData, plan: ClassifierPlan
    ) -> None:
        """Runs the model on the held-out rows. There must be at least one row."""
        self._data = data
        self._log_prior, self._log_shares = data.log_prior(plan.balance), data.log_prior(0.0)
        self._logits, self._labels = held_out_logits(model, data.alphabet, data.held_out)
        known = torch.from_numpy(data.alphabet.known(data.held_out.texts))
        self._readable = known >= _LEAST_KNOWN

    def result(self) -> HeldOutResult:
        """Computes all metrics, and fits the calibration.

        For the metrics, each half of the rows has the calibration that is fitted to the other half.
        """
        scaled = self._scaled
        found = metrics.summary(scaled, self._labels)
        priors = metrics.by_prior(scaled, self._labels, self._log_prior)
        best = max(priors, key=lambda prior: priors[prior]["macro_f1"])
        found["best_prior"] = best
        found["best_prior_macro_f1"] = priors[best]["macro_f1"]
        found["held_out_rows"] = float(len(self._labels))
        readable = self._logits[self._readable], self._labels[self._readable]
        calibration, fit = fit_calibration(*readable, self._log_shares)
        noise, warnings = calibration.noise, fit.warnings
        if noise:
            found["label_noise"] = sum(noise)
        if foreign := int((~self._readable).sum()):
            warnings.append(
                f"in {foreign:,} of the {len(self._labels):,} held-out rows most characters never "
                "occur in the training rows; the calibration leaves these rows out"
            )
        scores = partial(self.scores, noise=noise)
        return HeldOutResult(found, calibration.temperature, scores, tuple(warnings), noise)

    def scores(self, temperature: float, noise: tuple[float, ...] = ()) -> HeldOutScores | None:
        """Computes the scores for prediction sets, from all held-out rows.

        Args:
            temperature, noise: see `Calibration`.
        """
        calibration = Calibration(temperature, noise)
        blocks = (torch.split(each, _BLOCK) for each in (self._logits, self._labels))
        shares = [
            torch.softmax(calibration.apply(logits.double()), -1).gather(-1, labels[:, None])[:, 0]
            for logits, labels in zip(*blocks, strict=True)
        ]
        return held_out_scores(torch.cat(shares).numpy())

    def plot(self, folder: Path) -> None:
        """Draws the confusion matrix and the reliability diagram."""
        predicted = self._logits.argmax(-1).numpy()
        reliability = metrics.reliability(self._scaled, self._labels)
        labels = self._data.alphabet.labels
        plots.classifier_plots(self._labels.numpy(), predicted, reliability, labels, folder)

    def compare(self, baselines: Sequence[NGramModel | HashedLinear], folder: Path) -> list[str]:
        """Compares the model with linear models that were fitted to the same rows.

        All figures are written to `held_out.json` in the folder.

        Returns:
            The lines of a table, and a recommendation if a linear model is as good.
        """
        scored = {"network": self._logits} | {
            _name(each): each.scores(self._data.held_out) for each in baselines
        }
        figures = {
            name: {
                "accuracy": metrics.accuracy(scores, self._labels),
                "macro_f1": metrics.macro_f1(scores, self._labels),
            }
            for name, scores in scored.items()
        }
        names = self._data.alphabet.labels
        found = {
            "models": figures,
            "priors": metrics.by_prior(self._scaled, self._labels, self._log_prior),
            "confusions": metrics.confusions(self._logits, self._labels, names),
            "labels": metrics.by_label(self._logits, self._labels, names),
        }
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        write_bytes(folder / "held_out.json", text.encode())
        return _table(figures)

    @cached_property
    def _scaled(self) -> Tensor:
        return metrics.calibrated(self._logits, self._labels, self._log_shares)


def loss_of_file(stepper: Stepper, data: ClassifierData) -> float:
    """Computes the loss of an exported file in nats a text.

    The rows are held out, or are training rows if too few are held out.
    """
    rows = data.held_out if len(data.held_out) >= _LOSS_ROWS // 10 else data.train
    order = np.random.default_rng(0).permutation(len(rows))[:_LOSS_ROWS]
    chosen = rows.take(order.tolist())
    predictions = Classifier(stepper).classify(list(chosen.texts), top=len(data.alphabet.labels))
    shares = [
        next(each.probability for each in prediction.top if each.label == label)
        for prediction, label in zip(predictions, chosen.labels, strict=True)
    ]
    return float(-np.log(np.maximum(shares, 1e-30)).mean())


def model_card(data: ClassifierData, balance: float, result: HeldOutResult) -> ModelCard:
    """Returns the model card of an exported file."""
    return ModelCard(
        vocabulary=data.alphabet.vocabulary,
        unknown=data.alphabet.unknown,
        normalization=NORMALIZATION,
        labels=data.alphabet.labels,
        begin=BEGIN,
        end=END,
        log_prior=data.log_prior(balance),
        temperature=result.temperature,
        noise=result.noise,
        held_out=result.scores(result.temperature) if result.scores else None,
        training={
            "data_sha256": data.train.sha256(),
            "data_rows": len(data.train),
            **rounded(result.metrics),
        },
    )


def _name(baseline: NGramModel | HashedLinear) -> str:
    """Name of a baseline, with the rows that it was trained on if its time was limited."""
    if isinstance(baseline, NGramModel):
        return baseline.name
    return f"{baseline.name} ({baseline.trained:,} rows read)"


def _table(figures: dict[str, dict[str, float]]) -> list[str]:
    """A table of the network, which comes first, and the baselines."""
    lines = [f"{'on the held-out rows':32} accuracy  macro-F1"]
    lines += [
        f"{name:32} {each['accuracy']:8.4f}  {each['macro_f1']:8.4f}"
        for name, each in figures.items()
    ]
    network, *others = figures
    ahead = [name for name in others if figures[name]["accuracy"] >= figures[network]["accuracy"]]
    if ahead:
        lines.append(f"{ahead[0]}: as good here as the network, and simpler")
    return lines
