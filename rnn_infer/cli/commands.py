"""The program `rnn-infer`: the group of its commands."""

import click

import rnn_infer
from rnn_infer.cli.charlm import generate, next, score  # noqa: A004  (the command's name)
from rnn_infer.cli.classifier import classify
from rnn_infer.cli.guards import OneLineGroup
from rnn_infer.cli.inspection import doctor, show, verify


@click.group(
    cls=OneLineGroup,
    commands=[generate, score, next, classify, show, verify, doctor],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(rnn_infer.__version__)
def main() -> None:
    """Run a model file made by rnn-train.

    \b
    Examples:
      rnn-infer generate --model exported/charlm.onnx --prompt "ROMEO:"
      rnn-infer classify --model exported/classifier.onnx Schmidhuber Rossi
      rnn-infer score --model exported/charlm.onnx book.txt
      rnn-infer doctor
    """
