"""The command group: version, missing packages, and one line for each error."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click
import pytest
from click.testing import Result

import rnn_train
from rnn_infer.errors import ModelFileError
from rnn_train.cli.group import OptionsError, guarded
from rnn_train.errors import Interrupted, RunError
from rnn_train.tasks.charlm.task import CharLMTask

Call = Callable[..., Result]
ErrorOf = Callable[..., str]


def test_version(call: Call) -> None:
    assert rnn_train.__version__ in call("--version").output


def test_missing_extra(error_of: ErrorOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "pip install 'rnn-infer[train" in error_of("charlm")


@pytest.mark.parametrize("error", [RunError("the disk is full"), ModelFileError("no model file")])
def test_intended_error_is_one_line(error: Exception) -> None:
    def work() -> None:
        raise error

    with pytest.raises(click.ClickException, match=str(error)) as raised:
        guarded(work)
    assert raised.value.exit_code == 1
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("error", "line"), [(KeyboardInterrupt(), "interrupted\n"), (Interrupted(), "")]
)
def test_interruption_is_said_once(
    error: KeyboardInterrupt, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        raise error

    with pytest.raises(SystemExit) as raised:
        guarded(work)
    assert (raised.value.code, capsys.readouterr().err) == (130, line)


def test_other_errors_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: click.echo(str(1 / 0)))


def test_process_of_torchrun_leaves_at_once() -> None:
    code = """
        import atexit
        from rnn_train.cli.group import _leave
        atexit.register(print, "late")
        print("said")
        _leave(3)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\n", "")


def test_options_error_has_exit_code_2() -> None:
    assert OptionsError("drop one of them").exit_code == 2


def test_interrupt_before_training(
    call: Call, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(CharLMTask, "create", interrupt)
    result = call("charlm", "--data", str(story), "--device", "cpu")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")
