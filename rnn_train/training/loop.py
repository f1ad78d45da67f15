"""The training loop. It is the same for every kind of model."""

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from rnn_train.training import checkpoint
from rnn_train.training.allocator import keep_freed
from rnn_train.training.config import TrainingConfig
from rnn_train.training.counters import Counters
from rnn_train.training.divergence import check_finite, check_rise
from rnn_train.training.interrupt import interruptible
from rnn_train.training.learner import Learner
from rnn_train.training.objective import Objective, TwoPhases
from rnn_train.training.progress import TrainingBar
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule
from rnn_train.training.shared.steps import SharedSteps
from rnn_train.training.validation import ValidationTimer, metrics_row, summary_lines


@dataclass(frozen=True)
class TrainingOutcome:
    """How training ended."""

    model: nn.Module
    """The model with the averaged weights, in evaluation mode."""
    step: int
    """Number of optimizer steps. A resumed run continues to count."""
    seconds: float
    """Seconds of training. A resumed run continues to count."""
    finished: bool
    """False: it was interrupted."""
    rate: float
    """Characters or texts per second, on average over the run."""


class Trainer:
    """Trains a model to the end of its schedule, and saves checkpoints on the way."""

    def __init__(
        self,
        run: Run,
        objective: Objective,
        schedule: Schedule,
        config: TrainingConfig,
        device: torch.device,
        shared: SharedSteps | None = None,
    ) -> None:
        """Prepares training at step 0; `restore` continues from a checkpoint.

        Args:
            run: where checkpoints and metrics are written.
            objective: the model and its data.
            schedule: how long to train, and the learning rate.
            config: how to train.
            device: where the model is.
            shared: shares each step out to several processes; None: this one computes all of it.
        """
        if device.type == "cpu":
            keep_freed()
        self.run = run
        self.objective = objective
        self.schedule = schedule
        self.config = config
        self.device = device
        self.learner = Learner(objective, config, device, shared)
        self.counters = Counters()
        self._step_seconds = 0.0
        self._validated_step = -1
        self._saved_progress = 0.0
        self._origin = run.origin()

    @property
    def step(self) -> int:
        """Number of optimizer steps. A resumed run continues to count."""
        return self.counters.step

    @property
    def elapsed(self) -> float:
        """Seconds of training. A resumed run continues to count."""
        return self.counters.elapsed

    @property
    def progress(self) -> float:
        """How much of the schedule is over: 1 or more at its end, see `Schedule.progress`."""
        return self.schedule.progress(self.step, self.elapsed, self._step_seconds)

    def fit(self) -> TrainingOutcome:
        """Trains until the schedule ends, or until Ctrl-C or SIGTERM; then validates and saves.

        Returns:
            How training ended.

        Raises:
            TrainingError: training has diverged. The last good checkpoint is kept.
            RunError: the run folder cannot be written.
        """
        schedule, counters = self.schedule, self.counters
        started = time.monotonic() - counters.elapsed
        timer = ValidationTimer(self.config, schedule, counters.elapsed)
        with (
            interruptible(lambda: self.step == 0) as interrupted,
            TrainingBar(schedule, counters, self.objective.unit) as bar,
        ):
            while (progress := self.progress) < 1:
                if interrupted():
                    break
                self._change_phase(progress, bar)
                self.take_step(schedule.rate(progress))
                now = time.monotonic() - started
                self._step_seconds, counters.elapsed = now - counters.elapsed, now
                bar.update()
                if timer.due(counters.elapsed):
                    self._validate(bar)
                    now = time.monotonic() - started
                    timer.record(began=counters.elapsed, ended=now)
                    counters.elapsed = now
            if self._validated_step != self.step:
                self._validate(bar)
            if self.progress >= 1 > self._saved_progress:
                self.save()  # the minutes ended in a validation, which comes after its checkpoint
        finished, model = self.progress >= 1, self.learner.averaged_model()
        return TrainingOutcome(model, self.step, self.elapsed, finished, counters.rate)

    def take_step(self, rate: float) -> None:
        """Takes one optimizer step on the next batch, and counts it.

        Args:
            rate: learning rate.

        Raises:
            TrainingError: training has diverged.
        """
        result = self.learner.take_step(self.step, rate)
        check_finite(result, self.step, self.run.checkpoints)
        self.counters.add_step(result.loss, result.units)

    def _change_phase(self, progress: float, bar: TrainingBar) -> None:
        """Begins the objective's last phase if it is time, after a last validation."""
        objective = self.objective
        if isinstance(objective, TwoPhases) and progress >= objective.last_phase_from:
            if objective.measures:
                bar.show("measuring the held-out text")
            if self._validated_step != self.step:
                self._validate(bar)
            for line in objective.begin_last_phase(self.learner.averaged_model(), self.step):
                bar.write(line)
            if self.schedule.held:
                self.learner.go_on_from_average()
            bar.show("training")

    def _validate(self, bar: TrainingBar) -> None:
        """Saves a checkpoint, evaluates the averaged weights and records the metrics."""
        earlier = [row["loss"] for row in self.run.metrics() if row["loss"] is not None]
        check_rise(self.counters.loss, earlier, self.step, self.run.checkpoints)
        # Save first: validation may draw random numbers, and a resumed run must not notice.
        self.save()
        found = self.objective.validate(self.learner.averaged_model())
        self.run.log_metrics(metrics_row(self.counters, self.learner.learning_rate, found))
        self._validated_step = self.step
        for line in summary_lines(self.counters, found):
            bar.write(line)

    def save(self) -> None:
        """Writes a checkpoint.

        Raises:
            RunError: it cannot be written.
        """
        state = {
            **asdict(self.counters),
            "step_seconds": self._step_seconds,
            "plan": asdict(self.schedule),
            "origin": self._origin,
            **self.learner.state(),
            "random": torch.get_rng_state(),
            "task": self.objective.state(),
        }
        if self.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state()
        checkpoint.save(self.run.checkpoints, self.step, state)
        self._saved_progress = self.progress

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a checkpoint, and takes over its schedule.

        Args:
            state: what `save` wrote.
        """
        self.counters = Counters.of(state)
        self.schedule = Schedule(**state["plan"])
        self._step_seconds = last_step_seconds(state)
        self._saved_progress = self.progress
        self.learner.restore(state)
        self.objective.restore(state["task"])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"])
        # Rows of steps after the checkpoint will be written again.
        rows = self.run.metrics(up_to=self.step)
        self._validated_step = rows[-1]["step"] if rows else -1

    def begin_part(self, schedule: Schedule) -> None:
        """Begins another part of a run that has finished, from the averaged weights.

        Args:
            schedule: how long the part is, and its number.
        """
        self.learner.go_on_from_average()
        self.schedule = replace(schedule, first_step=self.step, first_second=self.elapsed)
        self._step_seconds = 0.0


def is_finished(state: dict[str, Any]) -> bool:
    """Whether a run had come to the end of its schedule when it wrote a checkpoint.

    Args:
        state: content of the checkpoint.
    """
    schedule = Schedule(**state["plan"])
    return schedule.progress(state["step"], state["elapsed"], last_step_seconds(state)) >= 1


def last_step_seconds(state: dict[str, Any]) -> float:
    """Returns the seconds of the last step before a checkpoint.

    Checkpoints of older versions lack them; for these it is the mean over the run.
    """
    mean = state["elapsed"] / max(1, state["step"])
    return float(state.get("step_seconds", mean))
