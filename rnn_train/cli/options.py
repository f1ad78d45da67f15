"""Options that several commands share."""

from pathlib import Path

import click

PATH: click.Path = click.Path(path_type=Path)
TEMPERATURE = click.FloatRange(0.01, 100)
DEVICE = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the model runs. auto: on CUDA if it works.",
)
THREADS = click.option("--threads", type=click.IntRange(1, 1024), help="Number of CPU threads.")
