"""`rnn-train` as a user meets it: one line for each mistake, and a run that survives anything."""

import json
import math
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from click.testing import CliRunner, Result

import rnn_train
from rnn_infer.runtime.stepper import Stepper
from rnn_train.cli.commands import main
from rnn_train.run_task import finished_task
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.training import checkpoint
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

LABELLED = "".join(f"text {i},{('even', 'odd')[i % 2]}\n" for i in range(24))
TINY = ("--hidden", "8", "--embedding", "4", "--device", "cpu", "--threads", "1")
QUICK = (*TINY, "--batch", "16", "--epochs", "1")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def refused(*arguments: str) -> str:
    """The one line with which a command ends that must fail."""
    result = call(*arguments)
    assert result.exit_code in (1, 2), result.output
    line = result.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    assert result.stderr.count("Error") == 1
    return line


# --- what is asked cannot be done -----------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "data.txt: no such file, folder, glob or named set"),
        (b"", "data.txt: 0 characters of text; at least 1000 are needed"),
        (b"short", "data.txt: 5 characters of text; at least 1000"),
        (b"\x7fELF\0\0" * 1000, "a NUL at byte 4: this is a binary file"),
        (b"caf\xe9 " * 1000, "data.txt: not UTF-8 at byte 3"),
        (b"\xff\xfea\0b\0" * 1000, "UTF-16 text at byte 0"),
        (b"a" * 2000, "the text repeats one character"),
    ],
)
def test_bad_text(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "data.txt").write_bytes(content)
    assert message in refused("charlm", "--data", "data.txt", *QUICK)
    assert not Path("exported/charlm.onnx").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", None, "rows.csv: no such file"),
        ("rows.csv", "", "rows.csv: is empty"),
        ("rows.csv", LABELLED + "a,b,c\n", "rows.csv: line 25: 3 columns where line 1 has 2"),
        ("rows.csv", LABELLED + "alone\n", "rows.csv: line 25: 1 columns where line 1 has 2"),
        ("rows.csv", LABELLED.replace("odd", "even"), "all rows have the label 'even'"),
        ("rows.csv", LABELLED + "text,\n", "rows.csv: line 25: the label is empty"),
        ("rows.csv", LABELLED[:20], "rows; at least 20 are needed"),
        ("rows.csv", "\0" + LABELLED, "a NUL at byte 0: this is a binary file"),
        ("rows.jsonl", '{"text": 1}\n', "rows.jsonl: line 1: expected"),
        ("rows.xlsx", "PK", "labelled data is a .csv, .tsv or .jsonl file"),
    ],
)
def test_bad_table(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    assert message in refused("classifier", "--data", name, *QUICK)
    assert not Path("exported/classifier.onnx").exists()


@pytest.mark.parametrize("command", ["charlm", "classifier"])
class TestBoth:
    def test_output_that_cannot_be_written(
        self, command: str, story: Path, table: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        data = {"charlm": story, "classifier": table}[command]
        for out, message in (("file/x.onnx", "cannot write"), (str(tmp_path), "is a folder")):
            line = refused(command, "--data", str(data), "--out", out, *QUICK)
            assert message in line
        assert not Path("runs").exists(), "found out before any work"

    def test_run_folder_that_cannot_be_written(self, command: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        assert "cannot write file/run" in refused(command, "--run", "file/run", *QUICK)

    def test_no_cuda(self, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert "torch sees no CUDA device" in refused(command, "--device", "cuda")
        assert not Path("runs").exists()

    def test_two_budgets(self, command: str) -> None:
        line = refused(command, "--minutes", "1", "--epochs", "1")
        assert "--minutes and --epochs exclude each other" in line

    def test_resume_of_nothing(self, command: str) -> None:
        assert "no run folder" in refused(command, "--resume", "gone")

    def test_offline(self, command: str) -> None:
        """Named sets that are not on this machine, and no network."""
        line = refused(command, "--data", "tinyshakespear", *QUICK)
        assert "tinyshakespear" in line


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--data", "other.txt"),
        ("--epochs", "9"),
        ("--minutes", "9"),
        ("--hidden", "9"),
        ("--seed", "1"),
        ("--val-fraction", "0.1"),
        ("--learning-rate", "0.1"),
        ("--init-from", "gone"),
        ("--run", "other"),
    ],
)
def test_resume_with_changed_options(finished: TrainingReport, option: str, value: str) -> None:
    line = refused("charlm", "--resume", str(finished.run), option, value)
    assert f"--resume goes on with the run as it was asked; drop {option}" in line


def test_resume_of_another_command(finished: TrainingReport) -> None:
    line = refused("classifier", "--resume", str(finished.run))
    assert "is no classifier run; go on with: rnn-train charlm --resume" in line


def test_resume_of_a_changed_run(finished: TrainingReport, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished.run, tmp_path / "copy"))
    (folder / "corpus.bin").write_bytes(b"\0\1" * 2000)
    line = refused("charlm", "--resume", str(folder), "--out", "x.onnx")
    assert "changed since the last checkpoint: corpus.bin" in line


def test_run_folder_in_use(finished: TrainingReport) -> None:
    run = Run.open(finished.run)
    for arguments in (
        ("charlm", "--resume", str(finished.run), "--out", "x.onnx"),
        ("export", str(finished.run), "--out", "x.onnx"),
        ("evaluate", str(finished.run), "--data", "x.txt"),
    ):
        assert "is in use by another process" in refused(*arguments)
    run.close()


def test_run_folder_taken(finished: TrainingReport, story: Path) -> None:
    line = refused("charlm", "--data", str(story), "--run", str(finished.run), *QUICK)
    assert "holds a run already; go on with --resume" in line


def test_fine_tuning_on_foreign_characters(finished: TrainingReport, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("Ünknown\n" * 200)
    line = refused("charlm", "--data", "data.txt", "--init-from", str(finished.run))
    assert "1 characters are not in the model's vocabulary: 'Ü'" in line


def test_loss_that_is_no_number(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = CharLMObjective.loss

    def loss(own: CharLMObjective, step: int) -> tuple[torch.Tensor, int]:
        value, size = plain(own, step)
        return value * (math.inf if step == 2 else 1), size

    monkeypatch.setattr(CharLMObjective, "loss", loss)
    line = refused("charlm", "--data", str(story), "--run", "run", "--validate-every", "0", *QUICK)
    assert "start again with a lower --learning-rate" in line
    state, _ = checkpoint.load_latest(Path("run/checkpoints"))
    assert all(value.isfinite().all() for value in state["model"].values())
    assert call("export", "run", "--out", "x.onnx").exit_code == 0


def test_interrupt_while_reading(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(CharLMTask, "create", interrupt)
    result = call("charlm", "--data", str(story), *QUICK)
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_extra_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "pip install 'rnn-infer[train" in refused("charlm", *QUICK)


# --- what is asked is done ------------------------------------------------------------


@pytest.mark.parametrize("command", ["", "charlm", "classifier", "export", "evaluate"])
def test_help(command: str) -> None:
    result = call(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Example" in result.output


def test_version() -> None:
    assert rnn_train.__version__ in call("--version").output


def test_classifier_from_start_to_end(table: Path) -> None:
    result = call(
        "classifier", "--data", str(table), *QUICK, "--cell", "gru", "--no-pool", "--out", "x.onnx"
    )
    assert result.exit_code == 0, result.output
    assert "wrote x.onnx" in result.output
    assert Path("runs/classifier-1/confusion.png").exists()
    again = call("classifier", "--resume", "runs/classifier-1")
    assert again.exit_code == 0, again.output
    assert "0 steps left" in again.output


def test_export(finished: TrainingReport) -> None:
    given = ("--step-only", "--steps", "3", "--temperature", "1.5")
    result = call("export", str(finished.run), "--out", "x.onnx", *given)
    assert result.exit_code == 0, result.output
    assert "wrote x.onnx" in result.output
    file = Stepper.open("x.onnx").file
    assert file.metadata.training["temperature"] == 1.5
    assert (file.steps, file.generates) == (3, False)


def test_steps_are_given_or_measured(finished: TrainingReport) -> None:
    given = ("--out", "x.onnx", "--steps", "3", "--fastest-for", "8")
    result = call("export", str(finished.run), *given)
    assert result.exit_code != 0
    assert "--steps and --fastest-for exclude each other" in result.output
    assert not Path("x.onnx").exists()


@pytest.mark.parametrize(("given", "captures"), [((), True), (("--no-capture",), False)])
def test_whether_steps_are_recorded(story: Path, given: tuple[str, ...], captures: bool) -> None:
    result = call("charlm", "--data", str(story), *QUICK, *given, "--out", "x.onnx")
    assert result.exit_code == 0, result.output
    with finished_task(Path("runs/charlm-1")) as task:
        objective = task.objective(torch.device("cpu"))
    assert isinstance(objective, CharLMObjective)
    assert objective._capture is captures


def test_evaluate(finished: TrainingReport, story: Path) -> None:
    result = call("evaluate", str(finished.run), "--data", str(story), "--dynamic", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert list(shown["protocols"]) == ["windows", "stateful", "dynamic"]
    assert re.search(r"dynamic evaluation: 100%", result.stderr)
    plain = call("evaluate", str(finished.out), "--data", str(story), "--threads", "1")
    nats = shown["protocols"]["stateful"]["nats_per_char"]
    (printed,) = re.findall(r"^stateful +(\S+) nats/char", plain.stdout, re.MULTILINE)
    assert float(printed) == pytest.approx(nats, abs=2e-4)


def test_plots_are_of_classifiers(finished: TrainingReport, story: Path) -> None:
    result = call("evaluate", str(finished.out), "--data", str(story), "--plots", "plots")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith(
        "plots are for classifiers only; leave out --plots"
    )
    assert not Path("plots").exists()


def test_evaluate_a_classifier(finished_classifier: TrainingReport, table: Path) -> None:
    result = call(
        "evaluate", str(finished_classifier.out), "--data", str(table), "--plots", "new/plots"
    )
    assert result.exit_code == 0, result.output
    for name in ("confusion", "reliability"):
        assert (Path("new/plots") / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "accuracy: " in result.stdout
    assert "north" in result.stdout


@pytest.mark.parametrize("content", [None, b"", b"\0" * 2000])
def test_evaluate_on_bad_data(
    finished: TrainingReport, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "data.txt").write_bytes(content)
    for target in (finished.run, finished.out):
        assert "data.txt" in refused("evaluate", str(target), "--data", "data.txt")


# --- another process ------------------------------------------------------------------


def environment() -> dict[str, str]:
    """One thread, this checkout, and the user's own cache: a new one costs matplotlib seconds."""
    kept = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    root = str(Path(rnn_train.__file__).parent.parent)
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": root}


@pytest.fixture
def options(story: Path) -> list[str]:
    """Of a small run with a checkpoint after each step."""
    budget = ["--batch", "8", "--window", "32", "--epochs", "2", "--validate-every", "0"]
    return ["charlm", "--data", str(story), *TINY, *budget]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("undisturbed")


@pytest.fixture
def whole(options: list[str], folder: Path) -> Path:
    """Where that run stands when nothing has disturbed it."""
    run, out = folder / "run", folder / "run.onnx"
    if not out.exists():
        done = call(*options, "--run", str(run), "--out", str(out))
        assert done.exit_code == 0, done.output
    return run


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rnn_train.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def wait_for_steps(process: subprocess.Popen[str], steps: int) -> None:
    """Until a process is so many steps further than its run was."""
    goal = newest_step() + steps
    deadline = time.monotonic() + 120
    while newest_step() < goal:
        assert process.poll() is None, "the run ended before it was disturbed"
        assert time.monotonic() < deadline, "no step was made in two minutes"
        time.sleep(0.005)


def newest_step() -> int:
    paths = Path("run/checkpoints").glob("step-*.ckpt")
    return max((int(path.stem.removeprefix("step-")) for path in paths), default=0)


def go_on() -> str:
    done = call("charlm", "--resume", "run", "--out", "run.onnx")
    assert done.exit_code == 0, done.output
    assert "going on from step" in done.output
    return done.output


def assert_same(whole: Path) -> None:
    assert Path("run.onnx").read_bytes() == whole.with_suffix(".onnx").read_bytes()
    states = [checkpoint.load_latest(each / "checkpoints")[0] for each in (Path("run"), whole)]
    for part in ("model", "average"):
        one, other = (state[part] for state in states)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_interrupt(options: list[str], whole: Path) -> None:
    process = start(*options, "--run", "run", "--out", "run.onnx")
    wait_for_steps(process, 3)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "interrupted; go on with: rnn-train charlm --resume run --out run.onnx" in out
    assert "Traceback" not in errors
    assert Path("run.onnx").read_bytes() != whole.with_suffix(".onnx").read_bytes()
    go_on()
    assert_same(whole)


def test_kills(options: list[str], whole: Path) -> None:
    """One run killed three times, each time at another place; `benchmarks/kills.py` does many."""
    moments = random.Random(1)
    process = start(*options, "--run", "run", "--out", "run.onnx")
    for left in (2, 1, 0):
        wait_for_steps(process, moments.randint(1, 6))
        time.sleep(moments.uniform(0, 0.02))
        assert process.poll() is None, "the run ended before it was killed"
        process.kill()
        process.communicate()
        if left:
            process = start("charlm", "--resume", "run")
    go_on()
    assert_same(whole)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")
def test_full_disk(whole: Path) -> None:
    """A limit on the size of files stands for a disk that is full from the first write on."""
    folder = Path(shutil.copytree(whole, "run"), "checkpoints")
    *kept, newest = sorted(folder.iterdir())
    newest.unlink()
    process = start("charlm", "--resume", "run", "--out", "run.onnx")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 1, out
    assert errors.strip().splitlines()[-1].startswith("Error: cannot write run"), errors
    assert "Traceback" not in errors
    assert sorted(folder.iterdir()) == kept
    go_on()
    assert_same(whole)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "rnn-test", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("may not mount a file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_disk_that_fills_up(whole: Path, small_disk: Path) -> None:
    """Mid-run, between two checkpoints: what was written stays, and the run goes on elsewhere."""
    run = Path(shutil.copytree(whole, small_disk / "run"))
    checkpoints = run / "checkpoints"
    *kept, newest = sorted(checkpoints.iterdir())
    newest.unlink()
    (small_disk / "rubbish").write_bytes(
        bytes(shutil.disk_usage(small_disk).free - kept[-1].stat().st_size // 2)
    )
    process = start("charlm", "--resume", str(run), "--out", "run.onnx")
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 1, out
    last = errors.strip().splitlines()[-1]
    assert last.startswith(f"Error: cannot write {run}"), errors
    assert "No space left on device" in last
    assert sorted(checkpoints.iterdir()) == kept, "whole ones, and no part of another"
    shutil.copytree(run, "run")
    go_on()
    assert_same(whole)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    peaks = [peak_megabytes(tmp_path, size) for size in (1, 50)]
    assert peaks[1] < peaks[0] + 60


def peak_megabytes(folder: Path, megabytes: int) -> float:
    line = "".join(chr(97 + i * i % 26) for i in range(63)) + "\n"
    data = folder / f"text{megabytes}.txt"
    data.write_text(line * (megabytes << 14))
    script = f"""
from pathlib import Path
from rnn_train import pipeline
from rnn_train.tasks.request import CharLMRequest
request = CharLMRequest(
    data=({str(data)!r},), epochs=1e-9, model={{"hidden": 8, "embedding": 4}}
)
pipeline.train(
    request,
    Path("{megabytes}.onnx"), folder=Path("run{megabytes}"), device="cpu", threads=1,
)
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
        timeout=120,
    )
    return float(done.stdout.split()[-1]) / 1024
