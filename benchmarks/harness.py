"""Times contestants against each other: in turns, in one process, with every sample kept.

Machines are shared and noisy, so only ratios count. Each is taken within one round, where
all contestants met the same conditions, and the median of the rounds is shown.
"""

import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("rnn-infer", "numpy", "onnxruntime", "onnxruntime-gpu", "torch", "scikit-learn")
Work = Callable[[int], object]
"""Does the given number of units of work."""


@dataclass
class Race:
    """Seconds a unit of each contestant, by round."""

    name: str
    unit: str
    samples: dict[str, list[float]] = field(default_factory=dict)

    def typical(self, contestant: str) -> float:
        """Median seconds a unit."""
        return statistics.median(self.samples[contestant])

    def ratio(self, contestant: str, rival: str) -> float:
        """How many times faster a contestant is than a rival: the median of the rounds' ratios."""
        pairs = zip(self.samples[rival], self.samples[contestant], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    def best(self, rivals: list[str]) -> str:
        """The fastest of these contestants."""
        return min((each for each in rivals if each in self.samples), key=self.typical)


def race(
    name: str, unit: str, contestants: Mapping[str, Work], *, rounds: int = 7, slice_: float = 0.08
) -> Race:
    """Times contestants that work in turns.

    Args:
        slice_: seconds that each works in a round, about; at least one unit is done.
    """
    counts = {}
    for contestant, work in contestants.items():
        work(1)
        started = time.perf_counter()
        work(2)
        counts[contestant] = max(1, round(slice_ * 2 / (time.perf_counter() - started)))
        work(max(1, counts[contestant] // 2))
    result = Race(name, unit, {contestant: [] for contestant in contestants})
    for _ in range(rounds):
        for contestant, work in contestants.items():
            started = time.perf_counter()
            work(counts[contestant])
            seconds = (time.perf_counter() - started) / counts[contestant]
            result.samples[contestant].append(seconds)
    return result


def apart(make: Callable[..., Work], *arguments: Any) -> Work:
    """The work that `make(*arguments)` returns, done in a process of its own.

    For contestants that set up the process they are in: its threads, or how it keeps memory.
    `make` and its arguments must pickle. The process ends with this one.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    context.Process(target=_serve, args=(there, make, arguments), daemon=True).start()
    there.close()  # so that its end is noticed here

    def wait() -> None:
        try:
            here.recv()
        except EOFError:
            raise RuntimeError(f"the process of {make.__name__} has ended; see above") from None

    def work(count: int) -> None:
        here.send(count)
        wait()

    wait()  # until it is ready
    return work


def _serve(orders: Any, make: Callable[..., Work], arguments: tuple[Any, ...]) -> None:
    work = make(*arguments)
    with suppress(EOFError):  # the other side has ended
        while True:
            orders.send(None)
            work(orders.recv())


def machine() -> dict[str, Any]:
    """Processor, system and package versions. Nothing identifies the machine."""
    facts: dict[str, Any] = {
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "packages": {},
    }
    for package in _PACKAGES:
        try:
            facts["packages"][package] = version(package)
        except PackageNotFoundError:
            continue
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines: dict[str, str] = {}
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            lines[key.strip()] = value.strip()
        facts["cpu"] = lines.get("model name", "")
        facts["cores"] = info.read_text().count("processor\t")
        wanted = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16")
        facts["instructions"] = [each for each in wanted if each in lines.get("flags", "").split()]
    return facts


def write(name: str, races: list[Race], **facts: Any) -> Path:
    """Writes the result of one benchmark."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {
        "command": f"python -m benchmarks.{name}",
        "machine": machine(),
        **facts,
        "races": [_rounded(asdict(each)) for each in races],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {path.relative_to(Path.cwd())}" if path.is_relative_to(Path.cwd()) else path)
    return path


def read_plain(name: str) -> dict[str, Any]:
    """Reads a result that has no races."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return content


def read(name: str) -> tuple[dict[str, Any], list[Race]]:
    """Reads what `write` wrote."""
    content = read_plain(name)
    return content, [Race(**each) for each in content["races"]]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


def work_of_other(sources: Path, program: str, arguments: Sequence[str]) -> Work:
    """Starts another version of the project, which works when its turn comes.

    Args:
        sources: folder of that version.
        program: Python that reads numbers of units, a line each, and prints "done" after each.
        arguments: of the program.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": str(sources.resolve())},
        cwd=sources,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def work(count: int) -> None:
        assert process.stdin
        assert process.stdout
        answer = ""
        with suppress(BrokenPipeError):
            process.stdin.write(f"{count}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        if answer != "done\n":
            with suppress(BrokenPipeError):
                process.communicate()
            raise RuntimeError(f"{sources}: its program ended")

    return work
