"""The command `export`."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from rnn_infer.runtime.stepper import Stepper
from rnn_train import pipeline
from rnn_train.pipeline import ExportOptions
from rnn_train.training_session import TrainingReport

Call = Callable[..., Result]


def test_export(call: Call, finished: TrainingReport) -> None:
    given = ("--step-only", "--steps", "3", "--temperature", "1.5")
    result = call("export", str(finished.run), "--out", "x.onnx", *given)
    assert result.exit_code == 0, result.output
    assert "wrote x.onnx" in result.output
    file = Stepper.open("x.onnx").file
    assert file.metadata.training["temperature"] == 1.5
    assert (file.steps, file.generates) == (3, False)


def test_a_file_does_not_replace_itself(call: Call, finished: TrainingReport) -> None:
    """Its exact weights would be lost. A link to it is the same file."""
    Path("own.onnx").write_bytes(finished.out.read_bytes())
    Path("link.onnx").symlink_to("own.onnx")
    for out in ("own.onnx", "link.onnx"):
        result = call("export", "own.onnx", "--out", out, "--quantize", "int8")
        assert result.exit_code != 0
        assert f"{out} would replace the file that is exported; name another --out" in result.output
    assert Path("own.onnx").read_bytes() == finished.out.read_bytes()


def test_for_an_engine(call: Call, finished: TrainingReport) -> None:
    result = call("export", str(finished.out), "--out", "x.onnx", "--for", "litert")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("for litert: --step-only --steps 1; ")
    file = Stepper.open("x.onnx").file
    assert (file.steps, file.generates) == (1, False)


def test_an_engine_or_a_variant(call: Call, finished: TrainingReport) -> None:
    given = ("--out", "x.onnx", "--for", "tract", "--steps", "3")
    result = call("export", str(finished.run), *given)
    assert result.exit_code != 0
    assert "--for chooses the variant; drop it" in result.output
    assert not Path("x.onnx").exists()


def test_the_temperature_of_a_file_is_fixed(call: Call, finished: TrainingReport) -> None:
    result = call("export", str(finished.out), "--out", "x.onnx", "--temperature", "2")
    assert result.exit_code != 0
    assert "the temperature of a file is fixed; name its run folder" in result.output


def test_steps_are_given_or_measured(call: Call, finished: TrainingReport) -> None:
    given = ("--out", "x.onnx", "--steps", "3", "--fastest-for", "8")
    result = call("export", str(finished.run), *given)
    assert result.exit_code != 0
    assert "--steps and --fastest-for exclude each other" in result.output
    assert not Path("x.onnx").exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), ExportOptions()),
        (("--quantize", "int8"), ExportOptions(weights="int8")),
        (
            ("--quantize", "float16", "--fastest-for", "64"),
            ExportOptions(weights="float16", fastest_for=64),
        ),
        (("--step-only", "--steps", "3"), ExportOptions(step_only=True, steps=3)),
        (("--for", "tract", "--quantize", "int8"), ExportOptions(host="tract", weights="int8")),
        (("--without-if",), ExportOptions(without_if=True)),
        (("--temperature", "0.7"), ExportOptions(temperature=0.7)),
    ],
)
def test_options(
    call: Call, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], expected: ExportOptions
) -> None:
    asked: list[Any] = []

    def export(*arguments: Any, log: object) -> dict[str, float]:
        assert callable(log)
        asked.extend(arguments)
        return {"torch": 1e-6}

    monkeypatch.setattr(pipeline, "export", export)
    result = call("export", "run", "--out", "x.onnx", *given)
    assert result.exit_code == 0, result.output
    assert asked == [Path("run"), Path("x.onnx"), expected]
    assert result.output == "wrote x.onnx   (largest differences: {'torch': 1e-06})\n"


def test_out_is_required(call: Call) -> None:
    result = call("export", "run")
    assert (result.exit_code, "Missing option '--out'" in result.output) == (2, True)


def test_for_triton(call: Call, finished: TrainingReport) -> None:
    result = call("export", str(finished.out), "--out", "repository", "--for", "triton")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("for triton: an ordinary float32 file; ")
    (folder,) = Path("repository").iterdir()
    assert Stepper.open(folder / "1" / "model.onnx").file.generates
    assert f'name: "{folder.name}"\n' in (folder / "config.pbtxt").read_text()
    Path("plain").touch()
    result = call("export", str(finished.out), "--out", "plain", "--for", "triton")
    assert "plain is a file; name a folder for the model repository" in result.output
    result = call("export", str(finished.out), "--out", "new.onnx", "--for", "triton")
    assert (result.exit_code, Path("new.onnx").exists()) == (1, False)
    assert "a model repository is a folder" in result.output
    result = call("export", str(finished.out), "--out", "repository", "--for", "tract")
    assert (result.exit_code, "repository: it is a folder" in result.output) == (1, True)


@pytest.mark.parametrize("old", [None, b"old"])
def test_without_a_config_for_triton_there_is_no_model(
    call: Call, finished: TrainingReport, monkeypatch: pytest.MonkeyPatch, old: bytes | None
) -> None:
    plain = os.replace

    def replace(temporary: Path, path: Path) -> None:
        if path.name == "config.pbtxt" and "config" in temporary.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(temporary, path)

    model = Path("repository", finished.out.stem, "1", "model.onnx")
    if old:
        model.parent.mkdir(parents=True)
        model.write_bytes(old)
    monkeypatch.setattr(os, "replace", replace)
    result = call("export", str(finished.out), "--out", "repository", "--for", "triton")
    assert result.exit_code == 1
    assert "cannot write" in result.output
    assert "config.pbtxt: No space left on device" in result.output
    assert "is written" not in result.output
    found = [each for each in Path("repository").rglob("*") if each.is_file()]
    assert found == ([model] if old else [])
    assert Path("repository").exists() == (old is not None)
    assert old is None or model.read_bytes() == old


def test_interruption_says_whether_the_file_is_new(
    call: Call, finished: TrainingReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.replace
    Path("x.onnx").write_bytes(b"old")

    def replace(old: Path, new: Path) -> None:
        plain(old, new)
        raise KeyboardInterrupt

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    result = call("export", str(finished.out), "--out", "x.onnx")
    assert (result.exit_code, result.stderr) == (130, "interrupted; x.onnx is as it was\n")
    monkeypatch.setattr(os, "replace", replace)
    result = call("export", str(finished.out), "--out", "x.onnx")
    assert (result.exit_code, result.stderr) == (130, "interrupted; x.onnx is written, and whole\n")
    assert Stepper.open("x.onnx").file.generates
