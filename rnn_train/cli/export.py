"""The command `export`."""

from pathlib import Path
from typing import Any

import click

from rnn_infer.contract import MAX_STEPS
from rnn_train.cli.group import OptionsError, guarded, main
from rnn_train.cli.options import PATH, TEMPERATURE


@main.command()
@click.argument("run", type=PATH)
@click.option("--out", type=PATH, required=True, help="Path of the file to write.")
@click.option(
    "--quantize",
    type=click.Choice(["int8", "float16"]),
    help="Round the weights: smaller and faster. int8 is for the CPU, float16 for CUDA. The loss "
    "that it costs is measured.",
)
@click.option(
    "--step-only",
    is_flag=True,
    help="Write a file without generation: tokens and state in, logits and state out.",
)
@click.option(
    "--steps",
    type=click.IntRange(1, MAX_STEPS),
    help="Read or draw exactly this many characters a call, without control flow: for CUDA graphs.",
)
@click.option(
    "--without-if",
    is_flag=True,
    help="Draw without If nodes, for engines that do not run them. It is a little slower.",
)
@click.option(
    "--fastest-for",
    type=click.IntRange(1, 65536),
    metavar="STREAMS",
    help="Choose --steps for this many streams at once: measure all variants on this GPU.",
)
@click.option(
    "--temperature",
    type=TEMPERATURE,
    help="Divides the logits, in place of the temperature that the run fitted.",
)
def export(run: Path, out: Path, quantize: Any, **options: Any) -> None:
    """Export the latest weights of a run to a file.

    The file is compared with the model before it is written.

    \b
    Examples:
      rnn-train export runs/charlm-1 --out exported/charlm.int8.onnx --quantize int8
      rnn-train export runs/charlm-1 --out exported/charlm.step.onnx --step-only
      rnn-train export runs/charlm-1 --out gpu.onnx --quantize float16 --fastest-for 64
    """

    def work() -> None:
        from rnn_train import pipeline

        if options["steps"] and options["fastest_for"]:
            raise OptionsError("--steps and --fastest-for exclude each other; drop one of them")
        variant = pipeline.ExportOptions(weights=quantize or "float32", **options)
        proof = pipeline.export(run, out, variant, log=click.echo)
        click.echo(f"wrote {out}   (largest differences: {proof})")

    guarded(work)
