"""The training loop: one, for every model."""

import math
import time
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from rnn_train.errors import TrainingError
from rnn_train.progress import progress_bar
from rnn_train.training import checkpoint
from rnn_train.training.allocator import keep_freed
from rnn_train.training.config import TrainingConfig
from rnn_train.training.device import pick_precision
from rnn_train.training.interrupt import interruptible
from rnn_train.training.objective import Objective
from rnn_train.training.optimizers import make_optimizers
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

_VALIDATION_SHARE = 10
"""Seconds to learn for each that a validation takes, at least."""
_RISE = 1.0
"""Nats by which no sound run's smoothed loss rises again."""


@dataclass(frozen=True)
class TrainingOutcome:
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
        self,
        run: Run,
        objective: Objective,
        schedule: Schedule,
        config: TrainingConfig,
        device: torch.device,
    ) -> None:
        if device.type == "cpu":
            keep_freed()
        self.run = run
        self.objective = objective
        self.schedule = schedule
        self.config = config
        self.device = device
        self.optimizers = make_optimizers(objective, config)
        self.average = AveragedModel(objective.model, multi_avg_fn=self._blend)
        for module in self.average.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()  # what cuDNN wants, and a copy has not
        self.precision = pick_precision(device, objective.bfloat16)
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

    def fit(self) -> TrainingOutcome:
        """The loop. Ctrl-C and SIGTERM end it after the step under way.

        Raises:
            TrainingError: the loss is not a number; the last good checkpoint stays.
        """
        schedule, step_seconds, costly = self.schedule, 0.0, 0.0
        started = time.monotonic() - self.elapsed
        last_validation = self.elapsed
        with interruptible() as interrupted, self._bar() as bar:
            while (progress := schedule.progress(self.step, self.elapsed, step_seconds)) < 1:
                if interrupted():
                    break
                self._take_step(schedule.rate(progress))
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
        return TrainingOutcome(
            self.average.module.eval(),
            self.step,
            self.elapsed,
            finished=schedule.progress(self.step, self.elapsed, step_seconds) >= 1,
            rate=self.units / max(self.elapsed, 1e-9),
        )

    def _take_step(self, rate: float) -> None:
        """One optimizer step on the next batch."""
        objective = self.objective
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]
        with objective.around_step():
            with self._autocast():
                loss, size = objective.loss(self.step)
            objective.model.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        length = nn.utils.clip_grad_norm_(objective.model.parameters(), self.config.clip)
        # Both at once: on a GPU each look is a wait.
        value, norm = torch.stack([loss.detach(), length]).tolist()
        finite = math.isfinite(norm)
        if finite:
            for optimizer in self.optimizers:
                self.scaler.step(optimizer)
            self.average.update_parameters(objective.model)
        self.scaler.update()
        # In float16 a gradient may overflow: no optimizer steps then, and the scale is lowered.
        # Elsewhere something is wrong, though this loss may be a number still.
        sound = math.isfinite(value) and (self.scaler.is_enabled() or finite)
        if not sound:
            raise self._diverged("is no number any more", f" ({value}, gradient {norm:g})")
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
            "plan": asdict(self.schedule),
            "origin": self._origin,
            "model": self.objective.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "task": self.objective.state(),
        }
        if self.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state()
        checkpoint.save(self.run.checkpoints, self.step, state)

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to the moment of a checkpoint, with the plan it was made under."""
        self.step, self.units, self.elapsed = state["step"], state["units"], state["elapsed"]
        self.loss, self.schedule = state["loss"], Schedule(**state["plan"])
        self.objective.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.scaler.load_state_dict(state["scaler"])
        self.objective.restore(state["task"])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"])
        rows = self.run.metrics(up_to=self.step)
        self._validated = rows[-1]["step"] if rows else -1

    def _validation_gap(self, cost: float) -> float:
        """Seconds between validations, where the last took `cost` seconds."""
        if self.schedule.minutes is None:
            return self.config.validate_every
        # On a slow machine they must not eat the minutes there are to learn.
        return max(
            min(self.config.validate_every, self.schedule.minutes * 60 / 6),
            _VALIDATION_SHARE * cost,
        )

    def _check_divergence(self) -> None:
        """Ends a run that unlearns: it would last to its end, and give nothing of use."""
        losses = [row["loss"] for row in self.run.metrics() if row["loss"] is not None]
        if losses and self.loss > min(losses) + _RISE:
            raise self._diverged(f"has risen from {min(losses):.3f} to {self.loss:.3f}")

    def _diverged(self, how: str, figures: str = "") -> TrainingError:
        return TrainingError(
            f"the loss {how} at step {self.step}{figures}; start again with a lower "
            f"--learning-rate (checkpoints from before are kept in {self.run.checkpoints})"
        )

    def _validate(self, bar: "tqdm[Any]") -> None:
        self._check_divergence()
        # Saved first: the numbers of a validation must not depend on whether there was one.
        self.save()
        metrics = self.objective.validate(self.average.module.eval())
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
        self.run.log_metrics(row)
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
        timed = self.schedule.minutes is not None
        total = round(self.schedule.minutes * 60) if self.schedule.minutes else self.schedule.steps
        assert total is not None
        return progress_bar(
            total,
            "training",
            initial=round(self.elapsed) if timed else self.step,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
        )

    def _show(self, bar: "tqdm[Any]") -> None:
        bar.set_postfix_str(
            f"loss {self.loss:.3f}, {self.units / max(self.elapsed, 1e-9):,.0f} "
            f"{self.objective.unit}/s",
            refresh=False,
        )
        bar.n = min(round(self.elapsed) if self.schedule.minutes else self.step, bar.total)
        bar.update(0)
