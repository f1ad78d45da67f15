"""The command `export`."""

from pathlib import Path
from typing import Any

import click

from rnn_infer.contract import MAX_STEPS
from rnn_train.cli.group import OptionsError, guarded, main
from rnn_train.cli.options import PATH, TEMPERATURE


@main.command()
@click.argument("run", type=PATH)
@click.option("--out", type=PATH, required=True, help="The file to write.")
@click.option(
    "--quantize",
    type=click.Choice(["int8", "float16"]),
    help="Smaller and faster weights: int8 for the CPU, float16 for CUDA. What they cost is "
    "measured.",
)
@click.option("--step-only", is_flag=True, help="Tokens and state only, no generation inputs.")
@click.option(
    "--steps",
    type=click.IntRange(1, MAX_STEPS),
    help="Exactly this many characters a call, and no control flow: for CUDA graphs.",
)
@click.option(
    "--fastest-for",
    type=click.IntRange(1, 65536),
    metavar="STREAMS",
    help="Choose --steps for this many streams at once, by measuring on this machine's GPU.",
)
@click.option(
    "--temperature",
    type=TEMPERATURE,
    help="Divides the logits, in place of the temperature that the run fitted.",
)
def export(run: Path, out: Path, quantize: Any, **options: Any) -> None:
    """Export a run's latest weights, proved against the model.

    \b
    Examples:
      rnn-train export runs/charlm-1 --out exported/charlm.int8.onnx --quantize int8
      rnn-train export runs/charlm-1 --out exported/charlm.step.onnx --step-only
      rnn-train export runs/charlm-1 --out gpu.onnx --quantize float16 --fastest-for 64
    """

    def work() -> None:
        from rnn_train import pipeline

        if options["steps"] and options["fastest_for"]:
            raise OptionsError("--steps and --fastest-for exclude each other; give one of them")
        variant = pipeline.ExportOptions(weights=quantize or "float32", **options)
        proof = pipeline.export(run, out, variant, log=click.echo)
        click.echo(f"wrote {out}   (largest differences: {proof})")

    guarded(work)
