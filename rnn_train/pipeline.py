"""From a request, or a run folder, to a model file: train, resume, export."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rnn_train.data.datasets import fingerprint
from rnn_train.errors import ExportError, RnnTrainError, RunError
from rnn_train.evaluation import plots
from rnn_train.exporting.graph import Weights
from rnn_train.exporting.model_file import export
from rnn_train.exporting.variants import fastest_steps
from rnn_train.files import check_writable
from rnn_train.models.modules import parameter_count
from rnn_train.progress import Log
from rnn_train.tasks.registry import TASKS
from rnn_train.tasks.task import Request, Task
from rnn_train.training import checkpoint
from rnn_train.training.device import pick_device
from rnn_train.training.loop import Trainer
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

_EXPORT_SECONDS = 4.0
_LEAST_SHARE = 0.1
"""Of the minutes that there are: so much goes into training, whatever must come before it."""
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
    log: Log = print,
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
        set_threads(threads)
        torch.manual_seed(request.seed)
        sources = [*request.data, *([request.val_data] if request.val_data else [])]
        notes = {"threads": threads, "out": str(out), "sources": _seen(sources)}
        task = TASKS[command].create(run, request, where.type, **notes)
        return _Training(run, task, out, log).run(where, time.monotonic() - started)
    finally:
        run.close()


def resume(
    folder: Path,
    out: Path | None = None,
    *,
    command: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    log: Log = print,
) -> Report:
    """Goes on with an interrupted run, from its last checkpoint, and exports it.

    Args:
        out, device, threads: None: as the run began.
        command: refuse a run of any other command.

    Raises:
        RnnTrainError: one of its kinds; a `RunError` where the run's config or data have changed.
    """
    run = Run.open(folder)
    try:
        if command and (own := _noted(run, "command")) != command:
            raise RunError(
                f"{folder} is no {command} run; go on with: rnn-train {own} --resume {folder}"
            )
        _check_sources(run)
        out = out or Path(_noted(run, "out"))
        check_writable(out)
        where = pick_device(device or _noted(run, "device"))
        set_threads(threads or _noted(run, "threads"))
        state = _last_state(run, log) if checkpoint.exists(run.checkpoints) else None
        return _Training(run, _task(run), out, log).run(where, 0.0, state)
    finally:
        run.close()


def export_run(
    folder: Path,
    out: Path,
    *,
    step_only: bool = False,
    steps: int | None = None,
    fastest_for: int | None = None,
    weights: Weights = "float32",
    temperature: float | None = None,
    log: Log = print,
) -> dict[str, float]:
    """Exports a run's averaged weights as they stand in its last checkpoint.

    Args:
        step_only, steps, weights: see `export`.
        fastest_for: streams for which `steps` is to be chosen, by measuring on CUDA.
        temperature: divides the logits; None: the run's own.

    Returns:
        The proof's figures.

    Raises:
        RnnTrainError: no whole checkpoint, or the export fails.
        DeviceError: `fastest_for` where CUDA does not work.
    """
    check_writable(out)
    with finished_task(folder, log) as task:
        result = task.measure(task.model)
        if temperature is not None:
            result = dataclasses.replace(result, temperature=temperature)
        card = task.card(result)

        def write(path: Path, steps: int | None) -> dict[str, float]:
            return export(
                task.model,
                card,
                path,
                step_only=step_only,
                steps=steps,
                weights=weights,
                loss=task.loss,
            )

        if fastest_for:
            if step_only or card.labels:
                raise ExportError("only a file that draws is measured; give --steps K itself")
            steps = fastest_steps(write, fastest_for, log)
        return write(out, steps)


@contextmanager
def finished_task(folder: Path, log: Log = print) -> Iterator[Task]:
    """A run's job, its model with the averaged weights of the last checkpoint, evaluating.

    Raises:
        RunError: there is no whole checkpoint, or config or data have changed since.
    """
    run = Run.open(folder)
    try:
        state = _last_state(run, log)
        task = _task(run)
        task.model.load_state_dict(checkpoint.averaged_weights(state))
        task.model.eval()
        yield task
    finally:
        run.close()


def _last_state(run: Run, log: Log) -> dict[str, Any]:
    state, warnings = run.last_state()
    for warning in warnings:
        log(f"warning: {warning}")
    return state


def _seen(sources: Sequence[str]) -> dict[str, str | None]:
    return {source: fingerprint([source]) for source in sources}


def _check_sources(run: Run) -> None:
    """Refuses to go on with a text that is another one by now; one that is gone is no matter."""
    for source, before in _noted(run, "sources").items():
        if fingerprint([source]) not in (before, None):
            raise RunError(
                f"{source} has changed since {run.folder} began: put it back, or start a new run "
                "(moved away, the run goes on with its own copy)"
            )


def _noted(run: Run, name: str) -> Any:
    try:
        return run.config()[name]
    except KeyError as error:
        raise _damaged(run, error) from error


def set_threads(threads: int | None) -> None:
    """Takes so many CPU threads; None leaves it to torch."""
    if threads:
        torch.set_num_threads(threads)


def _task(run: Run) -> Task:
    command = run.config().get("command")
    if command not in TASKS:
        raise RunError(f"{run.folder}/config.json names no known command")
    try:
        # A run that was killed before its first checkpoint begins again with the same weights.
        torch.manual_seed(run.config()["training"]["seed"])
        return TASKS[command](run)
    except RnnTrainError:
        raise  # a cell that cannot be imported, say; it is a ValueError, too
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise _damaged(run, error) from error


def _damaged(run: Run, error: Exception) -> RunError:
    return RunError(
        f"{run.folder} is damaged or of another version ({type(error).__name__}: {error}); "
        "start a new run"
    )


class _Training:
    """One sitting of one run."""

    def __init__(self, run: Run, task: Task, out: Path, log: Log) -> None:
        self._run = run
        self._task = task
        self._out = out
        self._teacher_weight = log
        self._config = run.config()

    def run(
        self, device: torch.device, spent: float, state: dict[str, Any] | None = None
    ) -> Report:
        """Trains to the end of the plan or an interruption, then judges, exports and draws.

        Args:
            spent: seconds of the budget that are gone already.
            state: of the checkpoint to go on from.
        """
        self._task.model.to(device)
        for warning in self._task.warnings:
            self._teacher_weight(f"warning: {warning}")
        prepared = self._task.prepare(device, self._teacher_weight)
        objective = self._task.objective(device)
        schedule = (
            Schedule(**state["plan"]) if state else self._schedule(objective, spent, prepared)
        )
        trainer = Trainer(self._run, objective, schedule, self._task.training, device)
        self._teacher_weight(self._introduction(device, schedule))
        if state:
            trainer.restore(state)
            self._teacher_weight(f"going on from step {trainer.step}, {self._left(trainer)}")
        outcome = trainer.fit()
        result = self._task.measure(outcome.model)
        export(outcome.model, self._task.card(result), self._out)  # type: ignore[arg-type]
        self._draw(outcome.model)
        for name, value in result.metrics.items():
            shown = f"{value:,.0f}" if value.is_integer() and value > 1 else f"{value:.4g}"
            self._teacher_weight(f"{name.replace('_', ' ')}: {shown}")
        if result.metrics:
            self._teacher_weight(f"temperature fitted to them: {result.temperature:.4g}")
        for line in self._task.compare(outcome.model, self._run.folder):
            self._teacher_weight(line)
        self._teacher_weight(f"wrote {self._out}   (run folder {self._run.folder})")
        if not outcome.finished:
            self._teacher_weight(
                f"interrupted; go on with: rnn-train {self._config['command']} "
                f"--resume {self._run.folder} --out {self._out}"
            )
        return Report(self._run.folder, self._out, outcome.finished, result.metrics)

    def _schedule(self, objective: Any, spent: float, prepared: float) -> Schedule:
        minutes, epochs = self._config["minutes"], self._config["epochs"]
        rate = self._task.training.learning_rate
        if minutes is None:
            return Schedule.of(rate, self._task.steps_per_epoch, epochs, None)
        # The minutes asked for hold all: reading the data, and what comes after training.
        started = time.monotonic()
        objective.validate(objective.model.eval())
        objective.model.train()
        after = _JUDGE_VALIDATIONS * (time.monotonic() - started) + _EXPORT_SECONDS
        left = max(minutes * 60 - prepared, _LEAST_SHARE * minutes * 60)
        return Schedule(rate, steps=None, minutes=max(left - spent - after, left / 2) / 60)

    def _introduction(self, device: torch.device, schedule: Schedule) -> str:
        config = self._config
        model = ", ".join(f"{key} {value}" for key, value in config["model"].items())
        duration = (
            f"{config['minutes']:g} minutes"
            if config["minutes"] is not None
            else f"{config['epochs']:g} epochs ({schedule.steps} steps)"
        )
        return (
            f"{config['command']}: {parameter_count(self._task.model):,} parameters ({model})\n"
            f"training for {duration} on {device.type}, run folder {self._run.folder}; "
            "Ctrl-C ends it cleanly"
        )

    def _left(self, trainer: Trainer) -> str:
        schedule = trainer.schedule
        if schedule.minutes is None:
            return f"{max(0, (schedule.steps or 0) - trainer.step)} steps left"
        return f"{max(0.0, schedule.minutes - trainer.elapsed / 60):.1f} minutes left"

    def _draw(self, model: Any) -> None:
        rows = self._run.metrics()
        if rows:
            plots.loss_curve(rows, self._run.folder / "loss.png")
        self._task.plot(model, self._run.folder)
