"""The parts of `benchmarks.gpu`: each measures one thing on a GPU and returns plain values.

    python -m benchmarks.gpu_parts PART RESULT.json [--rehearse] [--text FILE]

`--rehearse` takes the CPU and small shapes, to prove that the script runs from end to end.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import rnn_train
from rnn_infer import inspection
from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper

from . import networks, training
from .harness import Race, Work, apart, machine, race
from .networks import Shape

STEPS = {"Loop": None, "1 step": 1, "8 steps": 8, "32 steps": 32}
"""Steps a call: none for an ordinary file, a number for a file of fixed steps."""
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Setting:
    """Where a part runs, and how large."""

    rehearse: bool
    text: Path | None
    """A text to train on; None: the Python standard library's source."""

    @property
    def device(self) -> Device:
        """The CPU stands in for the GPU in a rehearsal."""
        return "cpu" if self.rehearse else "cuda"

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The most telling one first."""
        return (Shape(1, 16),) if self.rehearse else (Shape(2, 512), Shape(1, 128))

    @property
    def streams(self) -> tuple[int, ...]:
        """Numbers of streams drawn at once, the most telling first."""
        return (1, 3) if self.rehearse else (1, 1024, 8192, 64)


# --- what is there, and whether it is right -----------------------------------------------


def environment(setting: Setting) -> dict[str, Any]:
    """GPU, driver, libraries, and what `rnn-infer doctor` finds."""
    facts: dict[str, Any] = {"machine": machine(), "doctor": inspection.examine()}
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
    return facts


def tests(setting: Setting) -> dict[str, Any]:  # noqa: ARG001
    """`pytest tests/cuda`; its last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/cuda"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    # On a CPU all are skipped: pytest then exits with 0.
    return {"passed": done.returncode == 0, "summary": lines[-1], "failed": failed[:30]}


def agreement(setting: Setting) -> dict[str, Any]:
    """Each variant of a file against the ordinary one on the CPU: the largest difference of logits,
    and the share of drawn texts that are the same."""
    count, length = (8, 12) if setting.rehearse else (1024, 200)
    random = np.random.default_rng(1)
    found: dict[str, Any] = {}
    for shape in setting.shapes:
        tokens = random.integers(shape.vocabulary, size=(count, 16))
        uniform = random.random((count, length), np.float32)
        plain = networks.ours(shape, threads=8)
        logits = plain.forward(tokens, plain.zeros(count))[0]
        texts = plain.draw(tokens[:, :1], plain.zeros(count), uniform, networks.SAMPLING)[0]
        for name, steps in STEPS.items():
            stepper = networks.ours(shape, threads=8, steps=steps, device=setting.device)
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
    return found


def _difference(stepper: Stepper, tokens: Any, expected: Any) -> float:
    logits, _ = stepper.forward(tokens, stepper.zeros(len(tokens)))
    return float(np.abs(logits - expected).max())


def placement(setting: Setting) -> dict[str, Any]:
    """Nodes of each variant by execution provider, and those of matrix products that are not on
    the GPU."""
    found: dict[str, Any] = {}
    shape = setting.shapes[0]
    for name, steps in STEPS.items():
        stepper = networks.ours(shape, threads=1, steps=steps, device=setting.device)
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
    return found


# --- how fast -----------------------------------------------------------------------------


def generation(setting: Setting) -> dict[str, Any]:
    """Drawing text: this project's variants against torch's `nn.LSTM`, eager and as its own CUDA
    graph."""
    races = []
    for streams in setting.streams:
        for shape in setting.shapes:
            contestants = _generators(shape, streams, setting.device)
            name = f"{shape}; {streams} streams"
            found = race(name, "step of all streams", contestants, rounds=3)
            races.append(asdict(found))
            _show(found, streams)
    return {"races": races}


def _generators(shape: Shape, streams: int, device: Device) -> dict[str, Work]:
    found: dict[str, Work] = {}
    for weights in ("float32", "float16"):
        for name, steps in STEPS.items():
            stepper = networks.ours(shape, threads=1, weights=weights, steps=steps, device=device)
            found[f"ours, {name} {weights}"] = networks.our_generation(stepper, streams)
        half = weights == "float16"
        found[f"nn.LSTM {weights}"] = networks.torch_lstm(shape, streams, where=device, half=half)
        if device == "cuda":
            graph = networks.torch_lstm(shape, streams, where=device, half=half, graph=True)
            found[f"nn.LSTM {weights}, CUDA graph"] = graph
    return found


def idle(setting: Setting) -> dict[str, Any]:
    """Share of the time in which no kernel runs, while text is drawn."""
    found: dict[str, Any] = {}
    shape = setting.shapes[0]
    for streams in setting.streams[:2]:
        for name, steps in STEPS.items():
            stepper = networks.ours(shape, threads=1, steps=steps, device=setting.device)
            work = networks.our_generation(stepper, streams)
            work(64)  # warm
            found[f"{name}, {streams} streams"] = _idle_share(work, 128, setting.rehearse)
    return found


def _idle_share(work: Work, steps: int, rehearse: bool) -> float | None:
    if rehearse:
        work(steps)
        return None
    activity = torch.profiler.ProfilerActivity.CUDA
    with torch.profiler.profile(activities=[activity]) as profile:
        started = time.perf_counter()
        work(steps)
        seconds = time.perf_counter() - started
    spans = sorted(
        (each.time_range.start, each.time_range.end)
        for each in profile.events()
        if each.device_type.name == "CUDA"
    )
    busy, reached = 0.0, -1.0
    for start, end in spans:  # kernels may overlap
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return 1 - busy / (seconds * 1e6)


def train(setting: Setting) -> dict[str, Any]:
    """Training steps: captured passes, launched passes, and the tutorials' loop."""
    layers, width = (1, 16) if setting.rehearse else (2, 512)
    batch, window = (4, 16) if setting.rehearse else (128, 128)
    tokens = np.random.default_rng(0).integers(training.VOCABULARY, size=1_000_000)
    narrow, wide = tokens.astype(np.uint8), torch.from_numpy(tokens.astype(np.int64))
    device, size = setting.device, (batch, window)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        captured = apart(training.ours, layers, width, narrow, home / "a", device, True, *size)
        launched = apart(training.ours, layers, width, narrow, home / "b", device, False, *size)
        tutorial = apart(training.tutorial, layers, width, wide, device, *size)
        contestants = {"captured": captured, "launched": launched, "tutorial": tutorial}
        found = race(
            f"training {layers}×{width}, batch {batch} × {window}", "step", contestants, rounds=5
        )
    _show(found, batch * window)
    return {"races": [asdict(found)], "characters_a_step": batch * window}


# --- how good, and how soon ---------------------------------------------------------------


def quality(setting: Setting) -> dict[str, Any]:
    """`rnn-train charlm --minutes 0.5`, all defaults; the last 4 % of the text are never seen."""
    minutes = 0.05 if setting.rehearse else 0.5
    if setting.text is None:
        text = "".join(
            p.read_text("utf-8") for p in sorted(Path(json.__file__).parent.glob("*.py"))
        )
    else:
        text = setting.text.read_text("utf-8")
    cut = round(len(text) * 0.96)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "seen.txt").write_text(text[:cut], "utf-8")
        (home / "unseen.txt").write_text(text[cut:], "utf-8")
        request = rnn_train.CharLMRequest(data=(str(home / "seen.txt"),), minutes=minutes)
        started = time.monotonic()
        report = rnn_train.train_charlm(
            request, out=home / "model.onnx", run=home / "run", device=setting.device
        )
        seconds = time.monotonic() - started
        figures = rnn_train.evaluate(report.out, [str(home / "unseen.txt")], device="cpu")
        return {"minutes": minutes, "seconds": seconds, **figures.as_json()}


def classifier(setting: Setting) -> dict[str, Any]:
    """Seconds of `rnn-train classifier` with all defaults, on the GPU and on the CPU."""
    found: dict[str, Any] = {}
    epochs = 0.1 if setting.rehearse else None
    devices: tuple[Device, ...] = ("cpu",) if setting.rehearse else ("cuda", "cpu")
    for device in devices:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            request = rnn_train.ClassifierRequest(epochs=epochs)
            started = time.monotonic()
            report = rnn_train.train_classifier(
                request, out=home / "model.onnx", run=home / "run", device=device
            )
            seconds = time.monotonic() - started
        found[device] = {"seconds": seconds, "accuracy": report.metrics["accuracy"]}
    return found


def _show(found: Race, characters: int) -> None:
    print(found.name)
    for contestant in found.samples:
        seconds = found.typical(contestant)
        rate = characters / seconds
        print(f"  {contestant:36} {seconds * 1e6:10.1f} µs   {rate:14,.0f} characters/s")


PARTS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    each.__name__: each
    for each in (
        environment,
        agreement,
        generation,
        train,
        tests,
        quality,
        placement,
        idle,
        classifier,
    )
}
"""By worth: a run that ends early has the most telling ones."""


def main() -> None:
    """Measures one part and writes it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("result", type=Path)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--text", type=Path)
    arguments = parser.parse_args()
    found = PARTS[arguments.part](Setting(arguments.rehearse, arguments.text))
    arguments.result.write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main()
