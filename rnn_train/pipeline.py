"""From a request, or a run folder, to a model file: train, resume, export."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rnn_train import checkpoint, plots
from rnn_train.errors import RunError
from rnn_train.export import export
from rnn_train.files import check_writable
from rnn_train.jobs import JOBS, Job, Request, Say
from rnn_train.models import parameter_count
from rnn_train.plan import Plan
from rnn_train.run import Run
from rnn_train.training import Trainer, pick_device

_EXPORT_SECONDS = 4.0
_JUDGE_VALIDATIONS = 6
"""What comes after training takes about as long as this many validations."""


@dataclass(frozen=True)
class Report:
    """What came of a run."""

    folder: Path
    out: Path
    finished: bool
    """False: it was interrupted, and `folder` can be resumed."""
    metrics: dict[str, float]
    """Held-out figures; empty without held-out data."""


def train(
    command: str,
    request: Request,
    out: Path,
    *,
    folder: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    say: Say = print,
) -> Report:
    """Trains a `charlm` or a `classifier` from the start, and exports it to `out`.

    Raises:
        RnnTrainError: one of its kinds, see `errors`.
    """
    started = time.monotonic()
    check_writable(out)
    where = pick_device(device)
    run = Run.create(command, folder)
    try:
        if threads:
            torch.set_num_threads(threads)
        torch.manual_seed(request.seed)
        job = JOBS[command].create(run, request, where.type)
        return _Training(run, job, out, say).carry_out(where, time.monotonic() - started)
    finally:
        run.close()


def resume(
    folder: Path, out: Path, *, device: str = "auto", threads: int | None = None, say: Say = print
) -> Report:
    """Goes on with an interrupted run, and exports it to `out`. Raises: as `train`."""
    check_writable(out)
    where = pick_device(device)
    run = Run.open(folder)
    try:
        if threads:
            torch.set_num_threads(threads)
        job = _job(run)
        return _Training(run, job, out, say).carry_out(where, 0.0, resumed=True)
    finally:
        run.close()


def export_run(folder: Path, out: Path, *, step_only: bool = False) -> dict[str, float]:
    """Exports a run's averaged weights as they stand in its last checkpoint.

    Returns:
        The proof's figures.

    Raises:
        RnnTrainError: no whole checkpoint, or the export fails.
    """
    run = Run.open(folder)
    try:
        job = _job(run)
        state, _ = checkpoint.load_latest(run.checkpoints)
        weights = {
            name.removeprefix("module."): value
            for name, value in state["average"].items()
            if name.startswith("module.")
        }
        job.model.load_state_dict(weights)
        job.model.eval()
        return export(job.model, job.card(job.judge(job.model)), out, step_only=step_only)
    finally:
        run.close()


def _job(run: Run) -> Job:
    command = run.config().get("command")
    if command not in JOBS:
        raise RunError(f"{run.folder}/config.json names no known command")
    try:
        return JOBS[command](run)
    except (KeyError, TypeError, OSError) as error:
        raise RunError(f"{run.folder} is damaged or of another version ({error})") from error


class _Training:
    """One sitting of one run."""

    def __init__(self, run: Run, job: Job, out: Path, say: Say) -> None:
        self._run = run
        self._job = job
        self._out = out
        self._say = say
        self._config = run.config()

    def carry_out(self, device: torch.device, spent: float, resumed: bool = False) -> Report:
        """Trains to the end of the plan or an interruption, then judges, draws and exports."""
        self._job.model.to(device)
        for warning in self._job.warnings:
            self._say(f"warning: {warning}")
        self._job.prepare(device, self._say)
        task = self._job.task(device)
        plan = self._plan(task, spent)
        trainer = Trainer(self._run, task, plan, self._job.training, device)
        self._say(self._introduction(device, plan))
        if resumed and any(self._run.checkpoints.iterdir()):
            for warning in trainer.restore():
                self._say(f"warning: {warning}")
            self._say(f"going on from step {trainer.step}")
        outcome = trainer.fit()
        verdict = self._job.judge(outcome.model)
        self._draw(outcome.model)
        export(outcome.model, self._job.card(verdict), self._out)  # type: ignore[arg-type]
        for name, value in verdict.metrics.items():
            self._say(f"{name.replace('_', ' ')}: {value:.4g}")
        for line in self._job.compare(outcome.model, self._run.folder):
            self._say(line)
        self._say(f"wrote {self._out}   (run folder {self._run.folder})")
        if not outcome.finished:
            self._say(
                f"interrupted; go on with: rnn-train {self._config['command']} "
                f"--resume {self._run.folder} --out {self._out}"
            )
        return Report(self._run.folder, self._out, outcome.finished, verdict.metrics)

    def _plan(self, task: Any, spent: float) -> Plan:
        minutes, epochs = self._config["minutes"], self._config["epochs"]
        rate = self._job.training.learning_rate
        if minutes is None:
            steps = max(1, round(epochs * self._job.steps_per_epoch))
            return Plan(rate, steps=steps, minutes=None)
        # The minutes asked for hold all: reading the data, and what comes after training.
        started = time.monotonic()
        task.validate(task.model.eval())
        task.model.train()
        after = _JUDGE_VALIDATIONS * (time.monotonic() - started) + _EXPORT_SECONDS
        left = max(minutes * 60 - spent - after, minutes * 30)
        return Plan(rate, steps=None, minutes=left / 60)

    def _introduction(self, device: torch.device, plan: Plan) -> str:
        config = self._config
        model = ", ".join(f"{key} {value}" for key, value in config["model"].items())
        duration = (
            f"{config['minutes']:g} minutes"
            if config["minutes"] is not None
            else f"{config['epochs']:g} epochs ({plan.steps} steps)"
        )
        return (
            f"{config['command']}: {parameter_count(self._job.model):,} parameters ({model})\n"
            f"training for {duration} on {device.type}, run folder {self._run.folder}; "
            "Ctrl-C ends it cleanly"
        )

    def _draw(self, model: Any) -> None:
        rows = self._run.metrics()
        if rows:
            plots.loss_curve(rows, self._run.folder / "loss.png")
        self._job.plot(model, self._run.folder)
