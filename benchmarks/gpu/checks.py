"""What is there, and whether it is right."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn_infer import inspection
from rnn_infer.runtime.stepper import Stepper

from .. import networks
from ..harness import machine
from .files import STEPS, File, export_all
from .setting import Part, Result, Setting

ROOT = Path(__file__).parents[2]


def environment(setting: Setting) -> Part:
    """GPU, driver, libraries, and what `rnn-infer doctor` finds."""
    facts: Result = {"machine": machine(), "doctor": inspection.examine()}
    if not setting.rehearse:
        properties = torch.cuda.get_device_properties(0)
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
        facts |= {
            "gpu": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "driver": driver,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        }
    yield facts


def files(setting: Setting) -> Part:
    """Exports the files of all later parts; seconds of each."""
    seconds: Result = {}
    for name, each in export_all(setting.shapes, setting.folder):
        seconds[name] = each
        yield {"seconds": seconds}


def tests(setting: Setting) -> Part:  # noqa: ARG001
    """`pytest tests/cuda`; its last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/cuda"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    *_, last = (done.stdout + done.stderr).strip().splitlines() or [""]
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    # On a CPU all are skipped: pytest then exits with 0.
    yield {"passed": done.returncode == 0, "summary": last, "failed": failed[:30]}


def agreement(setting: Setting) -> Part:
    """Each variant of a file against the ordinary one on the CPU: the largest difference of logits,
    and the share of drawn texts that are the same."""
    count, length = (8, 12) if setting.rehearse else (1024, 200)
    random = np.random.default_rng(1)
    found: Result = {}
    for shape in setting.shapes:
        tokens = random.integers(shape.vocabulary, size=(count, 16))
        uniform = random.random((count, length), np.float32)
        plain = Stepper.open(File(shape, None).exported(setting.folder), device="cpu", threads=8)
        logits = plain.forward(tokens, plain.zeros(count))[0]
        texts = plain.draw(tokens[:, :1], plain.zeros(count), uniform, networks.SAMPLING)[0]
        for name, steps in STEPS.items():
            stepper = setting.opened(File(shape, steps), threads=8)
            worst = {
                batch: _difference(stepper, tokens[:batch], logits[:batch])
                for batch in (1, 2, 64, 1024)
                if batch <= count
            }
            drawn, _ = stepper.draw(tokens[:, :1], stepper.zeros(count), uniform, networks.SAMPLING)
            found[f"{shape}; {name}"] = {
                "device": stepper.device,
                "largest_difference_of_logits": worst,
                "share_of_same_texts": float(np.mean((drawn == texts).all(1))),
                "characters": length,
                "texts": count,
            }
            yield found


def _difference(stepper: Stepper, tokens: Any, expected: Any) -> float:
    logits, _ = stepper.forward(tokens, stepper.zeros(len(tokens)))
    return float(np.abs(logits - expected).max())


def placement(setting: Setting) -> Part:
    """Nodes of each variant by execution provider, and the operators that are not on the GPU."""
    found: Result = {}
    for name, steps in STEPS.items():
        stepper = setting.opened(File(setting.shapes[0], steps))
        session = getattr(stepper._session, "_session", stepper._session)
        # The reader has onnxruntime record the placement on CUDA only.
        placed: Any = getattr(session, "get_provider_graph_assignment_info", list)
        parts: list[Any] = [] if setting.rehearse else placed()
        nodes = [(part.ep_name, node.op_type) for part in parts for node in part.get_nodes()]
        off = sorted({op for provider, op in nodes if provider != "CUDAExecutionProvider"})
        found[name] = {
            "nodes": {each: sum(p == each for p, _ in nodes) for each in {p for p, _ in nodes}},
            "operators_off_the_gpu": off,
        }
        yield found
