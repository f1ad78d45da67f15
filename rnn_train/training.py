"""The training loop: one, for every model."""

import math
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from rnn_train import checkpoint
from rnn_train.errors import TrainingError
from rnn_train.memory import keep_freed
from rnn_train.muon import Muon
from rnn_train.plan import Plan
from rnn_train.progress import progress_bar
from rnn_train.run import Run

_VALIDATION_SHARE = 10
"""Seconds to learn for each that a validation takes, at least."""
_RISE = 1.0
"""Nats by which no sound run's smoothed loss rises again."""


class Task(Protocol):
    """What the loop asks of a model with its data."""

    @property
    def model(self) -> nn.Module:
        """What is trained."""

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        """Matrices for `Muon`."""

    @property
    def bfloat16(self) -> bool:
        """Whether it gains by bfloat16, and loses nothing, on a processor that has it."""

    @property
    def unit(self) -> str:
        """What a batch's size counts, for the progress bar: "characters" or "texts"."""

    def loss(self, step: int) -> tuple[Tensor, int]:
        """Mean loss of batch number `step` (nats), with its graph, and its size in units."""

    def around_step(self) -> AbstractContextManager[None]:
        """Entered around each forward and backward pass."""

    def validate(self, model: nn.Module) -> dict[str, Any]:
        """Held-out metrics of `model`, `val_loss` (nats) among them; none without data."""

    def state(self) -> dict[str, Any]:
        """What else must be kept to go on exactly here (the carried state)."""

    def restore(self, state: dict[str, Any]) -> None:
        """Takes back what `state` gave."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained, apart from for how long."""

    batch: int = 32
    window: int = 64
    """Characters between cuts of the gradient (charlm)."""
    learning_rate: float = 4e-3
    muon: float = 0.0
    """Rate of `Muon` on the task's gate matrices, as a multiple of `learning_rate`; 0: AdamW there
    too."""
    weight_decay: float = 0.01
    clip: float = 1.0
    """Largest norm of the whole gradient."""
    average: float = 0.999
    """Decay of the moving average of the weights, which is what is evaluated and exported."""
    validate_every: float = 60.0
    """Seconds between validations, each with a checkpoint."""
    capture: bool = True
    """On CUDA, record the passes of a step once and replay them (charlm), see `captured`."""
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """How training ended."""

    model: nn.Module
    """The averaged weights, in evaluation mode."""
    step: int
    seconds: float
    finished: bool
    """False: it was interrupted."""
    rate: float
    """Units a second, over the whole run."""


class Trainer:
    """Runs one task to the end of its plan, saving as it goes."""

    def __init__(
        self, run: Run, task: Task, plan: Plan, config: TrainingConfig, device: torch.device
    ) -> None:
        if device.type == "cpu":
            keep_freed()
        self.run = run
        self.task = task
        self.plan = plan
        self.config = config
        self.device = device
        self.optimizers = _optimizers(task, config)
        self.average = AveragedModel(task.model, multi_avg_fn=self._blend)
        for module in self.average.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()  # what cuDNN wants, and a copy has not
        self.precision = pick_precision(device, task.bfloat16)
        self.scaler = torch.amp.GradScaler(
            device.type, enabled=self.precision is torch.float16, init_scale=2.0**12
        )
        self.step = 0
        self.units = 0
        self.elapsed = 0.0
        """Seconds of training, over all sittings."""
        self.loss = math.nan
        """Smoothed over the last steps."""
        self._validated = -1
        self._origin = run.origin()

    def fit(self) -> Outcome:
        """The loop. Ctrl-C and SIGTERM end it after the step under way.

        Raises:
            TrainingError: the loss is not a number; the last good checkpoint stays.
        """
        plan, step_seconds, costly = self.plan, 0.0, 0.0
        started = time.monotonic() - self.elapsed
        last_validation = self.elapsed
        with _interruptible() as interrupted, self._bar() as bar:
            while (progress := plan.progress(self.step, self.elapsed, step_seconds)) < 1:
                if interrupted():
                    break
                self._learn(plan.rate(progress))
                now = time.monotonic() - started
                step_seconds, self.elapsed = now - self.elapsed, now
                self._show(bar)
                if self.elapsed - last_validation >= self._validation_gap(costly):
                    self._validate(bar)
                    last_validation = time.monotonic() - started
                    costly = last_validation - self.elapsed
                    self.elapsed = last_validation
            if self._validated != self.step:
                self._validate(bar)
        return Outcome(
            self.average.module.eval(),
            self.step,
            self.elapsed,
            finished=plan.progress(self.step, self.elapsed, step_seconds) >= 1,
            rate=self.units / max(self.elapsed, 1e-9),
        )

    def _learn(self, rate: float) -> None:
        """One optimizer step on the next batch."""
        task = self.task
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]
        with task.around_step():
            with self._autocast():
                loss, size = task.loss(self.step)
            task.model.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        length = nn.utils.clip_grad_norm_(task.model.parameters(), self.config.clip)
        # Both at once: on a GPU each look is a wait.
        value, norm = torch.stack([loss.detach(), length]).tolist()
        finite = math.isfinite(norm)
        if finite:
            for optimizer in self.optimizers:
                self.scaler.step(optimizer)
            self.average.update_parameters(task.model)
        self.scaler.update()
        # In float16 a gradient may overflow: no optimizer steps then, and the scale is lowered.
        # Elsewhere something is wrong, though this loss may be a number still.
        sound = math.isfinite(value) and (self.scaler.is_enabled() or finite)
        if not sound:
            raise self._astray("is no number any more", f" ({value}, gradient {norm:g})")
        self.step += 1
        self.units += size
        self.loss = value if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * value

    def save(self) -> None:
        """Writes a checkpoint of this very moment."""
        state = {
            "step": self.step,
            "units": self.units,
            "elapsed": self.elapsed,
            "loss": self.loss,
            "plan": asdict(self.plan),
            "origin": self._origin,
            "model": self.task.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "task": self.task.state(),
        }
        if self.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state()
        checkpoint.save(self.run.checkpoints, self.step, state)

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to the moment of a checkpoint, with the plan it was made under."""
        self.step, self.units, self.elapsed = state["step"], state["units"], state["elapsed"]
        self.loss, self.plan = state["loss"], Plan(**state["plan"])
        self.task.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.scaler.load_state_dict(state["scaler"])
        self.task.restore(state["task"])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"])
        rows = self.run.metrics(up_to=self.step)
        self._validated = rows[-1]["step"] if rows else -1

    def _validation_gap(self, cost: float) -> float:
        """Seconds between validations, where the last took `cost` seconds."""
        if self.plan.minutes is None:
            return self.config.validate_every
        # On a slow machine they must not eat the minutes there are to learn.
        return max(
            min(self.config.validate_every, self.plan.minutes * 60 / 6), _VALIDATION_SHARE * cost
        )

    def _check_course(self) -> None:
        """Ends a run that unlearns: it would last to its end, and give nothing of use."""
        losses = [row["loss"] for row in self.run.metrics() if row["loss"] is not None]
        if losses and self.loss > min(losses) + _RISE:
            raise self._astray(f"has risen from {min(losses):.3f} to {self.loss:.3f}")

    def _astray(self, how: str, figures: str = "") -> TrainingError:
        return TrainingError(
            f"the loss {how} at step {self.step}{figures}; start again with a lower "
            f"--learning-rate (checkpoints from before are kept in {self.run.checkpoints})"
        )

    def _validate(self, bar: "tqdm[Any]") -> None:
        self._check_course()
        # Saved first: the numbers of a validation must not depend on whether there was one.
        self.save()
        metrics = self.task.validate(self.average.module.eval())
        sample = metrics.pop("sample", None)
        row = {
            "step": self.step,
            "seconds": round(self.elapsed, 2),
            "loss": round(self.loss, 5) if self.step else None,
            "units_per_second": round(self.units / max(self.elapsed, 1e-9), 1),
            "learning_rate": self.optimizers[0].param_groups[0]["lr"],
            **metrics,
        }
        if sample:
            row["sample"] = sample
        self.run.log(row)
        self._validated = self.step
        if metrics:
            shown = "  ".join(f"{k.removeprefix('val_')} {v:.4f}" for k, v in metrics.items())
            bar.write(f"step {self.step}  train {self.loss:.4f}  held out: {shown}")
        if sample:
            bar.write(f"  │ {sample[:72]!r}")

    def _blend(self, averages: Any, currents: Any, count: Any) -> None:
        # A young average leans on recent weights, or it would remember the random start.
        decay = min(self.config.average, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(averages, currents, 1 - decay)

    def _autocast(self) -> AbstractContextManager[Any]:
        enabled = self.precision is not torch.float32
        return torch.autocast(self.device.type, self.precision, enabled=enabled)

    def _bar(self) -> "tqdm[Any]":
        timed = self.plan.minutes is not None
        total = round(self.plan.minutes * 60) if self.plan.minutes else self.plan.steps
        assert total is not None
        return progress_bar(
            total,
            "training",
            initial=round(self.elapsed) if timed else self.step,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
        )

    def _show(self, bar: "tqdm[Any]") -> None:
        bar.set_postfix_str(
            f"loss {self.loss:.3f}, {self.units / max(self.elapsed, 1e-9):,.0f} {self.task.unit}/s",
            refresh=False,
        )
        bar.n = min(round(self.elapsed) if self.plan.minutes else self.step, bar.total)
        bar.update(0)


def pick_device(name: str) -> torch.device:
    """The torch device for `auto`, `cpu` or `cuda`.

    Raises:
        TrainingError: `cuda` where torch has none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise TrainingError(
            "device cuda does not work here: torch sees no CUDA device; check nvidia-smi and that "
            "this torch is a CUDA build, or use --device cpu"
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def pick_precision(device: torch.device, bfloat16: bool) -> torch.dtype:
    """float16 on CUDA; on a CPU that computes in it, `bfloat16` where it may be; else float32.

    Emulated, as elsewhere, bfloat16 would be slower than float32.
    """
    if device.type == "cuda":
        return torch.float16
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # not in older ones
    own = known.get("avx512_bf16") or known.get("amx_bf16")
    return torch.bfloat16 if bfloat16 and own else torch.float32


def _optimizers(task: Task, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """AdamW, and Muon for the gates where it is asked for. A group's `share` of the rate of the
    moment is its own."""
    gates = task.gates if config.muon else ()
    chosen = {id(weight) for weight in gates}
    rest = [p for p in task.model.parameters() if id(p) not in chosen]
    decay, rate = config.weight_decay, config.learning_rate
    # Weight decay on matrices only: a bias has no reason to be small.
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": decay, "share": 1.0},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0, "share": 1.0},
    ]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=True)
    ]
    if gates:
        group = {"params": list(gates), "share": config.muon}
        optimizers.append(Muon([group], lr=rate, weight_decay=decay))
    return optimizers


@contextmanager
def _interruptible() -> Iterator[Any]:
    """Yields a function that says whether Ctrl-C or SIGTERM came; a second Ctrl-C raises."""
    came: list[int] = []

    def note(number: int, _frame: Any) -> None:
        if came and number == signal.SIGINT:
            raise KeyboardInterrupt
        came.append(number)

    try:
        previous = {
            number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)
        }
    except ValueError:  # not in the main thread: a notebook's or an app's own affair
        yield lambda: False
        return
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
