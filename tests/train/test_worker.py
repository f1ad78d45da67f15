"""Training in several processes: shared out, resumed, interrupted, and ended when one ends."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from rnn_train import pipeline, training_session
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest
from rnn_train.training import checkpoint
from tests.train.several import no_end, run_together, start_server

STEPS = ("--epochs", "1", "--validate-every", "0", "--threads", "1", "--device", "cpu")
SMALL = ("--hidden", "8", "--embedding", "4")
MODEL = {"hidden": 8, "embedding": 4}
KINDS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "charlm": (
        ("--batch", "15", "--window", "32", "--muon", "3"),
        {"training": {"batch": 15, "window": 32, "muon": 3.0}},
    ),
    "classifier": (("--batch", "15"), {"training": {"batch": 15}}),
}
"""Options of the command, and the same as fields of the request."""
DROPOUT = ("--weight-drop", "0.3", "--dropout-input", "0.2", "--dropout-output", "0.2")


@pytest.fixture(scope="module", autouse=True)
def _server() -> None:
    """Before a test has a cache of its own, in which matplotlib would search all fonts."""
    start_server()


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    monkeypatch.setattr(training_session, "_finish", no_end)


def alone(kind: str, data: Path, name: str, **more: Any) -> None:
    """Trains in this process."""
    fields: dict[str, Any] = {"epochs": 1.0, "model": MODEL, **KINDS[kind][1], **more}
    fields["training"] = fields["training"] | {"validate_every": 0.0}
    kinds = {"charlm": CharLMRequest, "classifier": ClassifierRequest}
    pipeline.train(
        kinds[kind](data=(str(data),), **fields),
        Path(f"{name}.onnx"),
        folder=Path(name),
        device="cpu",
        threads=1,
        log=lambda _: None,
    )


def together(kind: str, data: Path, name: str, *more: str, **how: Any) -> Any:
    files = ("--data", str(data), "--run-folder", name, "--out", f"{name}.onnx")
    return run_together((kind, *files, *STEPS, *SMALL, *KINDS[kind][0], *more), **how)


def last(name: str | Path) -> dict[str, Any]:
    state, _ = checkpoint.load_latest(Path(name) / "checkpoints")
    return state


def assert_same(one: dict[str, Any], other: dict[str, Any], **tolerance: Any) -> None:
    """Compares weights, averages, states of the optimizers, what is carried, random numbers."""
    parts = ("model", "average", "optimizers", "task", "random", "step", "units")
    found, expected = ({key: state[key] for key in parts} for state in (one, other))
    torch.testing.assert_close(found, expected, **tolerance)


@pytest.mark.parametrize("processes", [2, 3])
def test_charlm_is_that_of_one_process(story: Path, processes: int) -> None:
    model = MODEL | {"weight_drop": 0.3, "dropout_input": 0.2, "dropout_output": 0.2}
    alone("charlm", story, "one", model=model)
    codes, printed = together("charlm", story, "two", *DROPOUT, processes=processes)
    assert codes == [0] * processes, printed
    assert_same(last("two"), last("one"), rtol=1e-3, atol=1e-5)
    assert printed[1:] == [""] * (processes - 1), "only process 0 prints"
    assert f"on cpu in {processes} processes, run folder two" in printed[0]


@pytest.mark.parametrize("kind", ["charlm", "classifier"])
def test_rows_that_end_early(kind: str, story: Path, table: Path) -> None:
    """Documents of different lengths; the last batches of an epoch are smaller than the group."""
    if kind == "charlm":
        alone(kind, story, "one", documents="line")
        codes, printed = together(kind, story, "two", "--documents", "line")
    else:
        model = MODEL | {"dropout": 0.3, "ngrams": 3, "evidence": 2}
        alone(kind, table, "one", model=model, val_fraction=0.0)
        more = ("--dropout", "0.3", "--ngrams", "3", "--evidence", "2", "--val-fraction", "0")
        codes, printed = together(kind, table, "two", *more, processes=3)
    assert set(codes) == {0}, printed
    assert_same(last("two"), last("one"), rtol=1e-3, atol=1e-5)


def test_long_rows_go_on_in_each_share(tmp_path: Path) -> None:
    """Rows of several windows carry their state; they end at different windows."""
    sizes = (5, 6, 7, 8, 9, 10, 4090, 4100, 8190, 9000)
    rows = [f"{letter * size},{letter}" for letter in "ab" for size in sizes]
    data = tmp_path / "long.csv"
    data.write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")
    alone("classifier", data, "one", val_fraction=0.0)
    codes, printed = together("classifier", data, "two", "--val-fraction", "0")
    assert codes == [0, 0], printed
    assert_same(last("two"), last("one"), rtol=1e-3, atol=1e-5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("undisturbed")


@pytest.fixture
def whole(story: Path, folder: Path) -> Path:
    """A run of two processes, undisturbed."""
    run = folder / "run"
    if not run.exists():
        codes, printed = together("charlm", story, str(run), *DROPOUT)
        assert codes == [0, 0], printed
    return run


def test_interrupted_run_resumes_exactly(story: Path, whole: Path) -> None:
    codes, printed = together("charlm", story, "run", *DROPOUT, trouble=("SIGINT", 0, 3))
    assert codes == [0, 0], printed
    again = "torchrun --nproc-per-node 2 -m rnn_train charlm --resume run"
    assert f"interrupted; go on with: {again}" in printed[0]
    assert last("run")["step"] == 4
    shutil.copytree("run", "other")
    codes, printed = run_together(("charlm", "--resume", "run"))
    assert codes == [0, 0], printed
    assert "the run began" not in printed[0]
    assert_same(last("run"), last(whole), rtol=0, atol=0)
    lines: list[str] = []
    pipeline.resume(Path("other"), Path("other.onnx"), log=lines.append)
    assert any("began in 2 processes and goes on in 1: " in line for line in lines)
    assert_same(last("other"), last(whole), rtol=1e-3, atol=1e-5)


def test_signals_reach_the_followers_in_vain(story: Path, whole: Path) -> None:
    codes, printed = together("charlm", story, "run", *DROPOUT, trouble=("SIGTERM", 1, 2))
    assert codes == [0, 0], printed
    assert_same(last("run"), last(whole), rtol=0, atol=0)


def test_bad_gradient_of_one_ends_all(story: Path) -> None:
    codes, printed = together("charlm", story, "run", trouble=("nan", 1, 2))
    assert codes == [1, 0], printed
    assert printed[0].count("Error: ") == 1
    assert "training has diverged: the loss is not a finite number at step 2" in printed[0]
    assert printed[1] == ""


@pytest.mark.parametrize("killed", [0, 1])
def test_killed_process_ends_all(story: Path, killed: int) -> None:
    codes, printed = together("charlm", story, "run", trouble=("SIGKILL", killed, 3))
    left = 1 - killed
    assert (codes[killed], codes[left]) == (-9, 1), printed
    (line,) = (text for text in printed[left].splitlines() if "Error: " in text)
    message = "Error: another process of this training has ended; go on with: torchrun "
    assert message in line
    assert "-m rnn_train charlm --resume " in line
    assert not Path("run.onnx").exists()
    assert last("run")["step"] == 3


def test_interrupt_before_the_first_step_leaves_nothing(story: Path) -> None:
    codes, printed = together("charlm", story, "run", trouble=("SIGINT", 0, 0))
    assert codes == [130, 1], printed
    assert printed[0].endswith("interrupted\n")
    assert printed[1] == "Error: another process of this training has ended\n"
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("kind", "trouble", "codes", "message"),
    [
        ("charlm", ("SIGKILL", 1, 3), [1, -9], "Error: another process of this training has ended"),
        ("classifier", ("SIGINT", 0, 1), [130, 1], "interrupted"),
    ],
)
def test_members_are_those_of_one_process(
    kind: str,
    trouble: tuple[str, int, int],
    codes: list[int],
    message: str,
    story: Path,
    table: Path,
) -> None:
    """Even if one of them is killed or interrupted, and the run then goes on."""
    data = story if kind == "charlm" else table
    alone(kind, data, "one", ensemble=2, val_fraction=0.0)
    more = ("--ensemble", "2", "--val-fraction", "0")
    found, printed = together(kind, data, "two", *more, trouble=trouble)
    assert found == codes, printed
    again = f"torchrun --nproc-per-node 2 -m rnn_train {kind} --resume two --out two.onnx"
    assert printed[0].endswith(f"{message}; go on with: {again}\n")
    assert "2 teachers, 2 at once, each in a process of its own" in printed[0]
    found, printed = run_together((kind, "--resume", "two"))
    assert found == [0, 0], printed
    assert printed[1] == ""
    for number in "12":
        member = Path("teachers") / number
        assert_same(last("two" / member), last("one" / member), rtol=0, atol=0)
    assert_same(last("two"), last("one"), rtol=1e-3, atol=1e-5)


def test_minutes_are_shared_out_to_rounds_of_members(story: Path) -> None:
    files = ("--data", str(story), "--run-folder", "run", "--out", "run.onnx", "--device", "cpu")
    budget = ("--ensemble", "3", "--minutes", "0.03", "--threads", "1")
    codes, printed = run_together(("charlm", *files, *SMALL, *budget, "--val-fraction", "0"))
    assert codes == [0, 0], printed
    assert "3 teachers, 2 at once" in printed[0]
    for number in "123":  # two rounds, and the student
        assert last(Path("run/teachers") / number)["plan"]["minutes"] == 0.03 / 3
    assert last("run")["plan"]["minutes"] <= 0.03
    assert last("run")["step"] > 0


def test_bad_member_is_named(table: Path) -> None:
    more = ("--ensemble", "2", "--val-fraction", "0")
    codes, printed = together("classifier", table, "run", *more, trouble=("nan", 1, 1))
    assert codes == [1, 1], printed
    assert printed[1].startswith("Error: process 1: training has diverged: ")
    assert "Error: another process of this training has ended" in printed[0]


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("charlm", "--data", "nowhere.txt"), 1, "Error: nowhere.txt: no such file"),
        (("charlm", "--epoch"), 2, "Error: "),
        (("classifier", "--dry-run"), 0, "dry run: nothing was written"),
        (("--help",), 0, "Usage: rnn-train"),
    ],
)
def test_one_process_says_it(arguments: tuple[str, ...], code: int, line: str) -> None:
    codes, printed = run_together(arguments)
    assert codes == [code, 0], printed
    assert line in printed[0]
    assert printed[0].count("Error") == (code > 0)
    assert printed[1] == ""
    assert not Path("runs").exists()


def test_batch_smaller_than_the_group(story: Path) -> None:
    codes, printed = together("charlm", story, "run", "--batch", "1")
    assert codes == [1, 0]
    assert "Error: a batch of 1 cannot be shared out to 2 processes" in printed[0]
    assert not Path("run").exists()


@pytest.mark.slow
def test_torchrun_itself(story: Path) -> None:
    torchrun = str(Path(sys.executable).with_name("torchrun"))
    root = str(Path(pipeline.__file__).parents[1])
    files = ("--data", str(story), "--run-folder", "run", "--out", "run.onnx")
    done = subprocess.run(
        [torchrun, "--nproc-per-node", "2", "-m", "rnn_train", "charlm", *files, *STEPS, *SMALL],
        env={name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
        | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("in 2 processes, run folder run") == 1
    assert done.stdout.count("wrote run.onnx") == 1
    assert last("run")["step"] > 0
