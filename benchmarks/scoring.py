"""Reading text: microseconds a character of one stateful pass, against PyTorch's sequence forward.

python -m benchmarks.scoring [--result NAME]
"""

import argparse

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from rnn_infer.runtime.stepper import Stepper
from rnn_infer.scoring import sequence_loss

from . import networks
from .harness import Work, race, write
from .networks import Shape

SHAPES = (Shape(1, 128), Shape(2, 256), Shape(2, 512), Shape(1, 1024))
LENGTH = 2048
"""Characters of a text. A unit of work is one text."""


def _ours(stepper: Stepper, streams: int) -> Work:
    tokens = _tokens(stepper, streams)

    def work(count: int) -> None:
        for _ in range(count):
            sequence_loss(stepper, tokens)

    return work


def _torch(shape: Shape, streams: int) -> Work:
    model = shape.model()
    tokens = torch.from_numpy(
        np.random.default_rng(0).integers(shape.vocabulary, size=(streams, LENGTH))
    )

    def work(count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                logits, _ = model(tokens[:, :-1], model.zeros(streams))
                cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    return work


def _tokens(stepper: Stepper, streams: int) -> np.ndarray:
    count = len(stepper.file.metadata.vocabulary)
    return np.random.default_rng(0).integers(count, size=(streams, LENGTH))


def main() -> None:
    """Measures one stream of each shape, and 16 streams of one shape."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--result", default="scoring", help="name of the file in results/")
    name = parser.parse_args().result
    races = []
    for shape, streams in [*((each, 1) for each in SHAPES), (Shape(2, 512), 16)]:
        torch.set_num_threads(1)
        plain = _torch(shape, streams)
        contestants = {
            "ours": _ours(networks.ours(shape, threads=1), streams),
            "ours int8": _ours(networks.ours(shape, weights="int8", threads=1), streams),
            "torch": plain,
            "torch, no oneDNN": networks.guarded(plain),
        }
        title = f"{shape}; {streams} streams; 1 threads"
        found = race(title, f"{LENGTH} characters of all streams", contestants)
        races.append(found)
        print(title)
        for contestant in found.samples:
            print(f"  {contestant:20} {found.typical(contestant) / LENGTH * 1e6:8.1f} µs/char")
    write(name, races, command=f"python -m benchmarks.scoring --result {name}")


if __name__ == "__main__":
    main()
