"""From a request or a run folder to a model file: train, resume, export.

Each function opens the run folder, and leaves the rest to `training_session` or `exporting`.
"""

import dataclasses
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch

from rnn_train.continuation import add_part, check_finished
from rnn_train.distributed.environment import command, place, resume_command
from rnn_train.errors import ExportError, RunError
from rnn_train.exporting import triton
from rnn_train.exporting.from_file import Reopened, reopen
from rnn_train.exporting.hosts import HostName, described, variant_for
from rnn_train.exporting.model_file import export as export_model
from rnn_train.exporting.products import Weights
from rnn_train.exporting.variants import Variant, fastest_steps
from rnn_train.files import all_or_none, check_model_path, telling
from rnn_train.progress import Log
from rnn_train.run_task import (
    check_sources,
    fingerprints,
    finished_task,
    last_state,
    open_plan,
    open_task,
)
from rnn_train.system_errors import system_errors
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.registry import TASKS
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest, check_budget
from rnn_train.training import checkpoint
from rnn_train.training.device import pick_device
from rnn_train.training.interrupt import terminable
from rnn_train.training.run import Run
from rnn_train.training.shared.crew import ALONE, Crew
from rnn_train.training_session import TrainingReport, train_task


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Which variant of a model file to write."""

    step_only: bool = False
    """Leave out generation: tokens and state in, logits and state out."""
    steps: int | None = None
    """Read or draw exactly this many characters a call, without control flow. None: any number."""
    fastest_for: int | None = None
    """Choose `steps` for this many streams at once, by measuring on CUDA."""
    weights: Weights | None = None
    """Type of the large matrices: int8 (CPU) or float16 (CUDA). None: float32, or as `host`."""
    without_if: bool = False
    """Draw without If nodes, for engines that do not run them. It is a little slower."""
    temperature: float | None = None
    """Divides the logits. None: use the temperature that the run fitted."""
    host: HostName | None = None
    """Choose the variant that was tested in this engine."""

    def __post_init__(self) -> None:
        """Raises `ExportError`: there are no such weights, or options exclude each other."""
        if self.weights not in (known := (None, *get_args(Weights))):
            raise ExportError(
                f"weights must be one of {', '.join(known[1:])}, got {self.weights!r}"
            )
        self._check_numbers()
        own = self.step_only or self.steps or self.without_if or self.fastest_for
        if self.host and own:
            raise ExportError(
                "--for chooses the variant; drop it, or --step-only, --steps, --without-if and "
                "--fastest-for"
            )

    def _check_numbers(self) -> None:
        """Raises `ExportError` for a number that is none, or is out of range."""
        for name, kinds in (("steps", int), ("fastest_for", int), ("temperature", (int, float))):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, kinds):
                raise ExportError(f"{name} must be a number, got {value!r}")
            if not 0 < value < math.inf:
                raise ExportError(f"{name} must be a finite number above 0, got {value!r}")

    def variant(self, log: Log) -> Variant:
        """Returns the variant; `log` gets a line that says what was picked for a `host`."""
        if self.host:
            variant = variant_for(self.host, self.weights)
            log(described(self.host, variant))
            return variant
        return Variant(
            step_only=self.step_only,
            steps=self.steps,
            weights=self.weights or "float32",
            without_if=self.without_if,
        )


@system_errors()
def train(
    request: CharLMRequest | ClassifierRequest,
    out: Path,
    *,
    folder: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    log: Log = print,
    started: float | None = None,
    crew: Crew = ALONE,
) -> TrainingReport:
    """Trains a model from the start and exports it.

    Args:
        request: what to train.
        out: path of the exported file.
        folder: run folder; None: the next free `runs/<kind>-<n>`.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None: torch's default.
        log: takes one line of text at a time.
        started: `time.monotonic()` when the minutes began; None: now.
        crew: the processes that train together.

    Raises:
        RnnTrainError: one of its kinds; see `api.train_charlm`.
    """
    started = time.monotonic() if started is None else started
    _refuse_repetition(crew, request.kind)
    check_model_path(out)
    where = pick_device(device)
    crew.check(where)
    run = Run.create(request.kind, folder)
    with _locked(run):
        set_threads(threads)
        torch.manual_seed(request.seed)
        sources = [*request.data, *([request.val_data] if request.val_data else [])]
        settings = Settings(
            device=where.type,
            threads=threads,
            out=str(out),
            sources=fingerprints(sources),
            processes=crew.size,
        )
        task = TASKS[request.kind].create(run, request, settings, log)  # type: ignore[arg-type]
        spent = time.monotonic() - started
        return train_task(run, task, out, where, log, spent=spent, crew=crew)


@system_errors()
def resume(
    folder: Path,
    out: Path | None = None,
    *,
    kind: str | None = None,
    minutes: float | None = None,
    epochs: float | None = None,
    device: str | None = None,
    threads: int | None = None,
    log: Log = print,
    crew: Crew = ALONE,
) -> TrainingReport:
    """Resumes an interrupted run from its last checkpoint, or goes on with a finished one, and
    exports the model.

    Args:
        folder: the run folder.
        out, device, threads: None: as at the start of the run.
        kind: the kind that the run must have; None: any kind.
        minutes, epochs: budget of a further part of a finished run; both None: there is none.
        log: takes one line of text at a time.
        crew: the processes that train together.

    Raises:
        RnnTrainError: one of its kinds; see `api.resume`.
    """
    started = time.monotonic()
    _refuse_repetition(crew, kind or "charlm|classifier")
    check_budget(minutes, epochs)
    run = Run.open(folder)
    with _locked(run):
        own = run.config().get("command")
        if kind and own != kind and own in TASKS:
            raise RunError(f"{folder} is no {kind} run; go on with: {resume_command(own, folder)}")
        plan = open_plan(run)
        check_sources(run, plan, log)
        out = out or Path(plan.out)
        check_model_path(out)
        where = pick_device(device or plan.device)
        set_threads(threads or plan.threads)
        state = last_state(run, log) if checkpoint.exists(run.checkpoints) else None
        task = open_task(run)
        if minutes or epochs:
            check_finished(run, plan, state)
            assert state is not None
            add_part(run, task, state, out, minutes, epochs, log)
            task = open_task(run)
        spent = time.monotonic() - started
        return train_task(run, task, out, where, log, spent=spent, state=state, crew=crew)


def _refuse_repetition(crew: Crew, kind: str) -> None:
    """Refuses to train alone in each process of torchrun: all would write the same file."""
    if crew.size < place().size:
        raise RunError(
            f"torchrun has started {place().size} processes, and each would train the same model "
            f"and write the same file; train with: {command()} {kind} …, or unset WORLD_SIZE in "
            "the one process that trains"
        )


@contextmanager
def _locked(run: Run) -> Iterator[None]:
    """Unlocks a run at the end, and removes a new one without work. SIGTERM acts as Ctrl-C."""
    try:
        with terminable():
            yield
    except (Exception, KeyboardInterrupt):
        run.discard()
        raise
    finally:
        run.close()


def export(
    source: Path, out: Path, options: ExportOptions | None = None, *, log: Log = print
) -> dict[str, float]:
    """Exports the averaged weights of a run's last checkpoint, or those of a float32 file.

    Args:
        source: the run folder, or a model file.
        out: path of the file, or of the model repository if the host is triton.
        options: which variant to write; None: the defaults.
        log: takes one line of text at a time.

    Returns:
        The proof: the largest difference of each comparison.

    Raises:
        RnnTrainError: one of its kinds; see `api.export`.
        DeviceError: `fastest_for` needs CUDA, which does not work.
    """
    options = options or ExportOptions()
    if options.host == "triton":
        out = triton.model_path(out, source)
        files = out, triton.config_path(out)
        with telling(out), system_errors(), terminable(), all_or_none(*files):
            proof = _export(source, out, options, log)
            triton.write_config(out)
        return proof
    with telling(out), system_errors(), terminable():
        return _export(source, out, options, log)


def _export(source: Path, out: Path, options: ExportOptions, log: Log) -> dict[str, float]:
    """Exports a run or a file as one file."""
    check_model_path(out)
    if out.exists() and out.samefile(source):
        raise ExportError(f"{out} would replace the file that is exported; name another --out")
    variant = options.variant(log)
    with _opened(source, options.temperature, log) as (model, card, loss):

        def write(path: Path, steps: int | None) -> dict[str, float]:
            chosen = dataclasses.replace(variant, steps=steps)
            return export_model(model, card, path, **vars(chosen), loss=loss, log=log)

        steps = variant.steps
        if options.fastest_for:
            if options.step_only or card.labels:
                raise ExportError("--fastest-for needs a file that generates; give --steps instead")
            steps = fastest_steps(write, options.fastest_for, log)
        return write(out, steps)


@contextmanager
def _opened(source: Path, temperature: float | None, log: Log) -> Iterator[Reopened]:
    """Opens what is to be exported: a run folder, locked until the context ends, or a file."""
    if source.is_file():
        if temperature is not None:
            raise ExportError("the temperature of a file is fixed; name its run folder to set it")
        yield reopen(source)
        return
    with finished_task(source, log) as task:
        result = task.measure(task.model)
        for warning in result.warnings if temperature is None else ():
            log(f"warning: {warning}")
        if temperature is not None:
            result = dataclasses.replace(result, temperature=temperature)
        yield Reopened(task.model, task.card(result), task.loss)


def set_threads(threads: int | None) -> None:
    """Sets torch's number of CPU threads; None leaves it as it is."""
    if threads:
        torch.set_num_threads(threads)
