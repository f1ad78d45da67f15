"""Other engines beside onnxruntime, in turns: seconds a character, of one stream and of many.

    python -m hosts.speed --python python3.12

Each contestant is a process in the environment of its engine, on one thread. In a round each draws
the same number of characters, one contestant after another, so that all meet the same conditions.
An engine runs each variant that may be its fastest; a short trial decides. What Python takes is
measured with empty graphs: the same inputs, outputs and loop, and as good as no work.
"""

import argparse
import statistics
import sys
from contextlib import ExitStack
from typing import NamedTuple

from benchmarks.harness import Race, write
from benchmarks.networks import Shape

from .contestant import Contestant, RefusedError
from .environments import installed
from .speed_files import INT8, PLAIN, empty_of, prepare

OURS = "onnxruntime"
SHAPES = (Shape(1, 128), Shape(2, 256), Shape(2, 512), Shape(1, 1024))
SCHEDULE = {1: (SHAPES, 96, 25), 64: ((Shape(1, 128), Shape(2, 512)), 24, 15)}
"""Streams → shapes, characters of a stream in a round, rounds."""
TRIAL = 3
"""Rounds of the trial."""
_STEPS, _STEP = "--steps 4", "--step-only --steps 1"
VARIANTS = {
    OURS: ("ordinary", "ordinary" + INT8, PLAIN),
    "OpenVINO": (
        *("--without-if", _STEPS, _STEP),
        *("--without-if" + INT8, _STEPS + INT8, _STEP + INT8),
        PLAIN,
    ),
    "tract": (_STEPS, _STEP, _STEPS + INT8, _STEP + INT8, PLAIN),
    "LiteRT": (_STEP, PLAIN),
}
"""Those of an engine that may be its fastest, by what `make hosts` shows."""
BARS = {"float32": 1.2, "int8": 2.0}
"""How many times faster than OpenVINO and tract the ordinary file shall be."""


class Name(NamedTuple):
    """Engine and variant of a contestant."""

    engine: str
    variant: str

    def __str__(self) -> str:
        return f"{self.engine}, {self.variant}"

    @property
    def group(self) -> tuple[str, str]:
        """Engine and kind of file: one contestant of each takes part."""
        kind = "int8" if self.variant.endswith(INT8) else "float32"
        return self.engine, PLAIN if self.variant == PLAIN else kind


class Field:
    """All contestants of a shape, and the empty graphs beside them."""

    def __init__(self, shape: Shape, python: str, stack: ExitStack) -> None:
        paths = {each: prepare(shape, each) for each in {v for vs in VARIANTS.values() for v in vs}}
        names = [Name(engine, each) for engine, variants in VARIANTS.items() for each in variants]

        def start(name: Name, *, empty: bool) -> Contestant:
            path = paths[name.variant.removesuffix(INT8) if empty else name.variant]
            file = empty_of(path) if empty else path
            return stack.enter_context(Contestant(name.engine, file, python))

        self.shape = shape
        self.full = {name: start(name, empty=False) for name in names}
        self.empty = {
            name: start(name, empty=True) for name in names if not name.variant.endswith(INT8)
        }

    def chosen(self, streams: int, count: int) -> list[Name]:
        """Returns the fastest contestant of each engine and kind of file, after a trial."""
        least: dict[Name, float] = {}
        for name, contestant in self.full.items():
            try:
                rounds = [contestant.draw(streams, count) for _ in range(TRIAL)]
                least[name] = min(rounds)
            except RefusedError as error:
                print(f"{self.shape}, {streams} streams: {name}: {error}", flush=True)
        groups = dict.fromkeys(name.group for name in least)
        return [min((n for n in least if n.group == g), key=least.__getitem__) for g in groups]

    def race(self, streams: int, count: int, rounds: int) -> Race:
        """Lets the fastest draw in turns."""
        running = {}
        for name in self.chosen(streams, count):
            running[str(name)] = self.full[name]
            bare = Name(name.engine, name.variant.removesuffix(INT8))
            try:
                self.empty[bare].draw(streams, count)
                running[f"{bare}, empty graph"] = self.empty[bare]
            except RefusedError as error:
                print(f"{self.shape}, {streams} streams: {bare}, empty graph: {error}", flush=True)
        result = Race(f"{self.shape}; {streams} streams; 1 threads", "character")
        result.samples = {name: [] for name in running}
        for _ in range(rounds):
            for name, contestant in running.items():
                result.samples[name].append(contestant.draw(streams, count))
        return result


def summary(race: Race) -> list[str]:
    """Returns how the ordinary file stands beside the faster of OpenVINO and tract."""
    lines = [race.name]
    for name, samples in race.samples.items():
        lines.append(f"  {name}: {statistics.median(samples) * 1e6:.1f} µs")
    for kind, bar in BARS.items():
        ours = f"{OURS}, ordinary" + INT8 * (kind == "int8")
        rivals = [
            name
            for name in race.samples
            if name.startswith(("OpenVINO", "tract"))
            and name.endswith(INT8) == (kind == "int8")
            and not name.endswith("empty graph")
        ]
        ratios = {name: race.ratio(ours, name) for name in rivals}
        fastest = min(ratios, key=ratios.__getitem__)
        lines.append(f"  {kind}: {ratios[fastest]:.2f} x {fastest} (bar {bar})")
    return lines


def main() -> None:
    """Measures, and writes benchmarks/results/engines.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="makes the environments; 3.12")
    parser.add_argument("--short", action="store_true", help="two rounds, to try it; not written")
    arguments = parser.parse_args()
    versions = {engine: installed(engine, arguments.python) for engine in VARIANTS}
    races = []
    for shape in SHAPES:
        with ExitStack() as stack:
            field = Field(shape, arguments.python, stack)
            for streams, (shapes, count, rounds) in SCHEDULE.items():
                if shape in shapes:
                    races.append(field.race(streams, count, 2 if arguments.short else rounds))
                    print("\n".join(summary(races[-1])), flush=True)
    if not arguments.short:
        write("engines", races, command="python -m hosts.speed", packages=versions)


if __name__ == "__main__":
    main()
