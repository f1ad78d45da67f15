"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnn_train.cli.commands import main
from rnn_train.cli.options import PATH

ErrorOf = Callable[..., str]


COMMANDS = {
    "charlm": (),
    "classifier": (),
    "evaluate": ("run", "--data", "x"),
    "export": ("run", "--out", "x.onnx"),
}


@pytest.mark.parametrize(
    ("commands", "option", "value"),
    [
        (("charlm", "classifier", "evaluate"), "--device", "tpu"),
        (("charlm", "classifier", "evaluate"), "--threads", "0"),
        (("charlm", "classifier", "export"), "--temperature", "0"),
        (("charlm", "classifier", "export"), "--temperature", "101"),
    ],
)
def test_value_that_is_refused(
    error_of: ErrorOf, commands: tuple[str, ...], option: str, value: str
) -> None:
    for command in commands:
        line = error_of(command, *COMMANDS[command], option, value)
        assert f"Invalid value for '{option}'" in line


@pytest.mark.parametrize("command", ["charlm", "classifier", "evaluate"])
def test_defaults(command: str) -> None:
    defaults = {option.name: option.default for option in main.commands[command].params}
    assert defaults["device"] == "auto"
    assert not isinstance(defaults["threads"], int), "torch's own number of threads"


def test_paths_are_path_objects() -> None:
    assert PATH.convert("a/b", None, None) == Path("a/b")


def test_training_commands_share_their_options() -> None:
    charlm, classifier = (
        [option.name for option in main.commands[command].params]
        for command in ("charlm", "classifier")
    )
    shared = [name for name in charlm if name in classifier]
    assert charlm[: len(shared)] == classifier[: len(shared)] == shared
    assert {"data", "minutes", "epochs", "ensemble", "out", "resume", "batch"} <= set(shared)


@pytest.mark.parametrize("command", ["charlm", "classifier"])
def test_exported_file_has_the_name_of_the_command(command: str) -> None:
    defaults = {option.name: option.default for option in main.commands[command].params}
    assert defaults["out"] == Path(f"exported/{command}.onnx")


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("option", ["--epochs", "--minutes", "--val-fraction", "--learning-rate"])
def test_number_that_is_not_finite(option: str, number: str) -> None:
    result = CliRunner().invoke(main, ["charlm", option, number])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert option in result.stderr
    assert not Path("runs").exists()
