"""A run that trains a character LSTM on a text."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn_infer.charlm import sequence_loss
from rnn_infer.stepper import Stepper
from rnn_train import charlm, checkpoint, recipes
from rnn_train.corpus import (
    MIN_CHARACTERS,
    Corpus,
    Streams,
    build_corpus,
    encode_text,
    open_corpus,
)
from rnn_train.datasets import open_texts
from rnn_train.errors import RunError
from rnn_train.export import Card
from rnn_train.job import Request, Say, Verdict, rounded, unmeasured
from rnn_train.models import CharLSTM, CharLSTMConfig
from rnn_train.run import Run
from rnn_train.training import Task, TrainingConfig

INITIAL = "initial.ckpt"
_LOSS_CHARACTERS = 40_000
"""Of text read to find out what 8-bit weights cost."""


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
            self.held_out = open_corpus(held, config["vocabulary"], config["unknown"], "").tokens
        else:
            self.train_tokens, self.held_out = self.corpus.split(config["val_fraction"])
        self.training = TrainingConfig(**config["training"])
        self.model = CharLSTM(CharLSTMConfig(**config["model"]))
        if config["init_from"]:
            self.model.load_state_dict(checkpoint.read(run.folder / INITIAL))
        self._streams = Streams(
            self.train_tokens, self.training.batch, self.training.window, self.training.seed
        )
        self.steps_per_epoch = self._streams.windows
        # Runs from before it could be given have none.
        self._temperature = config.get("temperature", 1.0)
        self.warnings = unmeasured(len(self.held_out), self._temperature)

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
            model = recipes.charlm_model(
                len(corpus.vocabulary),
                characters,
                device,
                minutes=minutes,
                epochs=request.epochs,
            )
        tuned = base is not None
        training = recipes.charlm_training(characters, minutes, device, request.seed, tuned)
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
                "temperature": request.temperature,
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
            self.model, self._streams, self.held_out, self.corpus.vocabulary, self._start(), device
        )

    def judge(self, model: CharLSTM) -> Verdict:
        if len(self.held_out) < 2:
            return Verdict({}, self._temperature)
        temperature = charlm.fit_temperature(model, self.held_out)
        nats = charlm.held_out_loss(model, self.held_out, temperature=temperature)
        metrics = {
            "held_out_nats_per_char": nats,
            "held_out_bits_per_char": charlm.bits(nats),
            "held_out_characters": float(len(self.held_out)),
        }
        return Verdict(metrics, temperature)

    def plot(self, model: CharLSTM, folder: Path) -> None:
        """The loss curve says it all."""

    def compare(self, model: CharLSTM, folder: Path) -> list[str]:  # noqa: ARG002
        """Nothing to set it beside."""
        return []

    def loss(self, stepper: Stepper) -> float:
        tokens = self.held_out if len(self.held_out) > _LOSS_CHARACTERS // 10 else self.train_tokens
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
                **rounded(verdict.metrics),
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
        for name in ("embedding", "hidden", "layers", "head", "skip"):
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
