"""The command `export`."""

from pathlib import Path
from typing import Any

import click

from rnn_infer.cli.guards import written
from rnn_infer.contract import MAX_STEPS
from rnn_train.cli.group import OptionsError, guarded, main
from rnn_train.cli.options import PATH, TEMPERATURE

HOST_NAMES = (
    "onnxruntime",
    "browser",
    "openvino",
    "tract",
    "tvm",
    "iree",
    "opencv",
    "litert",
    "triton",
)
"""As `exporting.hosts` has them. It is not imported here, so that `--help` needs no torch."""


@main.command()
@click.argument("source", metavar="RUN|FILE", type=PATH)
@click.option(
    "--out",
    type=PATH,
    required=True,
    help="Path of the file to write; with --for triton, of the model repository.",
)
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
    "--for",
    "host",
    type=click.Choice(HOST_NAMES),
    help="Choose the variant that was tested in this engine, and say which it is.",
)
@click.option(
    "--temperature",
    type=TEMPERATURE,
    help="Divides the logits, in place of the temperature that the run fitted.",
)
def export(source: Path, out: Path, quantize: Any, **options: Any) -> None:
    """Export a run, or a float32 file, to another file.

    The weights are the latest of the run.

    The file is compared with the model before it is written.

    \b
    Examples:
      rnn-train export runs/charlm-1 --out exported/charlm.int8.onnx --quantize int8
      rnn-train export runs/charlm-1 --out exported/charlm.step.onnx --step-only
      rnn-train export runs/charlm-1 --out gpu.onnx --quantize float16 --fastest-for 64
      rnn-train export exported/charlm.onnx --out charlm.openvino.onnx --for openvino
      rnn-train export exported/charlm.onnx --out repository --for triton
    """

    def work() -> None:
        from rnn_train import pipeline

        if options["steps"] and options["fastest_for"]:
            raise OptionsError("--steps and --fastest-for exclude each other; drop one of them")
        variant = pipeline.ExportOptions(weights=quantize, **options)
        proof = pipeline.export(source, out, variant, log=click.echo)
        with written(out):
            click.echo(f"wrote {out}   (largest differences: {proof})")

    guarded(work)
