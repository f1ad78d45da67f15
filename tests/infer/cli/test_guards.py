"""Guards: errors, warnings and wrong options become one line."""

import errno
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from rnn_infer import OptionError
from rnn_infer.cli.guards import OneLineGroup, command, fail, written


def run(work: Callable[[], None], *arguments: str) -> Result:
    """Run a guarded command that calls `work`."""

    @click.group(cls=OneLineGroup)
    def group() -> None:
        pass

    group.add_command(command(work), "work")
    return CliRunner().invoke(group, ["work", *arguments])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OptionError("top must be 1 or more, got 0"), "top must be 1 or more, got 0"),
        (UnicodeDecodeError("utf-8", b"ab\xff", 2, 3, "bad"), "not UTF-8 at byte 2"),
        (UnicodeEncodeError("latin-1", "中", 0, 1, "bad"), "set PYTHONIOENCODING=utf-8"),
    ],
)
def test_error_becomes_one_line(error: Exception, said: str) -> None:
    def work() -> None:
        raise error

    result = run(work)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr


def test_other_errors_pass() -> None:
    def work() -> None:
        raise KeyError("a bug")

    assert isinstance(run(work).exception, KeyError)


def test_warning_becomes_one_line() -> None:
    result = run(lambda: warnings.warn("the disk is slow", RuntimeWarning, stacklevel=1))
    assert (result.exit_code, result.stderr) == (0, "warning: the disk is slow\n")


def test_fail() -> None:
    result = run(lambda: fail("no such text"))
    assert (result.exit_code, result.stderr) == (1, "Error: no such text\n")


def test_wrong_option_becomes_one_line() -> None:
    result = run(lambda: None, "--speed", "9")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "No such option '--speed'" in result.stderr or "No such option: --speed" in result.stderr
    assert "work --help" in result.stderr


def test_ctrl_c_is_exit_code_130() -> None:
    def wait() -> None:
        raise KeyboardInterrupt

    result = run(wait)
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "output cannot be written, .*make room"),
        (MemoryError(), "not enough memory; free some"),
    ],
)
def test_errors_of_the_system_become_one_line(error: Exception, said: str) -> None:
    @command
    def fails() -> None:
        raise error

    result = CliRunner().invoke(OneLineGroup("program", commands={"fails": fails}), ["fails"])
    assert result.exit_code == 1
    assert re.fullmatch(f"Error: .*{said}.*\n", result.stderr)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_full_output(data: Path) -> None:
    program = [sys.executable, "-m", "rnn_infer", "show", "--model", str(data / "charlm.onnx")]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            program, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 1
    assert re.fullmatch("Error: the output cannot be written, .*; make room.*\n", result.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
def test_closed_output_and_input(data: Path) -> None:
    program = f"{sys.executable} -m rnn_infer"
    model = data / "charlm.onnx"
    for closed, said in (
        (f"{program} next --model {model} --prompt - <&-", "input is closed; "),
        (f"{program} show --model {model} >&-", "output is closed, .*; redirect it with > FILE"),
    ):
        result = subprocess.run(["sh", "-c", closed], capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout) == (1, "")
        assert re.fullmatch(f"Error: standard {said}.*\n", result.stderr)


def test_program_without_a_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its result has nowhere to go, and it must not end as if all were well."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    group = OneLineGroup("program", commands={"work": command(lambda: None)})
    with pytest.raises(SystemExit) as ended:
        group.main(["work"])
    assert ended.value.code == 1


def test_output_is_lost_after_a_file_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, written(Path("x.onnx")):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert ended.value.code == 1
    assert re.fullmatch(
        "Error: x.onnx is written, and whole, but .*; make room.*\n", capsys.readouterr().err
    )


@pytest.mark.parametrize("error", [RuntimeError("std::bad_alloc"), RuntimeError("a mistake")])
def test_only_a_lack_of_memory_becomes_one_line(error: RuntimeError) -> None:
    def work() -> None:
        raise error

    result = run(work)
    assert ("not enough memory" in result.stderr) == ("bad_alloc" in str(error))
    assert (result.exception is error) == ("mistake" in str(error))
