"""Options that several commands share."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

PATH: click.Path = click.Path(path_type=Path)


class FiniteRange(click.FloatRange):
    """A range of finite numbers. click's own range lets nan through, and inf if it has no end."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Returns the number, or refuses the option."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class PriorOption(click.ParamType[Any]):
    """A number from 0 to 1, or `best`."""

    name = "prior"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        """Returns the number or `best`, or refuses the option."""
        return "best" if value == "best" else FiniteRange(0, 1).convert(value, param, ctx)


TEMPERATURE = FiniteRange(0.01, 100)
PRIOR = PriorOption()
DEVICE = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the model runs. auto: on CUDA if it works.",
)
THREADS = click.option("--threads", type=click.IntRange(1, 1024), help="Number of CPU threads.")
_DATA = (
    click.option(
        "--data", multiple=True, metavar="SRC", help="Training data; may be given several times."
    ),
    click.option("--val-data", metavar="FILE", help="Held-out data. Default: a part of --data."),
    click.option(
        "--val-fraction",
        type=FiniteRange(0, 0.5),
        help="Share of --data to hold out, up to 0.5; 0: none. Default: a tenth of the rows; of a "
        "text, 4,000 to 20,000 characters.",
    ),
    click.option(
        "--temperature",
        type=TEMPERATURE,
        default=1.0,
        show_default=True,
        help="Divides the logits if nothing is held out; take the value that another run fitted.",
    ),
)
_BUDGET = (
    click.option(
        "--minutes",
        type=FiniteRange(0, min_open=True),
        help="Budget of wall-clock minutes, export included.",
    ),
    click.option(
        "--epochs",
        type=FiniteRange(0, min_open=True),
        help="Budget in passes over the training data.",
    ),
    click.option(
        "--ensemble",
        type=click.IntRange(0, 100),
        default=0,
        show_default=True,
        help="Number of teacher networks to train first. The exported student learns from them and "
        "is better. With --epochs, each network takes its own; --minutes are shared out.",
    ),
)
_RUN = (
    click.option(
        "--resume",
        type=PATH,
        metavar="RUN",
        help="Resume the run in this folder. "
        "With --minutes or --epochs, go on with a finished run for that long.",
    ),
    click.option(
        "--run",
        "--run-folder",
        "run",
        type=PATH,
        metavar="DIR",
        help="Run folder. Default: the next free runs/<command>-<number>. Under torchrun write "
        "--run-folder.",
    ),
    DEVICE,
    THREADS,
    click.option(
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        default=0,
        show_default=True,
        help="The same seed, data and options give the same model, on the CPU and with --epochs.",
    ),
)
_DRY_RUN = click.option(
    "--dry-run",
    is_flag=True,
    help="Read the data, say what was read and what would be trained, and end.",
)
_MODEL = (
    click.option("--hidden", type=click.IntRange(1, 8192), help="Width of each recurrent layer."),
    click.option("--layers", type=click.IntRange(1, 16), help="Number of recurrent layers."),
    click.option(
        "--embedding", type=click.IntRange(1, 8192), help="Width of the character embedding."
    ),
)
_OPTIMIZER = (
    click.option("--batch", type=click.IntRange(1, 65536), help="Sequences in one batch."),
    click.option(
        "--learning-rate",
        type=FiniteRange(0, 10, min_open=True),
        help="Highest learning rate of the schedule.",
    ),
    click.option(
        "--validate-every",
        type=FiniteRange(0),
        metavar="SECONDS",
        help="Time between validations. Each also writes a checkpoint.",
    ),
    click.option(
        "--init-from",
        type=PATH,
        metavar="RUN",
        help="Start from the weights of this run, and fine-tune them on other data. New characters "
        "and labels get weights of their own.",
    ),
)


def training_options(command: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns a decorator that adds the options of both training commands.

    Args:
        command: "charlm" or "classifier".
    """
    out = click.option(
        "--out",
        type=PATH,
        default=Path(f"exported/{command}.onnx"),
        show_default=True,
        help="Path of the exported file.",
    )
    options = (*_DATA, *_BUDGET, out, _DRY_RUN, *_RUN, *_MODEL, *_OPTIMIZER)

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate
