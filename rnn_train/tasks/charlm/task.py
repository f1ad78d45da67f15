"""A run that trains a character LSTM on a text."""

import dataclasses
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_infer.charlm import sequence_loss
from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper
from rnn_train.data.corpus import MIN_CHARACTERS, Corpus, build_corpus, encode_text, open_corpus
from rnn_train.data.datasets import open_texts
from rnn_train.data.streams import ArrayRing, Streams
from rnn_train.distillation.ensemble import teacher_seconds, train_teacher
from rnn_train.distillation.teachers import Teachers, open_soft_targets
from rnn_train.distillation.warm_start import TeacherPlan, WarmStart
from rnn_train.errors import RunError
from rnn_train.evaluation import language_model
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.progress import Log
from rnn_train.tasks.charlm import recipe
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.task import HeldOutResult, Request, rounded, unmeasured
from rnn_train.training import checkpoint
from rnn_train.training.config import TrainingConfig
from rnn_train.training.objective import Objective
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

INITIAL = "initial.ckpt"
ANSWERS = "answers.bin"
_LOSS_CHARACTERS = 40_000
"""Of text read to find out what 8-bit weights cost."""


class CharLMTask:
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
        self._streams = self._cut(self.train_tokens, self.training.seed)
        self.steps_per_epoch = self._streams.windows
        # Runs from before these could be given have none.
        self._temperature = config.get("temperature", 1.0)
        self._run, self._answers = run, run.folder / ANSWERS
        self._teacher_weight = config.get("teachers_say", 0.0)
        self._lesson = TeacherPlan(**config.get("lesson", {}))
        # What teachers expect says how sure one may be, too.
        taught = self._lesson.teachers > 0
        self.warnings = [] if taught else unmeasured(len(self.held_out), self._temperature)

    @staticmethod
    def create(run: Run, request: Request, device: str, **notes: Any) -> "CharLMTask":
        """Reads and encodes the text, and decides what the request left open.

        Args:
            notes: more to write into the run's config.

        Raises:
            DataError: the text cannot be used.
        """
        sources = request.data or ("python",)
        if request.init_from and request.ensemble:
            raise RunError("--init-from takes no --ensemble; give it the models as --teacher")
        base = WarmStart.of(request.init_from, request.model) if request.init_from else None
        teachers = Teachers(request.teachers) if request.teachers else None
        corpus = _encode(run, request, sources, base, teachers)
        characters = len(corpus.tokens)
        minutes = request.minutes
        if minutes is None and request.epochs is None:
            minutes = recipe.charlm_minutes(characters, device) * (request.ensemble + 1)
        lesson = TeacherPlan(
            given=len(request.teachers),
            trained=request.ensemble,
            minutes=minutes and minutes / (request.ensemble + 1),
            epochs=request.epochs,
        )

        operations = recipe.operations_a_second(device)

        def model(taught: bool) -> dict[str, Any]:
            chosen = (
                base.model
                if base
                else recipe.charlm_model(
                    len(corpus.vocabulary),
                    characters,
                    operations,
                    minutes=lesson.minutes,
                    epochs=request.epochs,
                    taught=taught,
                )
            )
            return dataclasses.asdict(dataclasses.replace(chosen, **request.model))

        if request.ensemble:
            lesson = dataclasses.replace(lesson, model=model(taught=False))
        lesson.copy(request.teachers, run)
        tuned = base is not None
        training = recipe.charlm_training(
            characters, lesson.minutes, operations, request.seed, tuned
        )
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
                "teachers": list(map(str, request.teachers)),
                "lesson": dataclasses.asdict(lesson),
                "teachers_say": recipe.TEACHER_WEIGHT,
                "device": device,
                **notes,
                "model": model(taught=lesson.teachers > 0),
                "training": dataclasses.asdict(dataclasses.replace(training, **request.training)),
            }
        )
        return CharLMTask(run)

    def prepare(self, device: torch.device, log: Log) -> float:
        """Trains the teachers there are to be, and asks all."""
        if not self._lesson.teachers:
            return 0.0
        files = [self._run.folder / name for name in self._lesson.files]
        trained = files[self._lesson.given :]
        for number, file in enumerate(trained, 1):
            if not file.exists():
                log(f"teacher {number} of {len(trained)}")
                self._train_teacher(number, file, device, log)
        started = time.monotonic()
        if not self._answers.exists():
            self._ask(files, device, log)
        seconds = time.monotonic() - started
        # So that a resumed run goes the same way as one that was never interrupted.
        torch.manual_seed(self.training.seed)
        return seconds + sum(teacher_seconds(self._run, file.stem) for file in trained)

    def _train_teacher(self, number: int, file: Path, device: torch.device, log: Log) -> None:
        seed = self.training.seed + number
        torch.manual_seed(seed)
        model = CharLSTM(CharLSTMConfig(**self._lesson.model)).to(device)
        learnt, held_out = self.train_tokens, self.held_out
        if not self._has_held_out():
            # One that is as sure of new text as of what it learnt by heart teaches just that.
            learnt, held_out = self.corpus.split(recipe.TEACHERS_HELD_OUT)
        streams = self._cut(learnt, seed)
        objective = self._objective(model, streams, held_out, device)
        rate, lesson = self.training.learning_rate, self._lesson
        schedule = Schedule.of(rate, streams.windows, lesson.epochs, lesson.minutes)
        outcome = train_teacher(
            self._run, file.stem, objective, schedule, self.training, device, log
        )
        assert isinstance(outcome.model, CharLSTM)
        export(outcome.model, self._card(_verdict(outcome.model, held_out), {}), file)

    def _ask(self, files: list[Path], device: torch.device, log: Log) -> None:
        log(f"{len(files)} teachers read the text ({len(self.train_tokens):,} characters)")
        where: Device = "auto" if device.type == "cuda" else "cpu"
        try:
            teachers = Teachers(files, where, torch.get_num_threads())
            teachers.answer(self.train_tokens, self._answers)
        except KeyboardInterrupt:
            log(f"interrupted; go on with: rnn-train charlm --resume {self._run.folder}")
            raise

    def _has_held_out(self) -> bool:
        return len(self.held_out) >= 2

    def _cut(self, tokens: NDArray[np.integer], seed: int) -> Streams:
        return Streams(ArrayRing(tokens), self.training.batch, self.training.window, seed)

    def objective(self, device: torch.device) -> Objective:
        answers = None
        if self._lesson.teachers:
            answers = ArrayRing(open_soft_targets(self._answers, len(self.corpus.vocabulary)))
        return self._objective(self.model, self._streams, self.held_out, device, answers)

    def _objective(
        self,
        model: CharLSTM,
        streams: Streams,
        held_out: NDArray[np.integer],
        device: torch.device,
        answers: ArrayRing | None = None,
    ) -> CharLMObjective:
        return CharLMObjective(
            model,
            streams,
            held_out,
            self.corpus.vocabulary,
            self._start(),
            device,
            answers,
            self._teacher_weight,
            self.training.capture,
        )

    def measure(self, model: CharLSTM) -> HeldOutResult:
        if not self._has_held_out():
            return HeldOutResult({}, self._temperature)
        return _verdict(model, self.held_out)

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

    def card(self, result: HeldOutResult) -> ModelCard:
        count = self._lesson.teachers
        return self._card(result, {"teachers": count} if count else {})

    def _card(self, result: HeldOutResult, facts: dict[str, int]) -> ModelCard:
        return ModelCard(
            vocabulary=self.corpus.vocabulary,
            unknown=self.corpus.unknown,
            start=self.corpus.vocabulary[self._start()],
            temperature=result.temperature,
            training={
                "data_sha256": self.corpus.sha256,
                "data_characters": len(self.corpus.tokens),
                **facts,
                **rounded(result.metrics),
            },
        )

    def _start(self) -> int:
        """A line end, after which any line may begin; else the text's own first character."""
        vocabulary = self.corpus.vocabulary
        return vocabulary.index("\n") if "\n" in vocabulary else int(self.corpus.tokens[0])


def _verdict(model: CharLSTM, held_out: NDArray[np.integer]) -> HeldOutResult:
    temperature = language_model.fit_temperature(model, held_out)
    nats = language_model.held_out_loss(model, held_out, temperature=temperature)
    metrics = {
        "held_out_nats_per_char": nats,
        "held_out_bits_per_char": language_model.bits(nats),
        "held_out_characters": float(len(held_out)),
    }
    return HeldOutResult(metrics, temperature)


def _encode(
    run: Run,
    request: Request,
    sources: Sequence[str],
    base: WarmStart | None,
    teachers: Teachers | None,
) -> Corpus:
    """Writes a new run's texts, and the weights it begins with, into its folder."""
    path, files = run.folder / "corpus.bin", open_texts(sources)
    # What an attempt that died may have left.
    (run.folder / ANSWERS).unlink(missing_ok=True)
    shutil.rmtree(run.folder / "teachers", ignore_errors=True)
    if base and teachers and base.vocabulary != teachers.vocabulary:
        raise RunError(f"{request.init_from} has another vocabulary than {request.teachers[0]}")
    if base:
        checkpoint.write(run.folder / INITIAL, base.weights)
    if known := base or teachers:
        if request.min_count > 1:
            option = "--init-from" if base else "--teacher"
            raise RunError(f"{option} keeps the vocabulary as it is; drop --min-count")
        corpus = encode_text(files, known.vocabulary, known.unknown, path, MIN_CHARACTERS)
    else:
        corpus = build_corpus(files, path, request.min_count)
    if request.val_data:
        held, path = open_texts([request.val_data]), run.folder / "held_out.bin"
        encode_text(held, corpus.vocabulary, corpus.unknown, path)
    return corpus
