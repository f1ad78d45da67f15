"""Metrics of a classifier on its held-out rows, its baselines and its model card."""

import json
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnn_infer.conformal.threshold import held_out_scores
from rnn_infer.contract import HeldOutScores
from rnn_infer.labelling import Labeller
from rnn_infer.runtime.stepper import Stepper
from rnn_train.data.alphabet import BEGIN, END
from rnn_train.data.rows import NORMALIZATION
from rnn_train.data.split import best_possible_accuracy
from rnn_train.evaluation import metrics, plots
from rnn_train.evaluation.answers import Answers
from rnn_train.evaluation.baselines import NGramModel
from rnn_train.evaluation.calibration import (
    CalibratedHalves,
    Calibration,
    block_rows,
    fit_calibration,
)
from rnn_train.evaluation.classification import held_out_logits
from rnn_train.evaluation.hashed_linear import HashedLinear
from rnn_train.evaluation.temperature import enough_of
from rnn_train.exporting.model_file import ModelCard
from rnn_train.files import write_bytes
from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.tasks.classifier.comparison import ALWAYS, table
from rnn_train.tasks.classifier.data import ClassifierData
from rnn_train.tasks.classifier.plan import ClassifierPlan
from rnn_train.tasks.classifier.validation_rows import LOSS_ROWS, loss_sample, measured_sample
from rnn_train.tasks.task import HeldOutResult, rounded
from rnn_train.wording import counted

_LEAST_KNOWN = 0.5
"""Share of a row's characters that the training rows must have, for the row to decide anything."""


class Measurement:
    """Predictions of one model for the held-out rows of its run."""

    def __init__(
        self, model: RecurrentClassifier, data: ClassifierData, plan: ClassifierPlan
    ) -> None:
        """Runs the model on the held-out rows, or on a sample of them that the minutes allow. There
        must be at least one row."""
        self._data = data
        count = len(data.alphabet.labels)
        self._rows = rows = measured_sample(data.held_out, count, plan.minutes)
        self._log_prior, self._log_shares = data.log_prior(plan.balance), data.log_prior(0.0)
        self._logits, self._labels = held_out_logits(model, data.alphabet, rows)
        halves = CalibratedHalves.of(self._logits, self._labels, self._log_shares)
        self._answers = Answers.of(halves, self._labels, self._log_prior)
        known = torch.from_numpy(data.alphabet.known(rows.texts_in_blocks()))
        self._readable = known >= _LEAST_KNOWN

    def result(self) -> HeldOutResult:
        """Computes all metrics, and fits the calibration.

        For the metrics, each half of the rows has the calibration that is fitted to the other half.
        """
        found = metrics.summary(self._answers)
        priors = self._priors
        best = max(priors, key=lambda prior: priors[prior]["macro_f1"])
        found["best_prior"] = best
        found["best_prior_macro_f1"] = priors[best]["macro_f1"]
        found["held_out_rows"] = float(len(self._labels))
        if (ceiling := self._best_possible_accuracy) is not None:
            found["best_possible_accuracy"] = ceiling
        rows = enough_of(torch.nonzero(self._readable)[:, 0], self._logits.shape[-1])
        calibration, fit = fit_calibration(self._logits[rows], self._labels[rows], self._log_shares)
        noise, warnings = calibration.noise, [*self._sample_warnings(), *fit.warnings]
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
        size = block_rows(self._logits.shape[-1])
        blocks = (torch.split(each, size) for each in (self._logits, self._labels))
        shares = [
            torch.softmax(calibration.apply(logits.double()), -1).gather(-1, labels[:, None])[:, 0]
            for logits, labels in zip(*blocks, strict=True)
        ]
        return held_out_scores(torch.cat(shares).numpy())

    def plot(self, folder: Path) -> None:
        """Draws the confusion matrix and the reliability diagram."""
        reliability = metrics.reliability(self._answers)
        truth, predicted = self._labels.numpy(), self._answers.predicted.numpy()
        labels = self._data.alphabet.labels
        plots.classifier_plots(truth, predicted, reliability, labels, folder)

    def compare(self, baselines: Sequence[NGramModel | HashedLinear], folder: Path) -> list[str]:
        """Compares the model with linear models that were fitted to the same rows.

        All figures are written to `held_out.json` in the folder.

        Returns:
            The lines of a table, and what follows from it, see `comparison.table`.
        """
        predicted = {"network": self._answers.predicted} | {
            each.title: each.predictions(self._rows) for each in baselines
        }
        names = self._data.alphabet.labels
        figures = {
            title: metrics.of_predictions(each, self._labels, len(names))
            for title, each in (predicted | {ALWAYS: self._most_frequent}).items()
        }
        found = {
            "models": figures,
            "priors": self._priors,
            "confusions": metrics.confusions(self._answers.predicted, self._labels, names),
            "labels": metrics.by_label(self._answers.predicted, self._labels, names),
        }
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        write_bytes(folder / "held_out.json", text.encode())
        return table(figures, len(self._labels), learnt=self._learnt)

    @property
    def _most_frequent(self) -> Tensor:
        """The most frequent label of the training rows, for each row, [rows]."""
        return torch.full_like(self._labels, int(torch.tensor(self._log_shares).argmax()))

    @property
    def _learnt(self) -> bool:
        """Whether the network's cross-entropy is clearly below that of the labels' shares alone.

        They are the shares that training with `balance` leaves in the logits.
        """
        shares = torch.log_softmax(torch.tensor(self._log_prior), -1)
        gains = -shares[self._labels].double() - self._answers.nats.double()
        error = gains.std(unbiased=False) / len(gains) ** 0.5
        return bool(gains.mean() > 2 * error)

    @property
    def _best_possible_accuracy(self) -> float | None:
        """That of the measured rows; None: it is not known, or no text has several labels."""
        if self._data.best_possible_accuracy is None or not self._sampled:
            return self._data.best_possible_accuracy
        return best_possible_accuracy(self._rows.keys(), self._rows.indices)

    @property
    def _sampled(self) -> bool:
        return len(self._rows) < len(self._data.held_out)

    def _sample_warnings(self) -> list[str]:
        """Returns a warning if not all held-out rows are measured."""
        if not self._sampled:
            return []
        return [
            f"the held-out figures are of {counted(len(self._rows), 'row')}, drawn by chance from "
            f"{len(self._data.held_out):,}: the minutes are few for all of them"
        ]

    @cached_property
    def _priors(self) -> dict[float, dict[str, float]]:
        return metrics.by_prior(self._answers)


def loss_of_file(stepper: Stepper, data: ClassifierData) -> float:
    """Computes the loss of an exported file in nats a text.

    The rows are held out, or are training rows if too few are held out.
    """
    chosen = loss_sample(data.held_out if len(data.held_out) >= LOSS_ROWS // 10 else data.train)
    section = stepper.file.metadata.classifier
    assert section is not None
    # Not predictions: a Python object for each of many labels takes much memory.
    logits = torch.from_numpy(Labeller(stepper, section).logits(chosen.texts, "default"))
    truth = torch.tensor([section.labels.index(label) for label in chosen.labels])
    return float(cross_entropy(logits, truth))


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
