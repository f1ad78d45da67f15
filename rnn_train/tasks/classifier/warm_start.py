"""Warm start of a classifier from an earlier run (`--init-from`), and what it forgets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from rnn_train.data.alphabet import Alphabet
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.distillation.growth import grow_classifier
from rnn_train.distillation.warm_start import check_shape, read_run
from rnn_train.evaluation.classification import held_out_logits
from rnn_train.evaluation.metrics import accuracy
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.tasks.classifier.data import ClassifierData, open_data
from rnn_train.tasks.classifier.earlier_rows import read_rows, write_rows_of
from rnn_train.tasks.classifier.evidence import count_evidence
from rnn_train.tasks.classifier.plan import ClassifierPlan
from rnn_train.tasks.classifier.validation_rows import validation_sample
from rnn_train.tasks.task import SEEN, seen_before
from rnn_train.training import checkpoint
from rnn_train.training.run import Run

INITIAL_WEIGHTS = "initial.ckpt"
_FIXED = (
    "cell",
    "embedding",
    "hidden",
    "layers",
    "pool",
    "ngrams",
    "evidence",
    "ngram_rows",
    "ngram_width",
    "prefix",
    "space",
    "frequent_ngrams",
    "bag",
)
"""Fields of the config that follow from the weights."""


@dataclass(frozen=True)
class ClassifierWarmStart:
    """Model, alphabet and rows of an earlier run."""

    folder: Path
    model: RecurrentClassifier
    """With the averaged weights of the last checkpoint, in evaluation mode."""
    alphabet: Alphabet
    held_out: EncodedRows
    """Rows that the earlier run held out; of its training rows if it held out none."""
    counted: tuple[EncodedRows, ...]
    """Rows that the model was trained on, and whose n-grams it has counted as evidence."""

    @classmethod
    def of(cls, folder: Path, asked: Mapping[str, Any]) -> "ClassifierWarmStart":
        """Reads the earlier run.

        Args:
            folder: a run folder of `rnn-train classifier`.
            asked: fields of the model's config in the request.

        Raises:
            RunError: the run cannot be read, or has another shape than the request.
        """
        with read_run(folder, "classifier") as (run, config, weights):
            plan = ClassifierPlan.from_config(config)
            data = open_data(run, plan.alphabet)
            check_shape(folder, plan.model, asked, _FIXED)
            counted = (data.train, read_rows(run)["train"])
        model = RecurrentClassifier(plan.model)
        model.load_state_dict(weights)
        held_out = data.held_out if len(data.held_out) else data.train
        return cls(folder, model.eval(), data.alphabet, held_out, counted)

    def write(self, run: Run, config: ClassifierConfig, data: ClassifierData) -> dict[str, float]:
        """Writes the first weights of a new run, and the earlier rows, into its folder.

        Args:
            run: the new run.
            config: of its model.
            data: of the new run. A training row of both runs is counted once.

        Returns:
            Figures of the earlier model on the earlier rows; and `SEEN`, if the earlier run was
            trained on some of the new held-out rows.

        Raises:
            RunError: the weights cannot be carried over, or the folder cannot be written.
        """
        model = RecurrentClassifier(config)
        grow_classifier(self.model, model, data.alphabet.unknown, str(self.folder))
        checkpoint.write(run.folder / INITIAL_WEIGHTS, model.state_dict())
        keys, again = [rows.keys() for rows in self.counted], data.train.keys()
        new = [~np.isin(each, again) for each in keys]
        pairs = zip(self.counted, new, strict=True)
        counted = [rows.take(np.flatnonzero(chosen)) for rows, chosen in pairs]
        write_rows_of(run, counted, self.held_out)
        learnt = np.isin(data.held_out.keys(), np.concatenate(keys))
        seen = float(learnt.mean()) if len(learnt) else 0.0
        found = figures(self.model, self.alphabet, self.held_out)
        return found | ({SEEN: seen} if seen else {})


def figures(model: RecurrentClassifier, alphabet: Alphabet, rows: EncodedRows) -> dict[str, float]:
    """Measures a model on rows of the earlier run, or on a sample of them, at temperature 1."""
    logits, labels = held_out_logits(model, alphabet, validation_sample(rows))
    return {
        "earlier_data_nats_per_text": float(cross_entropy(logits, labels)),
        "earlier_data_accuracy": accuracy(logits, labels),
    }


def first_network(run: Run, plan: ClassifierPlan, data: ClassifierData) -> RecurrentClassifier:
    """Opens the first model of a run that `ClassifierWarmStart.write` has written.

    It seeds torch, so training draws the same random numbers each time. The evidence counts the
    earlier rows too.
    """
    torch.manual_seed(plan.training.seed)
    model = RecurrentClassifier(plan.model)
    model.load_state_dict(checkpoint.read(run.folder / INITIAL_WEIGHTS))
    count_evidence(model, data.alphabet, data.train, read_rows(run)["train"])
    return model


def forgetting(
    run: Run, plan: ClassifierPlan, data: ClassifierData, model: RecurrentClassifier
) -> dict[str, float]:
    """Measures a trained model on the earlier data, beside the figures of the warm start."""
    if not plan.init_from:
        return {}
    now = figures(model, data.alphabet, read_rows(run)["held_out"])
    return {
        key: value
        for name in now
        for key, value in ((f"{name}_before", plan.earlier[name]), (name, now[name]))
    } | seen_before(plan)
