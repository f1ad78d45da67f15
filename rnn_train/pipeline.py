"""From a request, or a run folder, to a model file: train, resume, export."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rnn_train import checkpoint, plots
from rnn_train.datasets import fingerprint
from rnn_train.errors import ExportError, RnnTrainError, RunError
from rnn_train.export import export
from rnn_train.files import check_writable
from rnn_train.forms import fastest_steps
from rnn_train.graph import Weights
from rnn_train.job import Job, Request, Say
from rnn_train.jobs import JOBS
from rnn_train.models import parameter_count
from rnn_train.plan import Plan
from rnn_train.run import Run
from rnn_train.training import Trainer, pick_device

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
        set_threads(threads)
        torch.manual_seed(request.seed)
        sources = [*request.data, *([request.val_data] if request.val_data else [])]
        notes = {"threads": threads, "out": str(out), "sources": _seen(sources)}
        job = JOBS[command].create(run, request, where.type, **notes)
        return _Training(run, job, out, say).carry_out(where, time.monotonic() - started)
    finally:
        run.close()


def resume(
    folder: Path,
    out: Path | None = None,
    *,
    command: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    say: Say = print,
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
        state = _last_state(run, say) if checkpoint.exists(run.checkpoints) else None
        return _Training(run, _job(run), out, say).carry_out(where, 0.0, state)
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
    say: Say = print,
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
    with finished_job(folder, say) as job:
        verdict = job.judge(job.model)
        if temperature is not None:
            verdict = dataclasses.replace(verdict, temperature=temperature)
        card = job.card(verdict)

        def write(path: Path, steps: int | None) -> dict[str, float]:
            return export(
                job.model,
                card,
                path,
                step_only=step_only,
                steps=steps,
                weights=weights,
                loss=job.loss,
            )

        if fastest_for:
            if step_only or card.labels:
                raise ExportError("only a file that draws is measured; give --steps K itself")
            steps = fastest_steps(write, fastest_for, say)
        return write(out, steps)


@contextmanager
def finished_job(folder: Path, say: Say = print) -> Iterator[Job]:
    """A run's job, its model with the averaged weights of the last checkpoint, evaluating.

    Raises:
        RunError: there is no whole checkpoint, or config or data have changed since.
    """
    run = Run.open(folder)
    try:
        state = _last_state(run, say)
        job = _job(run)
        job.model.load_state_dict(checkpoint.averaged_weights(state))
        job.model.eval()
        yield job
    finally:
        run.close()


def _last_state(run: Run, say: Say) -> dict[str, Any]:
    state, warnings = run.last_state()
    for warning in warnings:
        say(f"warning: {warning}")
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


def _job(run: Run) -> Job:
    command = run.config().get("command")
    if command not in JOBS:
        raise RunError(f"{run.folder}/config.json names no known command")
    try:
        # A run that was killed before its first checkpoint begins again with the same weights.
        torch.manual_seed(run.config()["training"]["seed"])
        return JOBS[command](run)
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

    def __init__(self, run: Run, job: Job, out: Path, say: Say) -> None:
        self._run = run
        self._job = job
        self._out = out
        self._say = say
        self._config = run.config()

    def carry_out(
        self, device: torch.device, spent: float, state: dict[str, Any] | None = None
    ) -> Report:
        """Trains to the end of the plan or an interruption, then judges, exports and draws.

        Args:
            spent: seconds of the budget that are gone already.
            state: of the checkpoint to go on from.
        """
        self._job.model.to(device)
        for warning in self._job.warnings:
            self._say(f"warning: {warning}")
        prepared = self._job.prepare(device, self._say)
        task = self._job.task(device)
        plan = Plan(**state["plan"]) if state else self._plan(task, spent, prepared)
        trainer = Trainer(self._run, task, plan, self._job.training, device)
        self._say(self._introduction(device, plan))
        if state:
            trainer.restore(state)
            self._say(f"going on from step {trainer.step}, {self._left(trainer)}")
        outcome = trainer.fit()
        verdict = self._job.judge(outcome.model)
        export(outcome.model, self._job.card(verdict), self._out)  # type: ignore[arg-type]
        self._draw(outcome.model)
        for name, value in verdict.metrics.items():
            shown = f"{value:,.0f}" if value.is_integer() and value > 1 else f"{value:.4g}"
            self._say(f"{name.replace('_', ' ')}: {shown}")
        if verdict.metrics:
            self._say(f"temperature fitted to them: {verdict.temperature:.4g}")
        for line in self._job.compare(outcome.model, self._run.folder):
            self._say(line)
        self._say(f"wrote {self._out}   (run folder {self._run.folder})")
        if not outcome.finished:
            self._say(
                f"interrupted; go on with: rnn-train {self._config['command']} "
                f"--resume {self._run.folder} --out {self._out}"
            )
        return Report(self._run.folder, self._out, outcome.finished, verdict.metrics)

    def _plan(self, task: Any, spent: float, prepared: float) -> Plan:
        minutes, epochs = self._config["minutes"], self._config["epochs"]
        rate = self._job.training.learning_rate
        if minutes is None:
            return Plan.of(rate, self._job.steps_per_epoch, epochs, None)
        # The minutes asked for hold all: reading the data, and what comes after training.
        started = time.monotonic()
        task.validate(task.model.eval())
        task.model.train()
        after = _JUDGE_VALIDATIONS * (time.monotonic() - started) + _EXPORT_SECONDS
        left = max(minutes * 60 - prepared, _LEAST_SHARE * minutes * 60)
        return Plan(rate, steps=None, minutes=max(left - spent - after, left / 2) / 60)

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

    def _left(self, trainer: Trainer) -> str:
        plan = trainer.plan
        if plan.minutes is None:
            return f"{max(0, (plan.steps or 0) - trainer.step)} steps left"
        return f"{max(0.0, plan.minutes - trainer.elapsed / 60):.1f} minutes left"

    def _draw(self, model: Any) -> None:
        rows = self._run.metrics()
        if rows:
            plots.loss_curve(rows, self._run.folder / "loss.png")
        self._job.plot(model, self._run.folder)
