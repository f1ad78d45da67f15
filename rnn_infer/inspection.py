"""Inspection: describe a model file, repeat its recorded run, and examine this machine."""

import dataclasses
import math
import platform
import sys
from typing import Any

import numpy as np

from rnn_infer.contract import OPSET
from rnn_infer.errors import RuntimeMissingError
from rnn_infer.runtime import golden
from rnn_infer.runtime.providers import (
    INSTALL_CPU,
    INSTALL_GPU,
    REMOVE_BOTH,
    cpu_problem,
    cuda_problem,
    installed_distributions,
    onnxruntime,
    overwritten,
)
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling


def describe(stepper: Stepper) -> dict[str, Any]:
    """Return the facts about a model file, as values that JSON can hold."""
    file, metadata = stepper.file, stepper.file.metadata
    facts: dict[str, Any] = {
        "file": file.path,
        "kind": metadata.kind,
        "bytes": len(file.data),
        "sha256": file.sha256,
        "format": metadata.format_version,
        "producer": metadata.producer,
        "device": stepper.device,
        "generates": file.generates,
        "steps a call": file.steps or "any",
        "states": {state.name: state.width for state in file.states},
        "text": dataclasses.asdict(metadata.text),
        "vocabulary": list(metadata.vocabulary),
    }
    if metadata.classifier:
        facts["labels"] = list(metadata.classifier.labels)
    return {**facts, "training": metadata.training, "proof": metadata.proof}


def verify(stepper: Stepper) -> dict[str, Any]:
    """Repeat the file's recorded run and compare.

    Returns:
        `ok`: whether the file passed. `logits_difference`: the largest difference of the logits,
        None if one is NaN or infinite. `tolerance`: it must be less. `same_generated`: whether the
        same tokens were drawn, None if the file does not draw. `device`. On CUDA `ok` depends on
        the logits only, because rounding may change a drawn token.
    """
    recorded = stepper.file.metadata.golden
    difference, largest = stepper.golden_difference(), golden.tolerance(recorded)
    same = None
    if recorded.generated:
        tokens = np.array([recorded.tokens], np.int64)
        uniform = np.array([recorded.uniform], np.float32)
        drawn, _ = stepper.draw(tokens, stepper.zeros(1), uniform, Sampling(temperature=1.0))
        same = drawn[0].tolist() == list(recorded.generated)
    close = difference < largest  # also false for NaN
    finite = difference if math.isfinite(difference) else None
    return {
        "ok": close and (same is not False or stepper.device == "cuda"),
        "logits_difference": finite,
        "tolerance": largest,
        "same_generated": same,
        "device": stepper.device,
    }


def examine() -> dict[str, Any]:
    """Return what is installed, which devices work, and what to do next.

    A device works if a session ran on it.
    """
    installed = installed_distributions()
    findings: dict[str, Any] = {
        "ok": False,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": None,
        "installed": ", ".join(f"{name} {version}" for name, version in installed.items()),
        "cpu": None,
        "cuda": None,
        "next": None,
    }
    try:
        ort = onnxruntime()
    except RuntimeMissingError as error:
        return {**findings, "cpu": "does not work", "cuda": "does not work", "next": str(error)}
    findings["onnxruntime"] = ort.__version__
    cpu = cpu_problem()
    findings["cpu"] = "works" if cpu is None else cpu
    problem = cuda_problem()
    findings["cuda"] = "works" if problem is None else problem
    if overwritten():
        findings["next"] = (
            f"onnxruntime and onnxruntime-gpu overwrite each other; run: {REMOVE_BOTH} && "
            f"{INSTALL_GPU if sys.platform != 'darwin' else INSTALL_CPU}"
        )
        return findings
    findings["ok"] = cpu is None
    findings["next"] = f"rnn-infer verify --model FILE   (files of opset {OPSET} run here)"
    return findings
