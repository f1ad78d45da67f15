"""This build beside an earlier one: drawing and scoring, in many new processes of each, in turns.

    python -m benchmarks.builds --before FOLDER [--starts 12]

FOLDER is a checkout of the earlier build. Each build exports untrained networks with its own
exporter and runs them with its own library. Where the kernel puts the weights of a process decides
part of its time, so every start counts: the table has the median and the worst. One thread. The
result is written after each round.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .harness import Race, write
from .networks import Shape

HERE = Path(__file__).parents[1]
BEFORE, NOW = "before", "now"
SMALL, LARGE = Shape(1, 128), Shape(2, 512)
LENGTH = {"draw": 128, "draw one": 1, "score": 1024}
"""Characters of a stream in a call of one stream."""
MANY = 16
"""Characters of each stream in a call of many streams."""
_EXPORT = """
import sys
from benchmarks.networks import Shape, ours
folder, *names = sys.argv[1:]
for name in names:
    layers, width, weights = name.split("-")
    stepper = ours(Shape(int(layers), int(width)), threads=1, weights=weights)
    with open(f"{folder}/{name}.onnx", "wb") as file:
        file.write(stepper.file.data)
"""
_MEASURE = """
import statistics, sys, time
import numpy as np
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling
from rnn_infer.scoring import sequence_loss
path, task, streams, length = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
stepper = Stepper.open(path, device="cpu", threads=1)
random = np.random.default_rng(0)
tokens = random.integers(65, size=(streams, length + 1))
uniform = random.random((streams, length), np.float32)

def work():
    if task == "score":
        sequence_loss(stepper, tokens)
    else:
        stepper.draw(tokens[:, :1], stepper.zeros(streams), uniform, Sampling(temperature=0.8))

work()
samples, ends = [], time.perf_counter() + 0.3
while len(samples) < 5 or time.perf_counter() < ends:
    started = time.perf_counter()
    work()
    samples.append((time.perf_counter() - started) / length)
print(statistics.median(samples))
"""


@dataclass(frozen=True)
class Case:
    """What is measured: a network, its weights, what it does, and for how many streams."""

    shape: Shape
    weights: str
    task: str
    streams: int = 1

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.shape.layers}-{self.shape.width}-{self.weights}"

    @property
    def length(self) -> int:
        """Characters of each stream in a call."""
        return LENGTH[self.task] if self.streams == 1 else MANY

    def __str__(self) -> str:
        return f"{self.shape}; {self.weights}; {self.task}; {self.streams} streams"


CASES = (
    *(
        Case(shape, weights, "draw", streams)
        for shape in (SMALL, LARGE)
        for weights in ("float32", "int8")
        for streams in (1, 64)
    ),
    Case(SMALL, "float32", "draw one"),
    Case(SMALL, "int8", "draw one"),
    Case(SMALL, "float32", "score"),
    Case(LARGE, "float32", "score"),
)


def _run(build: Path, program: str, *arguments: str) -> str:
    """Run a program with the packages of a build, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": str(build)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def main() -> None:
    """Exports the files of both builds, and measures all cases in turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--starts", type=int, default=12)
    asked = parser.parse_args()
    builds = {BEFORE: asked.before.resolve(), NOW: HERE}
    races = [Race(str(case), "step of all streams", {BEFORE: [], NOW: []}) for case in CASES]
    with TemporaryDirectory() as folder:
        for name, build in builds.items():
            (own := Path(folder) / name).mkdir()
            _run(build, _EXPORT, str(own), *{case.file for case in CASES})
        for _ in range(asked.starts):
            for case, race in zip(CASES, races, strict=True):
                facts = [case.task, str(case.streams), str(case.length)]
                for name, build in builds.items():
                    file = f"{folder}/{name}/{case.file}.onnx"
                    race.samples[name].append(float(_run(build, _MEASURE, file, *facts)))
            write("builds", races)  # each round is whole; a stopped run keeps those before
    for race in races:
        shown = (f"{name} {race.typical(name) * 1e6:.1f} µs" for name in race.samples)
        print(f"{race.name}: {', '.join(shown)}, {race.ratio(NOW, BEFORE):.2f} ×")


if __name__ == "__main__":
    main()
