"""A run that trains a recurrent classifier on labelled texts, alone or taught by an ensemble."""

import dataclasses
import json
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_infer import Classifier
from rnn_infer.runtime.stepper import Stepper
from rnn_train.data.alphabet import BEGIN, END, Alphabet
from rnn_train.data.labelled import NORMALIZATION, Rows, describe, load_rows, split_rows
from rnn_train.distillation.ensemble import train_teacher
from rnn_train.distillation.linear import linear_soft_targets, mix_soft_targets
from rnn_train.errors import DataError
from rnn_train.evaluation import classification, metrics, plots
from rnn_train.evaluation.baselines import NGramModel, fit_baselines
from rnn_train.exporting.model_file import ModelCard
from rnn_train.files import write_bytes
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.progress import Log
from rnn_train.tasks.classifier import objective, recipe
from rnn_train.tasks.task import HeldOutResult, Request, rounded, unmeasured
from rnn_train.training import checkpoint
from rnn_train.training.config import TrainingConfig
from rnn_train.training.objective import Objective
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

TARGETS = "targets.ckpt"
_LOSS_ROWS = 2_000
"""Rows read to find out what 8-bit weights cost."""
_KEPT = ["model", "minutes", "epochs", "ensemble", "teacher"]
_KEPT += ["temperature", "character_dropout", "balance"]
"""What the job needs of its config, beside the training."""


class ClassifierTask:
    """A recurrent classifier on labelled texts."""

    def __init__(self, run: Run) -> None:
        config = run.config()
        sides: dict[str, list[tuple[str, str]]] = {"train": [], "held_out": []}
        for line in (run.folder / "rows.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            sides[row["side"]].append((row["text"], row["label"]))
        self._train, self._held = (
            Rows(tuple(text for text, _ in pairs), tuple(label for _, label in pairs))
            for pairs in sides.values()
        )
        self.warnings = describe(self._train.plus(self._held))
        self._alphabet = Alphabet.of(self._train)
        self._run = run
        self._config = {name: config[name] for name in _KEPT}
        self.warnings += unmeasured(len(self._held), self._config["temperature"])
        self._targets: NDArray[np.float32] | None = None
        self.training = TrainingConfig(**config["training"])
        self.model = self._network(self.training.seed)
        self.steps_per_epoch = -(-len(self._train) // self.training.batch)

    @staticmethod
    def create(run: Run, request: Request, device: str, **notes: Any) -> "ClassifierTask":
        """Reads and splits the rows. Raises `DataError`: they cannot be used."""
        sources = request.data or ("surnames",)
        rows = load_rows(sources)
        if request.val_data:
            train, held = rows, load_rows([request.val_data])
        else:
            train, held = split_rows(rows, request.val_fraction, request.seed)
        if new := sorted(set(held.labels) - set(train.labels)):
            raise DataError(f"label {new[0]!r} stands in held-out rows only: add rows to train on")
        alphabet = Alphabet.of(train)
        model = recipe.classifier_model(len(alphabet.vocabulary), len(alphabet.labels))
        model = dataclasses.replace(model, **request.model)
        # Teachers are what would be trained without them.
        student = recipe.student_model(model) if request.ensemble else model
        teacher: dict[str, Any] = {"model": dataclasses.asdict(model)}
        model = dataclasses.replace(student, **request.model)
        training = recipe.classifier_training(len(train), request.seed)
        epochs = request.epochs
        if request.minutes is None and epochs is None:
            epochs = teacher["epochs"] = recipe.classifier_epochs(len(train))
            epochs *= recipe.STUDENT_EPOCHS if request.ensemble else 1
        lines = [
            json.dumps({"side": side, "text": text, "label": label}, ensure_ascii=False)
            for side, part in (("train", train), ("held_out", held))
            for text, label in zip(part.texts, part.labels, strict=True)
        ]
        write_bytes(run.folder / "rows.jsonl", ("\n".join(lines) + "\n").encode())
        run.write_config(
            {
                "command": "classifier",
                "data": list(sources),
                "val_data": request.val_data,
                "val_fraction": request.val_fraction,
                "minutes": request.minutes,
                "epochs": epochs,
                "ensemble": request.ensemble,
                "teacher": teacher,
                "temperature": request.temperature,
                "device": device,
                **notes,
                "character_dropout": recipe.CHARACTER_DROPOUT,
                "balance": recipe.BALANCE if request.balance is None else request.balance,
                "model": dataclasses.asdict(model),
                "training": dataclasses.asdict(dataclasses.replace(training, **request.training)),
            }
        )
        return ClassifierTask(run)

    @property
    def alphabet(self) -> Alphabet:
        """Tokens and labels of the model."""
        return self._alphabet

    def prepare(self, device: torch.device, log: Log) -> float:
        """Fits the linear models there are, so that their time is known; trains an ensemble's
        teachers, each in a run folder of its own, and asks them."""
        started = time.monotonic()
        assert self._baselines is not None
        seconds = time.monotonic() - started
        if not self._config["ensemble"]:
            return seconds
        path = self._run.folder / TARGETS
        if not path.exists():
            self._teach(path, seconds, device, log)
        kept = checkpoint.read(path)
        self._run.check_origin(kept["origin"])
        self._targets = kept["targets"].numpy()
        # So that a resumed run goes the same way as one that was never interrupted.
        torch.manual_seed(self.training.seed)
        return seconds + float(kept.get("seconds", 0.0))

    def _teach(self, path: Path, spent: float, device: torch.device, log: Log) -> None:
        """Writes what the ensemble says of each row; `spent` seconds of the minutes are gone."""
        started, count = time.monotonic(), self._config["ensemble"]
        linear = linear_soft_targets(self._train, self._alphabet, self.training.seed)
        seconds = time.monotonic() - started
        schedule = self._schedule(spent + seconds)
        networks = []
        for number in range(1, count + 1):
            log(f"teacher {number} of {count}")
            answers, trained = self._teacher(number, schedule, device, log)
            networks.append(answers)
            seconds += trained
        targets = torch.from_numpy(mix_soft_targets(networks, linear))
        kept = {"origin": self._run.origin(), "targets": targets, "seconds": seconds}
        checkpoint.write(path, kept)

    def _teacher(
        self, number: int, schedule: Schedule, device: torch.device, log: Log
    ) -> tuple[NDArray[np.float32], float]:
        """One teacher's probabilities [rows, labels] on the rows it was trained on, and its
        seconds."""
        seed = self.training.seed + number
        model = self._network(seed, **self._config["teacher"]["model"]).to(device)
        objective = self._objective(model, seed, device)
        outcome = train_teacher(
            self._run, str(number), objective, schedule, self.training, device, log
        )
        assert isinstance(outcome.model, RecurrentClassifier)
        logits = classification.logits_of(outcome.model, self._alphabet, self._train.texts)
        # The balance is the pupil's own affair: its targets are as frequent as the labels.
        shift = torch.tensor(self._alphabet.log_prior(self._train)) * self._config["balance"]
        answers: NDArray[np.float32] = torch.softmax(logits + shift, -1).numpy()
        return answers, outcome.seconds

    def _schedule(self, spent: float) -> Schedule:
        """A teacher's: of minutes it gets as many as the pupil, when so many seconds are gone."""
        minutes = self._config["minutes"]
        if minutes is not None:
            minutes = max(minutes - spent / 60, minutes / 2) / (self._config["ensemble"] + 1)
        epochs = self._config["teacher"].get("epochs", self._config["epochs"])
        return Schedule.of(self.training.learning_rate, self.steps_per_epoch, epochs, minutes)

    def _network(self, seed: int, **change: Any) -> RecurrentClassifier:
        """A fresh one; what is drawn after it depends on `seed` too."""
        torch.manual_seed(seed)
        model = RecurrentClassifier(ClassifierConfig(**self._config["model"] | change))
        objective.count_evidence(model, self._alphabet, self._train)
        return model

    def objective(self, device: torch.device) -> Objective:
        return self._objective(self.model, self.training.seed, device)

    def _objective(self, model: RecurrentClassifier, seed: int, device: torch.device) -> Objective:
        return objective.ClassifierObjective(
            model,
            self._alphabet,
            self._train,
            self._held,
            self.training.batch,
            self._config["character_dropout"],
            seed,
            device,
            self._config["balance"],
            self._targets,
        )

    def measure(self, model: RecurrentClassifier) -> HeldOutResult:
        if not len(self._held):
            return HeldOutResult({}, self._config["temperature"])
        logits, labels = self._held_out_logits(model)
        even = metrics.temperature_scaled(logits, labels)
        found = metrics.summary(even, labels)
        priors = metrics.by_prior(even, labels, self._log_prior())
        best = max(priors, key=lambda prior: priors[prior]["macro_f1"])
        found["best_prior"] = best
        found["best_prior_macro_f1"] = priors[best]["macro_f1"]
        found["held_out_rows"] = float(len(labels))
        return HeldOutResult(found, metrics.fit_temperature(logits, labels))

    def plot(self, model: RecurrentClassifier, folder: Path) -> None:
        """The confusion matrix of the held-out rows, and how far answers can be trusted."""
        if not len(self._held):
            return
        logits, labels = self._held_out_logits(model)
        answers = logits.argmax(-1).numpy()
        reliability = metrics.reliability(metrics.temperature_scaled(logits, labels), labels)
        plots.classifier_plots(labels.numpy(), answers, reliability, self._alphabet.labels, folder)

    def compare(self, model: RecurrentClassifier, folder: Path) -> list[str]:
        """Beside linear n-gram models of the same rows; all figures go into held_out.json."""
        if not len(self._held):
            return []
        logits, labels = self._held_out_logits(model)
        scored = {"network": logits} | {
            each.name: each.scores(self._held.texts) for each in self._baselines
        }
        figures = {
            name: {
                "accuracy": metrics.accuracy(scores, labels),
                "macro_f1": metrics.macro_f1(scores, labels),
            }
            for name, scores in scored.items()
        }
        found = {
            "models": figures,
            "priors": metrics.by_prior(
                metrics.temperature_scaled(logits, labels), labels, self._log_prior()
            ),
            "labels": metrics.by_label(logits, labels, self._alphabet.labels),
        }
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        write_bytes(folder / "held_out.json", text.encode())
        return _comparison(figures)

    @cached_property
    def _baselines(self) -> list[NGramModel]:
        """What a network is set beside on the held-out rows."""
        if not len(self._held):
            return []
        return fit_baselines(self._train, self._alphabet, self.training.seed)

    def _log_prior(self) -> tuple[float, ...]:
        """What is left of it after `balance`, so that a `prior` of 1 is an even one for all."""
        left = 1 - self._config["balance"]
        return tuple(left * each for each in self._alphabet.log_prior(self._train))

    def _held_out_logits(self, model: RecurrentClassifier) -> tuple[Tensor, Tensor]:
        return classification.held_out_logits(model, self._alphabet, self._held)

    def loss(self, stepper: Stepper) -> float:
        rows = self._held if len(self._held) >= _LOSS_ROWS // 10 else self._train
        order = np.random.default_rng(0).permutation(len(rows))[:_LOSS_ROWS]
        chosen = rows.take(order.tolist())
        answers = Classifier(stepper).classify(list(chosen.texts), top=len(self._alphabet.labels))
        shares = [
            next(each.probability for each in answer.top if each.label == label)
            for answer, label in zip(answers, chosen.labels, strict=True)
        ]
        return float(-np.log(np.maximum(shares, 1e-30)).mean())

    def card(self, result: HeldOutResult) -> ModelCard:
        return ModelCard(
            vocabulary=self._alphabet.vocabulary,
            unknown=self._alphabet.unknown,
            normalization=NORMALIZATION,
            labels=self._alphabet.labels,
            begin=BEGIN,
            end=END,
            log_prior=self._log_prior(),
            temperature=result.temperature,
            training={
                "data_sha256": self._train.sha256(),
                "data_rows": len(self._train),
                **rounded(result.metrics),
            },
        )


def _comparison(figures: dict[str, dict[str, float]]) -> list[str]:
    """A table of the network, which stands first, and its baselines, and who should be used."""
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
