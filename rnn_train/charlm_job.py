"""A run that trains a character LSTM on a text."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn_infer.charlm import sequence_loss
from rnn_infer.runtime import Device
from rnn_infer.stepper import Stepper
from rnn_train import charlm, checkpoint, recipes
from rnn_train.corpus import (
    MIN_CHARACTERS,
    Corpus,
    Ring,
    Streams,
    build_corpus,
    encode_text,
    open_corpus,
)
from rnn_train.datasets import open_texts
from rnn_train.errors import RunError
from rnn_train.export import Card
from rnn_train.files import write_bytes
from rnn_train.job import Request, Say, Verdict, rounded, unmeasured
from rnn_train.models import CharLSTM, CharLSTMConfig
from rnn_train.run import Run
from rnn_train.teachers import ANSWER, Teachers, open_answers
from rnn_train.training import Task, TrainingConfig

INITIAL = "initial.ckpt"
ANSWERS = "answers.bin"
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
        # Runs from before these could be given have none.
        self._temperature = config.get("temperature", 1.0)
        self._teachers = [run.folder / name for name in config.get("teachers", {})]
        self._say = config.get("teachers_say", 0.0)
        self._folder, self._answers = run.folder, run.folder / ANSWERS
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
        teachers = _Teaching.of(request) if request.teachers else None
        corpus = _encode(run, request, sources, base, teachers)
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
                taught=teachers is not None,
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
                "teachers": teachers.copy(run) if teachers else {},
                "teachers_say": recipes.TEACHERS_SAY,
                "device": device,
                **notes,
                "model": dataclasses.asdict(dataclasses.replace(model, **request.model)),
                "training": dataclasses.asdict(dataclasses.replace(training, **request.training)),
            }
        )
        return CharLMJob(run)

    def prepare(self, device: torch.device, say: Say) -> float:
        """Asks the teachers, if there are any."""
        started = time.monotonic()
        if self._teachers and not self._answered():
            say(f"teachers read the text ({len(self.train_tokens):,} characters)")
            where: Device = "auto" if device.type == "cuda" else "cpu"
            try:
                teachers = Teachers(self._teachers, where, torch.get_num_threads())
                teachers.answer(self.train_tokens, self._answers)
            except KeyboardInterrupt:
                say(f"interrupted; go on with: rnn-train charlm --resume {self._folder}")
                raise
        return time.monotonic() - started

    def _answered(self) -> bool:
        size = len(self.train_tokens) * len(self.corpus.vocabulary) * ANSWER.itemsize
        return self._answers.exists() and self._answers.stat().st_size == size

    def task(self, device: torch.device) -> Task:
        answers = None
        if self._teachers:
            answers = Ring(open_answers(self._answers, len(self.corpus.vocabulary)))
        return charlm.CharLMTask(
            self.model,
            self._streams,
            self.held_out,
            self.corpus.vocabulary,
            self._start(),
            device,
            answers,
            self._say,
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
                **({"teachers": len(self._teachers)} if self._teachers else {}),
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


@dataclasses.dataclass(frozen=True)
class _Teaching:
    """The files a run is to learn from."""

    files: tuple[Path, ...]
    vocabulary: tuple[str, ...]
    unknown: int | None

    @classmethod
    def of(cls, request: Request) -> "_Teaching":
        """Reads them. Raises `RnnInferError`, `RnnTrainError`: they cannot teach, or options do
        not fit."""
        if request.min_count > 1:
            raise RunError("--teacher keeps the vocabulary as it is; drop --min-count")
        teachers = Teachers(request.teachers)
        return cls(request.teachers, teachers.vocabulary, teachers.unknown)

    def copy(self, run: Run) -> dict[str, str]:
        """Puts them into a run's folder, which then needs the originals no more. Returns where
        they lie there, and where they came from."""
        kept = {f"teachers/{number}.onnx": file for number, file in enumerate(self.files, 1)}
        for name, file in kept.items():
            write_bytes(run.folder / name, file.read_bytes())
        return {name: str(file) for name, file in kept.items()}


def _encode(
    run: Run,
    request: Request,
    sources: Sequence[str],
    base: _Base | None,
    teachers: _Teaching | None,
) -> Corpus:
    """Writes a new run's texts, and the weights it begins with, into its folder."""
    path, files = run.folder / "corpus.bin", open_texts(sources)
    (run.folder / ANSWERS).unlink(missing_ok=True)  # of an attempt that died
    if base and teachers and base.vocabulary != teachers.vocabulary:
        raise RunError(f"{request.init_from} has another vocabulary than {teachers.files[0]}")
    if base:
        checkpoint.write(run.folder / INITIAL, base.weights)
    if known := base or teachers:
        corpus = encode_text(files, known.vocabulary, known.unknown, path, MIN_CHARACTERS)
    else:
        corpus = build_corpus(files, path, request.min_count)
    if request.val_data:
        held, path = open_texts([request.val_data]), run.folder / "held_out.bin"
        encode_text(held, corpus.vocabulary, corpus.unknown, path)
    return corpus
