"""The two kinds of run, each rebuilt from its folder alone: data, model, task, verdict, card.

A job is made new from a request, which writes the folder, or opened from a folder: training,
resuming, exporting and evaluating all start from the same object.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_infer import Classifier
from rnn_infer.charlm import sequence_loss
from rnn_infer.stepper import Stepper
from rnn_train import charlm, checkpoint, classifier, distillation, plots, quality, recipes
from rnn_train.baseline import fit_baselines
from rnn_train.corpus import (
    MIN_CHARACTERS,
    Corpus,
    Streams,
    build_corpus,
    encode_text,
    open_corpus,
)
from rnn_train.datasets import open_texts
from rnn_train.errors import DataError, RunError
from rnn_train.export import Card
from rnn_train.files import replacing, write_bytes
from rnn_train.labelled import NORMALIZATION, Rows, describe, load_rows, split_rows
from rnn_train.models import CharLSTM, CharLSTMConfig, ClassifierConfig, RecurrentClassifier
from rnn_train.plan import Plan
from rnn_train.run import Run
from rnn_train.training import Task, Trainer, TrainingConfig

Say = Callable[[str], None]
"""Where lines for the person at the screen go."""

_LOSS_CHARACTERS = 40_000
_LOSS_ROWS = 2_000
"""Of data read to find out what 8-bit weights cost."""
INITIAL = "initial.ckpt"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What a training command was asked; None where the choice is left to the recipe."""

    data: tuple[str, ...] = ()
    val_data: str | None = None
    val_fraction: float = 0.1
    min_count: int = 1
    init_from: Path | None = None
    """charlm: a run whose vocabulary, shape and weights this one starts from."""
    minutes: float | None = None
    epochs: float | None = None
    seed: int = 0
    ensemble: int = 0
    """classifier: networks that teach the one that is exported; 0: it learns from the labels."""
    balance: float | None = None
    """classifier: see `ClassifierTask`"""
    temperature: float = 1.0
    """classifier: what logits are divided by where no held-out rows tell; from a run that had."""
    model: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of the model's config that were given."""
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of the training config that were given."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How good a model is on held-out data; without any, nothing is known."""

    metrics: dict[str, float]
    temperature: float = 1.0


class Job(Protocol):
    """One run's data and model."""

    training: TrainingConfig
    steps_per_epoch: int
    warnings: list[str]
    """On the data."""

    @property
    def model(self) -> CharLSTM | RecurrentClassifier:
        """What the run trains."""

    def prepare(self, device: torch.device, say: Say) -> None:
        """What must be there before the loop starts; goes on where it was interrupted."""

    def task(self, device: torch.device) -> Task:
        """What the training loop works on."""

    def judge(self, model: Any) -> Verdict:
        """Measures a model on the held-out data, and fits the temperature there."""

    def plot(self, model: Any, folder: Path) -> None:
        """Draws what is worth seeing of a finished model."""

    def compare(self, model: Any, folder: Path) -> list[str]:
        """Sets a finished model beside a simpler one; returns lines to show."""

    def card(self, verdict: Verdict) -> Card:
        """What the exported file says of itself."""

    def loss(self, stepper: Stepper) -> float:
        """Nats a character, or a text, of an exported file on the held-out data, or on a part of
        the training data where none is held out."""


class CharLMJob:
    """A character LSTM on a text."""

    def __init__(self, run: Run) -> None:
        config = run.config()
        self.corpus = open_corpus(
            run.folder / "corpus.bin", config["vocabulary"], config["unknown"], config["sha256"]
        )
        # By the config, not by what lies there: an attempt that died may have left a file.
        if config["val_data"]:
            held = run.folder / "held_out.bin"
            self.train_tokens = self.corpus.tokens
            self._held = open_corpus(held, config["vocabulary"], config["unknown"], "").tokens
        else:
            self.train_tokens, self._held = self.corpus.split(config["val_fraction"])
        self.training = TrainingConfig(**config["training"])
        self.model = CharLSTM(CharLSTMConfig(**config["model"]))
        if config["init_from"]:
            self.model.load_state_dict(checkpoint.read(run.folder / INITIAL))
        self._streams = Streams(
            self.train_tokens, self.training.batch, self.training.window, self.training.seed
        )
        self.steps_per_epoch = self._streams.windows
        self.warnings: list[str] = []

    @staticmethod
    def create(run: Run, request: Request, device: str, **notes: Any) -> "CharLMJob":
        """Reads and encodes the text, and decides what the request left open.

        Args:
            notes: more to write into the run's config.

        Raises:
            DataError: the text cannot be used.
        """
        sources = request.data or ("python",)
        base = _Base.of(request) if request.init_from else None
        corpus = _encode(run, request, sources, base)
        characters = len(corpus.tokens)
        minutes = request.minutes
        if minutes is None and request.epochs is None:
            minutes = recipes.charlm_minutes(characters, device)
        if base:
            model = base.model
        else:
            model = recipes.charlm_model(len(corpus.vocabulary), characters, minutes, device)
        training = recipes.charlm_training(characters, request.seed, tuned=base is not None)
        run.write_config(
            {
                "command": "charlm",
                "data": list(sources),
                "characters": characters,
                "vocabulary": "".join(corpus.vocabulary),
                "unknown": corpus.unknown,
                "init_from": str(request.init_from) if base else None,
                "sha256": corpus.sha256,
                "val_data": request.val_data,
                "val_fraction": request.val_fraction,
                "minutes": minutes,
                "epochs": request.epochs,
                "device": device,
                **notes,
                "model": dataclasses.asdict(dataclasses.replace(model, **request.model)),
                "training": dataclasses.asdict(dataclasses.replace(training, **request.training)),
            }
        )
        return CharLMJob(run)

    def prepare(self, device: torch.device, say: Say) -> None:
        """The text is all it needs."""

    def task(self, device: torch.device) -> Task:
        return charlm.CharLMTask(
            self.model, self._streams, self._held, self.corpus.vocabulary, self._start(), device
        )

    def judge(self, model: CharLSTM) -> Verdict:
        if len(self._held) < 2:
            return Verdict({})
        temperature = charlm.fit_temperature(model, self._held)
        nats = charlm.held_out_loss(model, self._held, temperature=temperature)
        metrics = {
            "held_out_nats_per_char": nats,
            "held_out_bits_per_char": charlm.bits(nats),
            "held_out_characters": float(len(self._held)),
        }
        return Verdict(metrics, temperature)

    def plot(self, model: CharLSTM, folder: Path) -> None:
        """The loss curve says it all."""

    def compare(self, model: CharLSTM, folder: Path) -> list[str]:  # noqa: ARG002
        """Nothing to set it beside."""
        return []

    def loss(self, stepper: Stepper) -> float:
        tokens = self._held if len(self._held) > _LOSS_CHARACTERS // 10 else self.train_tokens
        streams = max(1, min(32, len(tokens) // 1000))
        length = min(len(tokens) - 1, _LOSS_CHARACTERS) // streams
        rows = np.stack([tokens[i * length : (i + 1) * length + 1] for i in range(streams)])
        return sequence_loss(stepper, rows.astype(np.int64))

    def card(self, verdict: Verdict) -> Card:
        return Card(
            vocabulary=self.corpus.vocabulary,
            unknown=self.corpus.unknown,
            start=self.corpus.vocabulary[self._start()],
            temperature=verdict.temperature,
            training={
                "data_sha256": self.corpus.sha256,
                "data_characters": len(self.corpus.tokens),
                **_rounded(verdict.metrics),
            },
        )

    def _start(self) -> int:
        """A line end, after which any line may begin; else the text's own first character."""
        vocabulary = self.corpus.vocabulary
        return vocabulary.index("\n") if "\n" in vocabulary else int(self.corpus.tokens[0])


@dataclasses.dataclass(frozen=True)
class _Base:
    """What a run takes from an earlier one."""

    vocabulary: tuple[str, ...]
    unknown: int | None
    model: CharLSTMConfig
    weights: dict[str, torch.Tensor]

    @classmethod
    def of(cls, request: Request) -> "_Base":
        """Reads the run to start from. Raises `RunError`: it cannot be, or options do not fit."""
        assert request.init_from is not None
        if request.min_count > 1:
            raise RunError("--init-from keeps the vocabulary as it is; drop --min-count")
        run = Run.open(request.init_from)
        try:
            config = run.config()
            if config.get("command") != "charlm":
                raise RunError(f"{run.folder} is no charlm run; --init-from needs one")
            state, _ = run.last_state()
        finally:
            run.close()
        model = CharLSTMConfig(**config["model"])
        for name in ("embedding", "hidden", "layers", "head"):
            if request.model.get(name, own := getattr(model, name)) != own:
                raise RunError(f"{run.folder} has {name} {own}, which stays; drop --{name}")
        weights = checkpoint.averaged_weights(state)
        return cls(tuple(config["vocabulary"]), config["unknown"], model, weights)


def _encode(run: Run, request: Request, sources: Sequence[str], base: _Base | None) -> Corpus:
    """Writes a new run's texts, and the weights it begins with, into its folder."""
    path, files = run.folder / "corpus.bin", open_texts(sources)
    if base:
        corpus = encode_text(files, base.vocabulary, base.unknown, path, MIN_CHARACTERS)
        checkpoint.write(run.folder / INITIAL, base.weights)
    else:
        corpus = build_corpus(files, path, request.min_count)
    if request.val_data:
        held, path = open_texts([request.val_data]), run.folder / "held_out.bin"
        encode_text(held, corpus.vocabulary, corpus.unknown, path)
    return corpus


class ClassifierJob:
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
        self._alphabet = classifier.Alphabet.of(self._train)
        self._run = run
        self._config = config
        self._targets: NDArray[np.float32] | None = None
        self.training = TrainingConfig(**config["training"])
        self.model = self._network(self.training.seed)
        self.steps_per_epoch = -(-len(self._train) // self.training.batch)

    @staticmethod
    def create(run: Run, request: Request, device: str, **notes: Any) -> "ClassifierJob":
        """Reads and splits the rows. Raises `DataError`: they cannot be used."""
        sources = request.data or ("surnames",)
        rows = load_rows(sources)
        if request.val_data:
            train, held = rows, load_rows([request.val_data])
        else:
            train, held = split_rows(rows, request.val_fraction, request.seed)
        if new := sorted(set(held.labels) - set(train.labels)):
            raise DataError(f"label {new[0]!r} stands in held-out rows only: add rows to train on")
        alphabet = classifier.Alphabet.of(train)
        model = recipes.classifier_model(len(alphabet.vocabulary), len(alphabet.labels))
        model = dataclasses.replace(model, **request.model)
        teacher: dict[str, Any] = {"dropout": model.dropout}
        if request.ensemble and "dropout" not in request.model:
            model = dataclasses.replace(model, dropout=recipes.PUPIL_DROPOUT)
        training = recipes.classifier_training(len(train), request.seed)
        epochs = request.epochs
        if request.minutes is None and epochs is None:
            epochs = teacher["epochs"] = recipes.classifier_epochs(len(train))
            epochs *= recipes.PUPIL_EPOCHS if request.ensemble else 1
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
                # Each network of an ensemble gets its share of them.
                "minutes": request.minutes and request.minutes / (request.ensemble + 1),
                "epochs": epochs,
                "ensemble": request.ensemble,
                "teacher": teacher,
                "temperature": request.temperature,
                "device": device,
                **notes,
                "character_dropout": recipes.CHARACTER_DROPOUT,
                "balance": recipes.BALANCE if request.balance is None else request.balance,
                "model": dataclasses.asdict(model),
                "training": dataclasses.asdict(dataclasses.replace(training, **request.training)),
            }
        )
        return ClassifierJob(run)

    @property
    def alphabet(self) -> classifier.Alphabet:
        """Tokens and labels of the model."""
        return self._alphabet

    def prepare(self, device: torch.device, say: Say) -> None:
        """Trains an ensemble's teachers, each in a run folder of its own, and asks them."""
        count = self._config.get("ensemble", 0)
        path = self._run.folder / "targets.npy"
        if count and not path.exists():
            networks = []
            for number in range(1, count + 1):
                say(f"teacher {number} of {count}")
                networks.append(self._teacher(number, device, say))
            linear = distillation.linear_answers(self._train, self._alphabet, self.training.seed)
            with replacing(path) as stream:
                np.save(stream, distillation.blend(networks, linear), allow_pickle=False)
            # So that a resumed run goes the same way as one that was never interrupted.
            torch.manual_seed(self.training.seed)
        if count:
            self._targets = np.load(path, allow_pickle=False)

    def _teacher(self, number: int, device: torch.device, say: Say) -> NDArray[np.float32]:
        """One teacher's probabilities [rows, labels] on the rows it was trained on."""
        seed = self.training.seed + number
        run = self._run.part(f"teachers/{number}")
        run.write_config(self._config | {"number": number})
        model = self._network(seed, dropout=self._config["teacher"]["dropout"]).to(device)
        trainer = Trainer(run, self._task(model, seed, device), self._plan(), self.training, device)
        if checkpoint.exists(run.checkpoints):
            trainer.restore(run.last_state()[0])
        outcome = trainer.fit()
        assert isinstance(outcome.model, RecurrentClassifier)
        if not outcome.finished:
            say(f"interrupted; go on with: rnn-train classifier --resume {self._run.folder}")
            raise KeyboardInterrupt
        logits = classifier.logits_of(outcome.model, self._alphabet, self._train.texts)
        # The balance is the pupil's own affair: its targets are as frequent as the labels.
        shift = torch.tensor(self._alphabet.log_prior(self._train)) * self._config["balance"]
        answers: NDArray[np.float32] = torch.softmax(logits + shift, -1).numpy()
        return answers

    def _plan(self) -> Plan:
        """A teacher's: of minutes it gets as many as the pupil."""
        minutes = self._config["minutes"]
        epochs = self._config["teacher"].get("epochs", self._config["epochs"])
        steps = None if epochs is None else max(1, round(epochs * self.steps_per_epoch))
        return Plan(self.training.learning_rate, steps=steps, minutes=minutes)

    def _network(self, seed: int, **change: Any) -> RecurrentClassifier:
        """A fresh one; what is drawn after it depends on `seed` too."""
        torch.manual_seed(seed)
        model = RecurrentClassifier(ClassifierConfig(**self._config["model"] | change))
        classifier.count_evidence(model, self._alphabet, self._train)
        return model

    def task(self, device: torch.device) -> Task:
        return self._task(self.model, self.training.seed, device)

    def _task(self, model: RecurrentClassifier, seed: int, device: torch.device) -> Task:
        return classifier.ClassifierTask(
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

    def judge(self, model: RecurrentClassifier) -> Verdict:
        if not len(self._held):
            return Verdict({}, self._config["temperature"])
        logits, labels = self._held_out_logits(model)
        even = quality.tempered(logits, labels)
        metrics = quality.metrics(even, labels)
        priors = quality.by_prior(even, labels, self._log_prior())
        best = max(priors, key=lambda prior: priors[prior]["macro_f1"])
        metrics["best_prior"] = best
        metrics["best_prior_macro_f1"] = priors[best]["macro_f1"]
        metrics["held_out_rows"] = float(len(labels))
        return Verdict(metrics, quality.fit_temperature(logits, labels))

    def plot(self, model: RecurrentClassifier, folder: Path) -> None:
        """The confusion matrix of the held-out rows, and how far answers can be trusted."""
        if not len(self._held):
            return
        logits, labels = self._held_out_logits(model)
        answers = logits.argmax(-1).numpy()
        path = folder / "confusion.png"
        plots.confusion_matrix(labels.numpy(), answers, self._alphabet.labels, path)
        reliability = quality.reliability(quality.tempered(logits, labels), labels)
        plots.reliability_diagram(reliability, folder / "reliability.png")

    def compare(self, model: RecurrentClassifier, folder: Path) -> list[str]:
        """Beside linear n-gram models of the same rows; all figures go into held_out.json."""
        if not len(self._held):
            return []
        logits, labels = self._held_out_logits(model)
        scored = {"network": logits} | {
            each.name: each.scores(self._held.texts)
            for each in fit_baselines(self._train, self._alphabet, self.training.seed)
        }
        figures = {
            name: {
                "accuracy": quality.accuracy(scores, labels),
                "macro_f1": quality.macro_f1(scores, labels),
            }
            for name, scores in scored.items()
        }
        found = {
            "models": figures,
            "priors": quality.by_prior(quality.tempered(logits, labels), labels, self._log_prior()),
            "labels": quality.by_label(logits, labels, self._alphabet.labels),
        }
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        write_bytes(folder / "held_out.json", text.encode())
        return _comparison(figures)

    def _log_prior(self) -> tuple[float, ...]:
        """What is left of it after `balance`, so that a `prior` of 1 is an even one for all."""
        left = 1 - self._config["balance"]
        return tuple(left * each for each in self._alphabet.log_prior(self._train))

    def _held_out_logits(self, model: RecurrentClassifier) -> tuple[Tensor, Tensor]:
        return classifier.held_out_logits(model, self._alphabet, self._held)

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

    def card(self, verdict: Verdict) -> Card:
        return Card(
            vocabulary=self._alphabet.vocabulary,
            unknown=self._alphabet.unknown,
            normalization=NORMALIZATION,
            labels=self._alphabet.labels,
            begin=classifier.BEGIN,
            end=classifier.END,
            log_prior=self._log_prior(),
            temperature=verdict.temperature,
            training={
                "data_sha256": self._train.sha256(),
                "data_rows": len(self._train),
                **_rounded(verdict.metrics),
            },
        )


JOBS: dict[str, type[CharLMJob] | type[ClassifierJob]] = {
    "charlm": CharLMJob,
    "classifier": ClassifierJob,
}


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


def _rounded(metrics: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in metrics.items()}
