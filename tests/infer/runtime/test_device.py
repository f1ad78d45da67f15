"""Choosing a device: CUDA that works, fails, or only claims to work. See the fake in `conftest`."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import rnn_infer
from rnn_infer import CharLM, DeviceError
from rnn_infer.cli.commands import main
from rnn_infer.inspection import examine

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
PROMPT = "dead beef.\n"

pytestmark = pytest.mark.usefixtures("fresh_runtime")


Install = Callable[..., Any]
"""The fixture `install`."""


@pytest.fixture
def path(data: Path) -> Path:
    return data / "charlm.onnx"


def refusal(path: Path) -> str:
    """Return the error message of loading on CUDA."""
    with pytest.raises(DeviceError) as caught:
        CharLM.load(path, device="cuda")
    assert isinstance(caught.value, RuntimeError)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 1000
    return message


# --- CUDA that does not work ----------------------------------------------------------

BROKEN: dict[str, dict[str, Any]] = {
    "sessions compute wrongly": {"error": 1},
    "a CPU build": {"listed": False},
    "listed, but no session can be created": {"opens": False},
    "listed, but sessions silently run on the CPU": {"runs_on": (CPU,)},
    "the model runs on the CPU, after a probe on CUDA": {"runs_on": (CUDA, CPU)},
    "matrix products run on the CPU, after a probe on CUDA": {"on_cpu": ("Add", "FusedGemm")},
}


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_cuda_fails_if_it_does_not_work(install: Install, path: Path, how: str) -> None:
    install(**BROKEN[how])
    assert "cuda" in refusal(path).lower()
    assert "cuda" in refusal(path).lower()  # also on a second try


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_auto_takes_the_cpu_and_warns(install: Install, path: Path, lm: CharLM, how: str) -> None:
    install(**BROKEN[how])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = CharLM.load(path, device="auto")
    assert found.device == "cpu"
    # A CPU build is a choice. A CUDA build that does not work is a surprise, so it warns.
    assert len(said) == (how != "a CPU build")
    assert all(str(each.message).startswith("device auto takes the CPU: ") for each in said)
    assert found.generate(PROMPT, length=30, seed=1) == lm.generate(PROMPT, length=30, seed=1)


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_cpu_does_not_need_cuda(install: Install, path: Path, how: str) -> None:
    install(**BROKEN[how])
    assert CharLM.load(path, device="cpu").device == "cpu"


def test_message_says_what_to_install(install: Install, path: Path) -> None:
    install(listed=False)
    assert "pip install" in refusal(path)
    assert "onnxruntime-gpu" in refusal(path)


def test_message_has_the_reason(install: Install, path: Path) -> None:
    install(opens=False)
    said = refusal(path)
    assert "CUDA error 35: driver too old" in said
    assert "pip install" in said


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_command_line_fails_in_one_line(install: Install, path: Path, how: str) -> None:
    install(**BROKEN[how])
    arguments = ["generate", "--model", str(path), "--device", "cuda", "--length", "5"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert isinstance(result.exception, SystemExit)


def test_command_line_warns_in_one_line(install: Install, path: Path) -> None:
    install(opens=False)
    arguments = ["generate", "--model", str(path), "--length", "5", "--seed", "1"]
    result = CliRunner().invoke(main, [*arguments, "--count", "5000"])
    assert result.exit_code == 0
    line, device = result.stderr.splitlines()
    assert line.startswith("warning: device auto takes the CPU: ")
    assert device == "device: cpu"


def test_onnxruntime_prints_nothing(
    install: Install, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output belongs to the caller, for text or JSON lines."""
    install(opens=False, banner=True)
    with pytest.warns(RuntimeWarning, match="driver too old"):
        assert CharLM.load(path, device="auto").device == "cpu"
    assert "CUDA error 35: driver too old" in refusal(path)
    assert capsys.readouterr() == ("", "")


def test_working_cuda(install: Install, path: Path, lm: CharLM) -> None:
    install()
    found = CharLM.load(path, device="cuda")
    assert found.device == "cuda"
    assert found.generate(PROMPT, length=30, seed=1) == lm.generate(PROMPT, length=30, seed=1)


# --- CUDA that works ------------------------------------------------------------------


def test_control_flow_and_shapes_may_stay_on_the_cpu(install: Install, path: Path) -> None:
    install(on_cpu=("Shape", "Gather", "Loop"))
    assert CharLM.load(path, device="cuda").device == "cuda"


@pytest.mark.parametrize(("streams", "device"), [(None, "cuda"), (1, "cpu"), (10_000, "cuda")])
def test_auto_takes_the_cpu_for_small_work(
    install: Install, path: Path, streams: int | None, device: str
) -> None:
    install()
    assert CharLM.load(path, device="auto", streams=streams).device == device
    assert rnn_infer.load(path, device="auto", streams=streams).device == device
    assert CharLM.load(path, device="cuda", streams=streams).device == "cuda"


@pytest.mark.parametrize(("count", "device"), [("1", "cpu"), ("5000", "cuda")])
def test_command_line_reports_the_device_of_auto(
    install: Install, path: Path, count: str, device: str
) -> None:
    install()
    arguments = ["generate", "--model", str(path), "--length", "1", "--count", count]
    for more, expected in (([], f"device: {device}\n"), (["--device", "cpu"], "")):
        result = CliRunner().invoke(main, [*arguments, *more])
        assert result.exit_code == 0, result.output
        assert result.stderr == expected


# --- examine, the function of `rnn-infer doctor` --------------------------------------


@pytest.mark.parametrize("how", sorted(how for how in BROKEN if "after" not in how))
def test_examine_without_cuda(install: Install, how: str) -> None:
    install(**BROKEN[how])
    found = examine()
    assert found["ok"] is True
    assert (found["cpu"], found["onnxruntime"]) == ("works", "9.9.9")
    assert found["cuda"] != "works"
    assert len(found["cuda"].splitlines()) == 1


def test_examine_with_cuda(install: Install) -> None:
    install()
    assert (examine()["ok"], examine()["cuda"]) == (True, "works")


def test_examine_where_nothing_runs(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(listed=False)

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("illegal instruction\nsecond line")

    monkeypatch.setattr(fake, "InferenceSession", fail, raising=False)
    found = examine()
    assert found["ok"] is False
    assert found["cpu"] == "illegal instruction"


# --- what exactness depends on --------------------------------------------------------


@pytest.mark.parametrize("name", ["charlm", "charlm.step", "classifier", "wide"])
def test_session_keeps_what_exactness_depends_on(data: Path, name: str) -> None:
    """A row is bit-equal to its batch only with prepacked weights, on one sequential order."""
    model = rnn_infer.load(data / f"{name}.onnx", device="cpu")
    options = model._stepper._session.get_session_options()
    assert options.get_session_config_entry("session.disable_prepacking") == "0"
    assert options.inter_op_num_threads == 1
    assert options.execution_mode.name == "ORT_SEQUENTIAL"
    assert options.graph_optimization_level.name == "ORT_ENABLE_ALL"
