"""Pickling and copying: models open once a process, sessions go on, pools refuse."""

import copy
import gc
import io
import multiprocessing
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import rnn_infer
from rnn_infer import CharLM, Classifier, LoadOptions, ModelFileError, PicklingError, Session
from rnn_infer.modelfile.reader import ModelFile
from rnn_infer.runtime.stepper import OPEN, Stepper

NAMES = ["Rossi", "O'Neill", "Nakamura", "Ng"]


@pytest.fixture(autouse=True)
def nothing_open() -> Iterator[None]:
    """Each test starts in a process that has unpickled nothing."""
    OPEN.clear()
    yield
    OPEN.clear()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each file that onnxruntime opens."""
    names: list[str] = []
    of = Stepper.of.__func__  # type: ignore[attr-defined]

    def watched(kind: type[Stepper], file: ModelFile, options: LoadOptions) -> Any:
        names.append(file.path)
        return of(kind, file, options)

    monkeypatch.setattr(Stepper, "of", classmethod(watched))
    return names


def through_pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def through_cloudpickle(value: Any) -> Any:
    cloudpickle = pytest.importorskip("cloudpickle")
    return cloudpickle.loads(cloudpickle.dumps(value))


def through_joblib(value: Any) -> Any:
    joblib = pytest.importorskip("joblib")
    stream = io.BytesIO()
    joblib.dump(value, stream)
    stream.seek(0)
    return joblib.load(stream)


COPIES: list[Callable[[Any], Any]] = [
    through_pickle,
    through_cloudpickle,
    through_joblib,
    copy.copy,
    copy.deepcopy,
]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("from_bytes", [False, True])
def test_models(data: Path, opened: list[str], copied: Any, from_bytes: bool) -> None:
    for name in ("charlm", "gru"):
        path = data / f"{name}.onnx"
        model = rnn_infer.load(path.read_bytes() if from_bytes else path, device="cpu")
        twin: Any = copied(model)
        assert type(twin).__name__ == type(model).__name__
        if isinstance(model, CharLM):
            assert twin.generate("the", seed=1) == model.generate("the", seed=1)
        else:
            assert twin.classify(NAMES) == model.classify(NAMES)
        assert twin._stepper is model._stepper
    assert len(opened) == 2  # once for each file, by `load`


@pytest.mark.parametrize("copied", COPIES)
def test_session_goes_on(lm: CharLM, copied: Any) -> None:
    session = lm.session(seed=3)
    session.feed("the ")
    session.generate(7)
    twin: Session = copied(session)
    assert (twin.seed, twin.position, twin.stopped) == (3, 7, None)
    expected = session.fork().generate(30)
    assert twin.generate(30) == expected
    assert session.generate(30) == expected  # the two are independent
    fresh = copied(lm.session(seed=5))
    assert fresh.generate(9) == lm.session(seed=5).generate(9)


def test_stop_text_of_a_session(lm: CharLM) -> None:
    session = lm.session(seed=3)
    stop = session.fork().generate(60)[50:]
    session.generate(60, stop=stop)
    assert session.stopped == stop
    assert through_pickle(session).stopped == stop


def test_load_options() -> None:
    options = LoadOptions(device="cpu", threads=3, streams=7, sha256="ab")
    for copied in COPIES:
        assert copied(options) == options


def test_model_from_a_path_pickles_in_few_bytes(data: Path) -> None:
    content = (data / "gru.onnx").read_bytes()
    assert len(pickle.dumps(Classifier.load(data / "gru.onnx"))) < 1000
    assert len(pickle.dumps(Classifier.load(content))) > len(content)


def test_options_travel(data: Path) -> None:
    model = Classifier.load(data / "gru.onnx", device="cpu", threads=2, streams=5)
    pickled = pickle.dumps(model)
    digest = model._stepper.file.sha256
    del model
    gc.collect()
    again = pickle.loads(pickled)
    assert again._stepper.options == LoadOptions(device="cpu", threads=2, streams=5, sha256=digest)


# --- once a process -------------------------------------------------------------------


def test_model_opens_once_however_often_it_is_unpickled(data: Path, opened: list[str]) -> None:
    pickled = pickle.dumps(CharLM.load(data / "charlm.onnx", device="cpu"))
    gc.collect()
    opened.clear()
    for _ in range(5):  # each task of a worker gets the model and drops it
        assert len(pickle.loads(pickled).generate(length=3, seed=1)) == 3
        gc.collect()
    assert opened == [str(data / "charlm.onnx")]


def test_other_options_open_again(data: Path) -> None:
    for threads in (1, 2):
        through_pickle(CharLM.load(data / "charlm.onnx", device="cpu", threads=threads))
    assert len(OPEN) == 2


def test_threads_open_a_model_once(data: Path, opened: list[str]) -> None:
    pickled = pickle.dumps(CharLM.load(data / "charlm.onnx", device="cpu"))
    gc.collect()
    opened.clear()
    together = threading.Barrier(8)

    def work(_: int) -> Stepper:
        together.wait(timeout=30)
        found: Stepper = pickle.loads(pickled)._stepper
        return found

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(work, range(8)))) == 1
    assert len(opened) == 1


# --- the file of a pickled model ------------------------------------------------------


@pytest.fixture
def moved(data: Path, tmp_path: Path) -> tuple[Path, bytes]:
    """A model file of one's own, and a pickle of the model. No model is open."""
    path = tmp_path / "model.onnx"
    shutil.copy(data / "gru.onnx", path)
    pickled = pickle.dumps(Classifier.load(path, device="cpu"))
    gc.collect()
    return path, pickled


def test_other_file_under_the_path_is_refused(moved: tuple[Path, bytes], data: Path) -> None:
    path, pickled = moved
    shutil.copy(data / "classifier.onnx", path)
    with pytest.raises(ModelFileError, match="is not the file of the pickled model: sha256") as e:
        pickle.loads(pickled)
    assert str(e.value).startswith(f"{path}: ")
    assert len(str(e.value).splitlines()) == 1


def test_missing_file_says_what_to_do(moved: tuple[Path, bytes]) -> None:
    path, pickled = moved
    path.unlink()
    with pytest.raises(ModelFileError, match="no such file; .*load the model from bytes"):
        pickle.loads(pickled)


def test_relative_path_is_found_from_another_folder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    pickled = pickle.dumps(Classifier.load("gru.onnx", device="cpu"))
    gc.collect()
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(pickled).classify("Rossi").text == "Rossi"


# --- other processes ------------------------------------------------------------------


def test_fresh_process(tmp_path: Path, lm: CharLM) -> None:
    session = lm.session(seed=2)
    session.feed("the")
    (tmp_path / "pickled").write_bytes(pickle.dumps((lm, session)))
    code = (
        "import pickle, sys; lm, session = pickle.load(open(sys.argv[1], 'rb'));"
        "assert lm._stepper is session._stepper;"
        "print(repr((lm.generate('the', length=20, seed=1), session.generate(20))))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "pickled")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    expected = (lm.generate("the", length=20, seed=1), session.generate(20))
    assert done.stdout.strip() == repr(expected)


def test_spawned_processes(data: Path) -> None:
    classifier = Classifier.load(data / "gru.onnx", device="cpu")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as processes:
        # A method of the package: a new process may not find this file to import from.
        found = list(processes.map(Classifier.classify, [classifier] * len(NAMES), NAMES))
    assert found == [classifier.classify(name) for name in NAMES]


def test_joblib_workers(data: Path) -> None:
    joblib = pytest.importorskip("joblib")
    classifier = Classifier.load(data / "gru.onnx", device="cpu")
    work = joblib.delayed(lambda text: classifier.classify(text).label)
    found = joblib.Parallel(n_jobs=2, prefer="threads")(work(name) for name in NAMES)
    assert found == [each.label for each in classifier.classify(NAMES)]


# --- Dask -----------------------------------------------------------------------------


def test_dask_tokens_are_deterministic(data: Path, tmp_path: Path) -> None:
    base = pytest.importorskip("dask.base")
    path = tmp_path / "copy.onnx"
    shutil.copy(data / "gru.onnx", path)

    def token(model: Any) -> str:
        found: str = base.tokenize(model, ensure_deterministic=True)
        return found

    one, same = (Classifier.load(each, device="cpu") for each in (data / "gru.onnx", path))
    assert token(one) == token(same)  # the content counts, not the path
    others: list[Any] = [
        Classifier.load(data / "gru.onnx", device="cpu", threads=2),
        Classifier.load(data / "classifier.onnx", device="cpu"),
        lm := CharLM.load(data / "charlm.onnx", device="cpu"),
        lm.session(seed=1),
        lm.session(seed=2),
    ]
    tokens = [token(each) for each in (one, *others)]
    assert len(set(tokens)) == len(tokens)
    assert token(lm.session(seed=1)) == token(lm.session(seed=1))


def test_dask_bag_in_threads(data: Path) -> None:
    bag = pytest.importorskip("dask.bag")
    classifier = Classifier.load(data / "gru.onnx", device="cpu")
    rows = bag.from_sequence(NAMES * 5, npartitions=4)
    found = rows.map_partitions(
        lambda part: [each.label for each in classifier.classify(list(part))]
    ).compute(scheduler="threads")
    assert found == [each.label for each in classifier.classify(NAMES)] * 5


# --- pools ----------------------------------------------------------------------------


@pytest.mark.parametrize("copied", COPIES)
def test_pools_and_their_streams_refuse(lm: CharLM, copied: Any) -> None:
    pool = lm.pool()
    for each in (pool, pool.open("the", seed=1)):
        with pytest.raises(PicklingError, match=r"belongs to one process.*Session") as caught:
            copied(each)
        assert isinstance(caught.value, pickle.PicklingError)
        assert len(str(caught.value).splitlines()) == 1
