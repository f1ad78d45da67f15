"""The teachers of a character model: training them, and the soft targets of all."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from rnn_infer.runtime.device import Device
from rnn_train.data.streams import ArrayRing
from rnn_train.distillation.ensemble import announce, teacher_seconds, train_teacher
from rnn_train.distillation.teachers import Teachers, open_soft_targets
from rnn_train.exporting.model_file import export
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.progress import Log
from rnn_train.tasks.charlm import recipe
from rnn_train.tasks.charlm.data import CharLMData
from rnn_train.tasks.charlm.measurement import measure, model_card
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.charlm.plan import CharLMPlan
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule
from rnn_train.training.shared.crew import ALONE, Crew
from rnn_train.wording import counted

SOFT_TARGETS = "answers.bin"
"""Name of their file in the run folder."""


@dataclass(frozen=True)
class Teaching:
    """The teachers of one run."""

    run: Run
    plan: CharLMPlan
    data: CharLMData

    def prepare(self, device: torch.device, log: Log, crew: Crew = ALONE) -> float:
        """Trains teachers as planned, and writes the soft targets of all.

        What an earlier session has done is not done again.

        Args:
            device: where to train.
            log: takes one line of text at a time.
            crew: the processes that train together.

        Returns:
            Seconds that it took; training time is that of all sessions.

        Raises:
            KeyboardInterrupt: the user interrupted it.
        """
        teachers = self.plan.teacher_plan
        files = [self.run.folder / name for name in teachers.files]
        trained = files[teachers.given :]
        missing = [number for number, file in enumerate(trained, 1) if not file.exists()]
        minutes = teachers.minutes

        def train(number: int) -> None:
            log(f"teacher {number} of {len(trained)}")
            self.train(number, minutes, device, log)

        announce(len(missing), crew, log)
        crew.train_members(self.run, device, missing, minutes, train)
        started = time.monotonic()
        if not (self.run.folder / SOFT_TARGETS).exists():
            self._write_soft_targets(files, device, log)
        seconds = time.monotonic() - started
        return seconds + crew.wall_seconds([teacher_seconds(self.run, f.stem) for f in trained])

    def soft_targets(self) -> ArrayRing:
        """Opens the soft targets after each character, float16 [characters, vocabulary]."""
        width = len(self.data.corpus.vocabulary)
        return ArrayRing(open_soft_targets(self.run.folder / SOFT_TARGETS, width))

    def train(self, number: int, minutes: float | None, device: torch.device, log: Log) -> None:
        """Trains teacher `number` and exports it, unless it is there; see `Task.train_member`."""
        plan, training, data = self.plan.teacher_plan, self.plan.training, self.data
        file = self.run.folder / plan.files[plan.given + number - 1]
        if file.exists():
            return
        seed = training.seed + number
        torch.manual_seed(seed)
        model = CharLSTM(CharLSTMConfig(**plan.model)).to(device)
        if not data.has_held_out:
            # A teacher without a fitted temperature is as confident on new text as on text that
            # it has memorised, and its student would be too.
            data = data.holding_out(recipe.TEACHER_HELD_OUT)
        streams = data.streams(training, seed)
        objective = CharLMObjective(
            model,
            streams,
            data.held_out,
            data.corpus.vocabulary,
            data.start,
            device,
            capture=training.capture,
            mark=data.mark,
        )
        schedule = Schedule.of(training.learning_rate, streams.windows, plan.epochs, minutes)
        outcome = train_teacher(self.run, file.stem, objective, schedule, training, device, log)
        assert isinstance(outcome.model, CharLSTM)
        export(outcome.model, model_card(data, measure(outcome.model, data)), file)

    def _write_soft_targets(self, files: list[Path], device: torch.device, log: Log) -> None:
        tokens = self.data.corpus.tokens
        log(
            f"{counted(len(files), 'teacher reads', 'teachers read')} the text "
            f"({len(tokens):,} characters)"
        )
        where: Device = "auto" if device.type == "cuda" else "cpu"
        teachers = Teachers(files, where, torch.get_num_threads())
        teachers.write_soft_targets(tokens, self.run.folder / SOFT_TARGETS, self.data.mark)
