"""The two kinds of run, each rebuilt from its folder alone: data, model, task, verdict, card.

A job is made new from a request, which writes the folder, or opened from a folder: training,
resuming, exporting and evaluating all start from the same object.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_train import charlm, classifier, evaluation, plots, recipes
from rnn_train.baseline import fit_baselines
from rnn_train.corpus import Streams, build_corpus, encode_text, open_corpus
from rnn_train.datasets import TEXT_SETS, text_set
from rnn_train.errors import DataError
from rnn_train.export import Card
from rnn_train.files import write_bytes
from rnn_train.labelled import NORMALIZATION, Rows, describe, load_rows, split_rows
from rnn_train.models import CharLSTM, CharLSTMConfig, ClassifierConfig, RecurrentClassifier
from rnn_train.run import Run
from rnn_train.sources import TextFile, find_texts
from rnn_train.training import Task, TrainingConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What a training command was asked; None where the choice is left to the recipe."""

    data: tuple[str, ...] = ()
    val_data: str | None = None
    val_fraction: float = 0.1
    min_count: int = 1
    minutes: float | None = None
    epochs: float | None = None
    seed: int = 0
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


class CharLMJob:
    """A character LSTM on a text."""

    def __init__(self, run: Run) -> None:
        config = run.config()
        self._corpus = open_corpus(
            run.folder / "corpus.bin", config["vocabulary"], config["unknown"], config["sha256"]
        )
        held = run.folder / "held_out.bin"
        if held.exists():
            self._train: NDArray[np.integer] = self._corpus.tokens
            self._held: NDArray[np.integer] = np.fromfile(held, self._corpus.tokens.dtype)
        else:
            self._train, self._held = self._corpus.split(config["val_fraction"])
        self.training = TrainingConfig(**config["training"])
        self.model = CharLSTM(CharLSTMConfig(**config["model"]))
        self._streams = Streams(
            self._train, self.training.batch, self.training.window, self.training.seed
        )
        self.steps_per_epoch = self._streams.windows
        self.warnings: list[str] = []

    @staticmethod
    def create(run: Run, request: Request, device: str) -> "CharLMJob":
        """Reads and encodes the text, and decides what the request left open.

        Raises:
            DataError: the text cannot be used.
        """
        sources = request.data or ("python",)
        corpus = build_corpus(_texts(sources), run.folder / "corpus.bin", request.min_count)
        characters = len(corpus.tokens)
        if request.val_data:
            held = encode_text(find_texts([request.val_data]), corpus)
            write_bytes(run.folder / "held_out.bin", held.tobytes())
        minutes = request.minutes
        if minutes is None and request.epochs is None:
            minutes = recipes.charlm_minutes(characters, device)
        model = recipes.charlm_model(len(corpus.vocabulary), characters, minutes, device)
        training = recipes.charlm_training(characters, request.seed)
        run.write_config(
            {
                "command": "charlm",
                "data": list(sources),
                "characters": characters,
                "vocabulary": "".join(corpus.vocabulary),
                "unknown": corpus.unknown,
                "sha256": corpus.sha256,
                "val_data": request.val_data,
                "val_fraction": request.val_fraction,
                "minutes": minutes,
                "epochs": request.epochs,
                "device": device,
                "model": dataclasses.asdict(dataclasses.replace(model, **request.model)),
                "training": dataclasses.asdict(dataclasses.replace(training, **request.training)),
            }
        )
        return CharLMJob(run)

    def task(self, device: torch.device) -> Task:
        return charlm.CharLMTask(
            self.model, self._streams, self._held, self._corpus.vocabulary, self._start(), device
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

    def card(self, verdict: Verdict) -> Card:
        return Card(
            vocabulary=self._corpus.vocabulary,
            unknown=self._corpus.unknown,
            start=self._corpus.vocabulary[self._start()],
            temperature=verdict.temperature,
            training={
                "data_sha256": self._corpus.sha256,
                "data_characters": len(self._corpus.tokens),
                **_rounded(verdict.metrics),
            },
        )

    def _start(self) -> int:
        """A line end, after which any line may begin; else the text's own first character."""
        vocabulary = self._corpus.vocabulary
        return vocabulary.index("\n") if "\n" in vocabulary else int(self._corpus.tokens[0])


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
        self._character_dropout = config["character_dropout"]
        self.training = TrainingConfig(**config["training"])
        self.model = RecurrentClassifier(ClassifierConfig(**config["model"]))
        self.steps_per_epoch = -(-len(self._train) // self.training.batch)

    @staticmethod
    def create(run: Run, request: Request, device: str) -> "ClassifierJob":
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
        model = ClassifierConfig(
            vocabulary=len(alphabet.vocabulary), labels=len(alphabet.labels), **request.model
        )
        training = recipes.classifier_training(request.seed)
        epochs = request.epochs
        if request.minutes is None and epochs is None:
            epochs = recipes.CLASSIFIER_EPOCHS
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
                "device": device,
                "character_dropout": recipes.CHARACTER_DROPOUT,
                "model": dataclasses.asdict(model),
                "training": dataclasses.asdict(dataclasses.replace(training, **request.training)),
            }
        )
        return ClassifierJob(run)

    def task(self, device: torch.device) -> Task:
        return classifier.ClassifierTask(
            self.model,
            self._alphabet,
            self._train,
            self._held,
            self.training.batch,
            self._character_dropout,
            self.training.seed,
            device,
        )

    def judge(self, model: RecurrentClassifier) -> Verdict:
        if not len(self._held):
            return Verdict({})
        logits, labels = self._held_out_logits(model)
        even = evaluation.tempered(logits, labels)
        metrics = evaluation.metrics(even, labels)
        priors = evaluation.by_prior(even, labels, self._alphabet.log_prior(self._train))
        best = max(priors, key=lambda prior: priors[prior]["macro_f1"])
        metrics["best_prior"] = best
        metrics["best_prior_macro_f1"] = priors[best]["macro_f1"]
        metrics["held_out_rows"] = float(len(labels))
        return Verdict(metrics, evaluation.fit_temperature(logits, labels))

    def plot(self, model: RecurrentClassifier, folder: Path) -> None:
        """The confusion matrix of the held-out rows, and how far answers can be trusted."""
        if not len(self._held):
            return
        logits, labels = self._held_out_logits(model)
        answers = logits.argmax(-1).numpy()
        path = folder / "confusion.png"
        plots.confusion_matrix(labels.numpy(), answers, self._alphabet.labels, path)
        reliability = evaluation.reliability(evaluation.tempered(logits, labels), labels)
        plots.reliability_diagram(reliability, folder / "reliability.png")

    def compare(self, model: RecurrentClassifier, folder: Path) -> list[str]:
        """Beside linear n-gram models of the same rows; all figures go into held_out.json."""
        if not len(self._held):
            return []
        logits, labels = self._held_out_logits(model)
        scored = {"network": logits} | {
            each.name: each.scores
            for each in fit_baselines(self._train, self._held, self._alphabet, self.training.seed)
        }
        figures = {
            name: {
                "accuracy": evaluation.accuracy(scores, labels),
                "macro_f1": evaluation.macro_f1(scores, labels),
            }
            for name, scores in scored.items()
        }
        found = {
            "models": figures,
            "priors": evaluation.by_prior(logits, labels, self._alphabet.log_prior(self._train)),
            "labels": evaluation.by_label(logits, labels, self._alphabet.labels),
        }
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        write_bytes(folder / "held_out.json", text.encode())
        return _comparison(figures)

    def _held_out_logits(self, model: RecurrentClassifier) -> tuple[Tensor, Tensor]:
        return classifier.held_out_logits(model, self._alphabet, self._held)

    def card(self, verdict: Verdict) -> Card:
        return Card(
            vocabulary=self._alphabet.vocabulary,
            unknown=self._alphabet.unknown,
            normalization=NORMALIZATION,
            labels=self._alphabet.labels,
            begin=classifier.BEGIN,
            end=classifier.END,
            log_prior=self._alphabet.log_prior(self._train),
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


def _texts(sources: tuple[str, ...]) -> list[TextFile]:
    files: list[TextFile] = []
    for source in sources:
        # A file of that name would be meant: a set is what no file is called.
        named = source in TEXT_SETS and not Path(source).exists()
        files += text_set(source) if named else find_texts([source])
    return files


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
