"""The commands for files and machines: show, verify, doctor."""

import sys
from typing import Any

from rnn_infer import inspection
from rnn_infer.cli.guards import command
from rnn_infer.cli.json_output import print_json
from rnn_infer.cli.options import json_option, model_options
from rnn_infer.cli.terminal import print_facts, print_findings, print_verification
from rnn_infer.modelfile.reader import read_model
from rnn_infer.runtime.load_options import LoadOptions
from rnn_infer.runtime.stepper import Stepper


@command
@model_options
@json_option
def show(model: str, device: Any, threads: int, as_json: bool) -> None:
    """Show the facts about a model file.

    They are its kind, size, vocabulary, training and proof.

    \b
    Example:
      rnn-infer show --model exported/charlm.onnx
    """
    facts = inspection.describe(Stepper.open(model, device=device, threads=threads))
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


@command
@model_options
@json_option
def verify(model: str, device: Any, threads: int, as_json: bool) -> None:
    """Repeat the recorded run of a model file.

    The exit code is 1 if the result differs.

    \b
    Example:
      rnn-infer verify --model exported/charlm.onnx
    """
    options = LoadOptions(device=device, threads=threads)
    # Not `Stepper.open`, which refuses what is to be shown here.
    result = inspection.verify(Stepper.of(read_model(model), options))
    if as_json:
        print_json(result)
    else:
        print_verification(result)
    if not result["ok"]:
        sys.exit(1)


@command
@json_option
def doctor(as_json: bool) -> None:
    """Show what is installed and which devices work.

    It also says what to run next. The exit code is 1 if the installation is broken.

    \b
    Example:
      rnn-infer doctor
    """
    findings = inspection.examine()
    if as_json:
        print_json(findings)
    else:
        print_findings(findings)
    if not findings["ok"]:
        sys.exit(1)
