"""Other engines beside onnxruntime, in turns: seconds a character, of one stream and of many.

    python -m hosts.speed --python python3.12

Each contestant is a process in the environment of its engine, on one thread. In a round each draws
the same number of characters, one contestant after another, so that all meet the same conditions.
An engine runs each variant that may be its fastest; a short trial decides. What Python takes is
measured with empty graphs: the same inputs, outputs and loop, and as good as no work. The logits of
each contestant are compared with the recorded run of onnxruntime, and its text with that of ours.
"""

import argparse
import statistics
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from benchmarks.harness import Race, read, write
from benchmarks.networks import Shape

from .contestant import Contestant, Drawn, RefusedError
from .environments import installed
from .speed_files import INT8, PLAIN, empty_of, prepare

OURS, EMPTY = "onnxruntime", ", empty graph"
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
        return self.engine, PLAIN if self.variant == PLAIN else self.kind

    @property
    def kind(self) -> str:
        """The number type of its weights."""
        return "int8" if self.variant.endswith(INT8) else "float32"


@dataclass
class Findings:
    """What was found besides times."""

    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    """For each contestant `gap`, as in `Drawn`; and of `of` characters, `same` are ours."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why a contestant took no part."""

    def compare(self, name: str, own: Drawn, ours: Drawn) -> None:
        """Compares a text with ours. The worst one of a contestant counts."""
        of = sum(map(len, ours.drawn))
        found = self.checks.setdefault(name, {"gap": own.gap, "same": of, "of": of})
        found["same"] = min(found["same"], same(own.drawn, ours.drawn))


def same(drawn: list[list[int]], ours: list[list[int]]) -> int:
    """Counts the characters of each stream before the first one that differs."""
    agree = ([a == b for a, b in zip(*rows, strict=True)] for rows in zip(drawn, ours, strict=True))
    return sum([*row, False].index(False) for row in agree)


class Field:
    """All contestants of a shape, and the empty graphs beside them.

    Args:
        shape: of the network.
        python: makes the environments.
        stack: ends the processes.
        timed: start the empty graphs too.
    """

    def __init__(self, shape: Shape, python: str, stack: ExitStack, *, timed: bool) -> None:
        paths = {each: prepare(shape, each) for each in {v for vs in VARIANTS.values() for v in vs}}
        names = [Name(engine, each) for engine, variants in VARIANTS.items() for each in variants]

        def start(name: Name, *, empty: bool) -> Contestant:
            path = paths[name.variant.removesuffix(INT8) if empty else name.variant]
            file = empty_of(path) if empty else path
            return stack.enter_context(Contestant(name.engine, file, python))

        self.shape = shape
        self.ours: dict[str, Drawn] = {}
        """What the ordinary file draws, for each number type."""
        self.full = {name: start(name, empty=False) for name in names}
        bare = [name for name in names if timed and not name.variant.endswith(INT8)]
        self.empty = {name: start(name, empty=True) for name in bare}

    def name(self, streams: int) -> str:
        """The name of a race."""
        return f"{self.shape}; {streams} streams; 1 threads"

    def trial(self, streams: int, count: int) -> tuple[dict[Name, float], Findings]:
        """Lets each draw, ours first.

        Args:
            streams: rows of a batch.
            count: characters of each.

        Returns:
            The least seconds a character of each that computes the right logits, and what was
            found.
        """
        least: dict[Name, float] = {}
        found = Findings()
        for name, contestant in self.full.items():
            try:
                drawn = [contestant.draw(streams, count) for _ in range(TRIAL)]
            except RefusedError as error:
                found.refused[str(name)] = str(error)
                continue
            least[name] = min(each.seconds for each in drawn)
            if name.engine == OURS and name.variant != PLAIN:
                self.ours[name.kind] = drawn[0]
            for each in drawn:
                found.compare(str(name), each, self.ours[name.kind])
        return least, found

    def race(self, streams: int, count: int, rounds: int) -> tuple[Race, Findings]:
        """Lets the fastest of each engine and kind of file draw in turns, after a trial."""
        least, found = self.trial(streams, count)
        groups = dict.fromkeys(name.group for name in least)
        running: dict[Name, Contestant] = {}
        for group in groups:
            name = min((each for each in least if each.group == group), key=least.__getitem__)
            running[name] = self.full[name]
        empty = self._empty(list(running), streams, count, found)
        contestants = {**{str(name): each for name, each in running.items()}, **empty}
        result = Race(self.name(streams), "character")
        result.samples = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, contestant in contestants.items():
                drawn = contestant.draw(streams, count)
                result.samples[name].append(drawn.seconds)
                if name not in empty:
                    kind = "int8" if name.endswith(INT8) else "float32"
                    found.compare(name, drawn, self.ours[kind])
        return result, found

    def _empty(
        self, names: list[Name], streams: int, count: int, found: Findings
    ) -> dict[str, Contestant]:
        """Returns the empty graphs of contestants."""
        running = {}
        for name in names:
            bare = Name(name.engine, name.variant.removesuffix(INT8))
            try:
                self.empty[bare].draw(streams, count)
                running[f"{bare}{EMPTY}"] = self.empty[bare]
            except RefusedError as error:
                found.refused[f"{bare}{EMPTY}"] = str(error)
        return running


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
            and not name.endswith(EMPTY)
        ]
        ratios = {name: race.ratio(ours, name) for name in rivals}
        fastest = min(ratios, key=ratios.__getitem__, default=None)
        if fastest is not None:
            lines.append(f"  {kind}: {ratios[fastest]:.2f} x {fastest} (bar {bar})")
    return lines


def main() -> None:
    """Measures, and writes benchmarks/results/engines.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="makes the environments; 3.12")
    parser.add_argument("--short", action="store_true", help="two rounds, to try it; not written")
    parser.add_argument("--check", action="store_true", help="compare again, and keep the times")
    arguments = parser.parse_args()
    versions = {engine: installed(engine, arguments.python) for engine in VARIANTS}
    races, findings = [], {}
    for shape in SHAPES:
        with ExitStack() as stack:
            contest = Field(shape, arguments.python, stack, timed=not arguments.check)
            for streams, (shapes, count, rounds) in SCHEDULE.items():
                if shape not in shapes:
                    continue
                if arguments.check:
                    name, found = contest.name(streams), contest.trial(streams, count)[1]
                else:
                    race, found = contest.race(streams, count, 2 if arguments.short else rounds)
                    races.append(race)
                    name = race.name
                    print("\n".join(summary(race)))
                findings[name] = asdict(found)
                print(*found.checks.items(), *found.refused.items(), sep="\n", flush=True)
    if not arguments.short:
        races = races or read("engines")[1]
        facts = {"packages": versions, "findings": findings}
        write("engines", races, command="python -m hosts.speed", **facts)


if __name__ == "__main__":
    main()
