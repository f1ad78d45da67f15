"""A training run in a process of its own: interrupted, killed, on a full disk, on a large text."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import rnn_train
from rnn_train.cli.commands import main
from rnn_train.training import checkpoint

TINY = ("--hidden", "8", "--embedding", "4", "--device", "cpu", "--threads", "1")


def environment() -> dict[str, str]:
    """One thread, this checkout, and the user's cache: a new cache costs matplotlib seconds."""
    kept = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    root = str(Path(rnn_train.__file__).parent.parent)
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": root}


@pytest.fixture
def options(story: Path) -> list[str]:
    """Options of a small run with a checkpoint after each step."""
    budget = ["--batch", "8", "--window", "32", "--epochs", "2", "--validate-every", "0"]
    return ["charlm", "--data", str(story), *TINY, *budget]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("undisturbed")


@pytest.fixture
def whole(options: list[str], folder: Path) -> Path:
    """That run, undisturbed."""
    run, out = folder / "run", folder / "run.onnx"
    if not out.exists():
        done = CliRunner().invoke(main, [*options, "--run", str(run), "--out", str(out)])
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
    """Waits until a process has made some steps."""
    goal = newest_step() + steps
    deadline = time.monotonic() + 120
    while newest_step() < goal:
        assert process.poll() is None, "the run ended before it was disturbed"
        assert time.monotonic() < deadline, "no step was made in two minutes"
        time.sleep(0.005)


def newest_step() -> int:
    paths = Path("run/checkpoints").glob("step-*.ckpt")
    return max((int(path.stem.removeprefix("step-")) for path in paths), default=0)


def go_on() -> None:
    done = CliRunner().invoke(main, ["charlm", "--resume", "run", "--out", "run.onnx"])
    assert done.exit_code == 0, done.output
    assert "going on from step" in done.output


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


@pytest.mark.slow
def test_kills(options: list[str], whole: Path) -> None:
    """A run is killed three times, each time at another step; see `benchmarks/kills.py` too."""
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
    """A limit on the size of files simulates a disk that is full from the start."""
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
    """The disk fills up between two checkpoints. The older ones stay, and the run can go on."""
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
    assert sorted(checkpoints.iterdir()) == kept, "no incomplete file is left"
    shutil.copytree(run, "run")
    go_on()
    assert_same(whole)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.slow
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
