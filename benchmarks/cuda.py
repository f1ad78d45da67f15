"""On a GPU: generating and training, beside PyTorch; and whether the GPU says what the CPU says.

    python -m benchmarks.cuda [--rehearse]

`--rehearse` goes the same ways on the CPU, with small shapes, and keeps nothing.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn_infer.runtime.device import Device

from . import networks, training
from .harness import Race, Work, apart, race, write
from .networks import Shape

SHAPES = (Shape(1, 128), Shape(2, 512))
STREAMS = (1, 64, 1024, 8192)
TRAINED = ((1, 512), (2, 512))
WAYS = {"Loop": None, "1 step": 1, "8 steps": 8, "32 steps": 32}
"""Steps a call: of an ordinary file, and of files of fixed steps."""
_AGREEMENT = (16, 200)
"""Streams and characters of which texts are compared."""


def generating(shape: Shape, streams: int, where: Device) -> dict[str, Work]:
    """Everybody who can generate on a GPU."""
    found = {
        f"ours, {name} {weights}": networks.our_generation(
            networks.ours(shape, threads=1, weights=weights, steps=steps, device=where),
            streams,
        )
        for weights in ("float32", "float16")
        for name, steps in WAYS.items()
    }
    for kind, half in (("float32", False), ("float16", True)):
        lstm = networks.torch_lstm(shape, streams, where=where, half=half)
        found[f"torch nn.LSTM {kind}"] = lstm
        if where == "cuda":
            recorded = networks.torch_lstm(shape, streams, where=where, half=half, graph=True)
            found[f"torch nn.LSTM {kind}, CUDA graph"] = recorded
    return found


def agreement(shape: Shape, where: Device) -> dict[str, Any]:
    """How far each file is from the same file on the CPU: in logits, and in drawn characters."""
    found: dict[str, Any] = {}
    streams, length = _AGREEMENT
    random = np.random.default_rng(1)
    tokens = random.integers(shape.vocabulary, size=(streams, length))
    uniform = random.random((streams, length), np.float32)
    for name, steps in WAYS.items():
        both = [
            networks.ours(shape, threads=1, steps=steps, device=device) for device in ("cpu", where)
        ]
        logits = [each.forward(tokens, each.zeros(streams))[0] for each in both]
        sampling = networks.SAMPLING
        drawn = [
            each.draw(tokens[:, :1], each.zeros(streams), uniform, sampling)[0] for each in both
        ]
        found[name] = {
            "largest_difference_of_logits": float(np.abs(logits[0] - logits[1]).max()),
            "share_of_texts_alike": float(np.mean((drawn[0] == drawn[1]).all(1))),
        }
    return found


def train(layers: int, width: int, where: Device) -> Race:
    """Steps of this project's loop and of the tutorials'."""
    tokens = np.random.default_rng(0).integers(training.VOCABULARY, size=400_000).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        text = torch.from_numpy(tokens.astype(np.int64))
        contestants = {
            "ours": apart(training.ours, layers, width, tokens, Path(folder), where),
            "ours, launched": apart(
                training.ours, layers, width, tokens, Path(folder) / "launched", where, False
            ),
            "tutorial": apart(training.tutorial, layers, width, text, where),
        }
        return race(f"training {layers}×{width}", "step", contestants, rounds=5)


def main() -> None:
    """All of it; the result names the GPU."""
    rehearse = "--rehearse" in sys.argv
    where: Device = "cpu" if rehearse else "cuda"
    shapes = (Shape(1, 16), Shape(2, 24)) if rehearse else SHAPES
    races = []
    for shape in shapes:
        for streams in (1, 3) if rehearse else STREAMS:
            field = generating(shape, streams, where)
            races.append(
                race(f"{shape}; {streams} streams", "step of all streams", field, rounds=5)
            )
            _show(races[-1], streams)
    for layers, width in ((1, 16),) if rehearse else TRAINED:
        races.append(train(layers, width, where))
        _show(races[-1], training.BATCH * training.WINDOW)
    agrees = {str(shape): agreement(shape, where) for shape in shapes}
    print(agrees)
    if not rehearse:
        write("cuda", races, gpu=torch.cuda.get_device_name(), agreement=agrees)


def _show(found: Race, characters: int) -> None:
    print(found.name)
    for contestant in found.samples:
        seconds = found.typical(contestant)
        rate = characters / seconds
        print(f"  {contestant:36} {seconds * 1e6:10.1f} µs   {rate:14,.0f} characters/s")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
