"""How fast: drawing text, and training."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import torch

from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper

from .. import networks, training
from ..harness import Race, Work, apart, race
from ..networks import Shape
from .files import STEPS, WEIGHTS, File
from .setting import Part, Result, Setting

_TURN = 32
"""Characters that each stream draws in a turn of a race: whole calls of each file."""


def generation(setting: Setting) -> Part:
    """Drawing text: this project's variants against torch's `nn.LSTM`, eager and as its own CUDA
    graph."""
    races = []
    opened = cache(setting.opened)
    for streams in setting.streams:
        for shape in setting.shapes:
            contestants = _generators(shape, streams, setting.device, opened)
            name = f"{shape}; {streams} streams"
            found = race(name, f"{_TURN} steps of all streams", contestants, rounds=3)
            races.append(asdict(found))
            _show(found, _TURN * streams)
            yield {"races": races}


def _generators(
    shape: Shape, streams: int, device: Device, opened: Callable[[File], Stepper]
) -> dict[str, Work]:
    found: dict[str, Work] = {}
    for weights in WEIGHTS:
        for name, steps in STEPS.items():
            stepper = opened(File(shape, steps, weights))
            found[f"ours, {name} {weights}"] = networks.our_generation(stepper, streams)
        half = weights == "float16"
        found[f"nn.LSTM {weights}"] = networks.torch_lstm(shape, streams, where=device, half=half)
        if device == "cuda":
            graph = networks.torch_lstm(shape, streams, where=device, half=half, graph=True)
            found[f"nn.LSTM {weights}, CUDA graph"] = graph
    return {name: _in_turns(work) for name, work in found.items()}


def _in_turns(work: Work) -> Work:
    """A turn at a time. A part of a call would take the time of the whole call."""
    return lambda count: work(_TURN * count)


def idle(setting: Setting) -> Part:
    """Share of the time in which no kernel runs, while text is drawn."""
    found: Result = {}
    for streams in setting.streams[:2]:
        for name, steps in STEPS.items():
            work = networks.our_generation(setting.opened(File(setting.shapes[0], steps)), streams)
            work(64)  # warm
            found[f"{name}, {streams} streams"] = _idle_share(work, 128, setting.rehearse)
            yield found


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


def train(setting: Setting) -> Part:
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
    yield {"races": [asdict(found)], "characters_a_step": batch * window}


def _show(found: Race, characters: int) -> None:
    print(found.name)
    for contestant in found.samples:
        seconds = found.typical(contestant)
        rate = characters / seconds
        print(f"  {contestant:36} {seconds * 1e6:10.1f} µs   {rate:14,.0f} characters/s")
