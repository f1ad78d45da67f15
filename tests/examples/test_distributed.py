"""The examples of engines: the answers of the plain loop, in order, also if a worker is killed.

joblib, concurrent.futures and Dask run everywhere; Ray, Spark and Dask's cluster in the environment
of `make distributed`.
"""

import os
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import pytest
from dask import delayed as dask_delayed
from joblib import Parallel, delayed

from examples.distributed import corpus, with_dask, with_futures, with_joblib
from examples.distributed.column import Function, Label
from rnn_infer import CharLM, Classifier, OptionError

DATA = Path(__file__).parents[1] / "data"
ROWS = 100
Apply = Callable[[Function, Any], list[Any]]
CONCURRENT: dict[str, Apply] = {
    "futures": lambda function, names: with_futures.apply(function, names, rows=ROWS),
    "joblib": lambda function, names: with_joblib.apply(function, names, rows=ROWS),
}
DASK: dict[str, Apply] = {
    "bag": lambda function, names: with_dask.apply_bag(function, names, rows=ROWS),
    "frame": lambda function, names: with_dask.apply_frame(function, names, rows=ROWS),
}


@dataclass(frozen=True)
class Killed:
    """Labels names. The first worker that gets the name `at` kills itself."""

    label: Label
    at: str
    marker: Path

    def __call__(self, names: Any) -> Any:
        if any(isinstance(name, str) and name == self.at for name in names):
            try:
                self.marker.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.label(names)


@pytest.fixture(scope="module")
def label() -> Label:
    return Label(Classifier.load(DATA / "gru.onnx", device="cpu"))


@pytest.fixture(scope="module")
def names() -> list[str | None]:
    """Names that differ, with missing and empty ones in between."""
    draw = random.Random(1)
    given: list[str | None] = [
        "".join(draw.choices("abcdeilmnorstuv", k=draw.randint(2, 9))).title() for _ in range(1234)
    ]
    for at in range(0, len(given), 7):
        given[at] = ("", None)[at % 2]
    return given


@pytest.fixture(scope="module")
def expected(label: Label, names: list[str | None]) -> list[str | None]:
    found = [label.classifier.classify(name).label if name else None for name in names]
    assert len(set(found)) > 2
    return found


@pytest.fixture
def killed(label: Label, names: list[str | None], tmp_path: Path) -> Killed:
    assert names[600]
    return Killed(label, names[600], tmp_path / "marker")


@pytest.mark.slow
@pytest.mark.parametrize("engine", CONCURRENT)
def test_processes(
    engine: str, killed: Killed, names: list[str | None], expected: list[str | None]
) -> None:
    assert CONCURRENT[engine](killed, names) == expected
    assert killed.marker.exists()  # a worker was killed


@pytest.mark.parametrize("engine", DASK)
def test_dask_in_threads(
    engine: str, label: Label, names: list[str | None], expected: list[str | None]
) -> None:
    with dask.config.set(scheduler="threads", num_workers=2):
        assert DASK[engine](label, names) == expected


@pytest.mark.slow
def test_error_of_the_function_is_raised(label: Label) -> None:
    with pytest.raises(OptionError, match="is of type int, not str"):
        with_joblib.apply(label, [1, 2, 3])


# --- engines of their own environment -----------------------------------------------------


def test_dask_cluster(killed: Killed, names: list[str | None], expected: list[str | None]) -> None:
    distributed = pytest.importorskip("distributed", reason="run `make distributed`")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as local,
        distributed.Client(local),
    ):
        for number, apply in enumerate(DASK.values()):
            each = Killed(killed.label, killed.at, killed.marker.with_name(str(number)))
            assert apply(each, names) == expected
            assert each.marker.exists()


@pytest.fixture(scope="module")
def ray_with_two_cpus() -> Iterator[Any]:
    pytest.importorskip("ray", reason="run `make distributed`")
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.mark.usefixtures("ray_with_two_cpus")
def test_ray(killed: Killed, names: list[str | None], expected: list[str | None]) -> None:
    from examples.distributed import with_ray

    assert with_ray.apply(killed, names, rows=ROWS) == expected
    assert killed.marker.exists()


def test_spark(killed: Killed, names: list[str | None], expected: list[str | None]) -> None:
    pytest.importorskip("pyspark", reason="run `make distributed`")
    from examples.distributed import with_spark

    spark = with_spark.session(rows=ROWS)
    try:
        assert with_spark.apply(killed, names, spark) == expected
        assert killed.marker.exists()
    finally:
        spark.stop()


# --- a synthetic corpus -------------------------------------------------------------------


@pytest.fixture(scope="module")
def draw() -> corpus.Draw:
    return corpus.Draw(CharLM.load(DATA / "charlm.onnx", device="cpu"), "the", 50)


@pytest.fixture(scope="module")
def whole(draw: corpus.Draw) -> list[str]:
    """The corpus that one process draws."""
    return [draw.lm.generate("the", length=50, seed=seed) for seed in range(40)]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_corpus_from_joblib(draw: corpus.Draw, whole: list[str], size: int) -> None:
    found = Parallel(2, prefer="threads")(delayed(draw)(seeds) for seeds in corpus.tasks(40, size))
    assert [text for texts in found for text in texts] == whole


def test_corpus_from_dask(draw: corpus.Draw, whole: list[str]) -> None:
    tasks = [dask_delayed(draw)(seeds) for seeds in corpus.tasks(40, 7)]
    found = dask.compute(*tasks, scheduler="threads")
    assert [text for texts in found for text in texts] == whole


def test_corpus_from_ray(ray_with_two_cpus: Any, draw: corpus.Draw, whole: list[str]) -> None:
    ray = ray_with_two_cpus
    task = ray.remote(num_cpus=0.5)(lambda seeds: draw(seeds))  # noqa: PLW0108  (Ray takes no object)
    found = ray.get([task.remote(seeds) for seeds in corpus.tasks(40, 7)])
    assert [text for texts in found for text in texts] == whole
