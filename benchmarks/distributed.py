"""Names a second through engines that use several processes, and what their own work costs.

    python -m benchmarks.distributed names.csv [--names 50000 1000000] [--rounds 3]

It needs the environment of `make distributed`. Each engine of `examples/distributed` labels a
column twice in each round: with the classifier, and with a function that returns a constant. The
second XX"""

import argparse
import csv
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import dask
import numpy as np
import psutil
import ray
from distributed import Client, LocalCluster
from numpy.typing import NDArray

from examples.distributed import with_dask, with_futures, with_joblib, with_ray, with_spark
from examples.distributed.column import Function, Label, parts
from rnn_infer import Classifier

from .harness import Race, write

EXPORTED = Path(__file__).parents[1] / "exported"
SIZES = (50_000, 1_000_000)
WORKERS, ROWS = 2, 5000
MISSING = 1000
"""One name of so many is missing."""
PLAIN, OWN, PROCESSOR = "plain loop", "; constant", "; processor"
Apply = Callable[[Function, list[Any]], list[Any]]


def constant(names: Any) -> NDArray[Any]:
    """The same label for all."""
    return np.full(len(names), "x", object)


def plain(function: Function, names: list[Any]) -> list[Any]:
    """One process, one thread."""
    return [label for part in parts(names, ROWS) for label in function(part)]


def processor_seconds() -> float:
    """Seconds that this process and all below it have used, the ended ones included."""
    total = 0.0
    own = psutil.Process()
    for process in [own, *own.children(recursive=True)]:
        with suppress(psutil.Error):  # it has just ended
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


@contextmanager
def engines() -> Iterator[dict[str, Apply]]:
    """All engines, started."""

    def threads(function: Function, names: list[Any]) -> list[Any]:
        with dask.config.set(scheduler="threads", num_workers=WORKERS):
            return with_dask.apply_bag(function, names, rows=ROWS)

    def cluster(function: Function, names: list[Any]) -> list[Any]:
        with client.as_current():
            return with_dask.apply_frame(function, names, rows=ROWS)

    def in_ray(function: Function, names: list[Any]) -> list[Any]:
        return with_ray.apply(function, names, rows=ROWS)

    with ExitStack() as stack:
        local = LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None)
        client = stack.enter_context(Client(stack.enter_context(local), set_as_default=False))
        ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
        stack.callback(ray.shutdown)
        spark = with_spark.session(rows=ROWS)
        stack.callback(spark.stop)
        yield {
            "concurrent.futures": with_futures.apply,
            "joblib": with_joblib.apply,
            "Dask, bag, threads": threads,
            "Dask, data frame, cluster": cluster,
            "Ray Data": in_ray,
            "Spark": lambda function, names: with_spark.apply(function, names, spark),
        }


def main() -> None:
    """All engines on all sizes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", help="a table of name,label")
    parser.add_argument("--names", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with Path(options.data).open(newline="", encoding="utf-8") as stream:
        known = [row[0] for row in csv.reader(stream)]
    # Ray and Spark start their workers elsewhere; they must find the examples.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    label = Label(Classifier.load(EXPORTED / "classifier.onnx", device="cpu"))
    races = []
    with engines() as found:
        contestants: dict[str, Apply] = {PLAIN: plain, **found}
        for size in options.names:
            names: list[str | None] = list(islice(cycle(known), size))
            names[::MISSING] = [None] * len(names[::MISSING])
            races.append(measured(contestants, label, names, options.rounds))
    packages = ("dask", "distributed", "joblib", "ray", "pyspark", "pandas")
    versions = {package: version(package) for package in packages}
    write("distributed", races, workers=WORKERS, rows=ROWS, engines=versions)


def measured(contestants: dict[str, Apply], label: Label, names: list[Any], rounds: int) -> Race:
    """Times all, in turns, on workers that have begun."""
    race = Race(str(len(names)), f"{len(names):,} names")
    for apply in contestants.values():
        apply(label, names[: 4 * ROWS])
    expected = None
    for _ in range(rounds):
        for name, apply in contestants.items():
            for suffix, function in (("", label), (OWN, constant)):
                used, started = processor_seconds(), time.perf_counter()
                result = apply(function, names)
                seconds, used = time.perf_counter() - started, processor_seconds() - used
                race.samples.setdefault(name + suffix, []).append(seconds)
                race.samples.setdefault(name + suffix + PROCESSOR, []).append(used)
                if suffix:
                    continue
                expected = expected or result
                if result != expected:
                    raise ValueError(f"{name} gives other labels than the plain loop")
            print(f"{name:28} {len(names) / race.samples[name][-1]:9,.0f} names/s", flush=True)
    return race


if __name__ == "__main__":
    main()
