"""All commands of `rnn-train`, and their help."""

from collections.abc import Callable

import click
import pytest
from click.testing import Result

from rnn_train.cli.commands import main

Call = Callable[..., Result]
COMMANDS = ["charlm", "classifier", "evaluate", "export"]


def test_list_of_commands() -> None:
    assert sorted(main.commands) == COMMANDS


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(call: Call, command: str) -> None:
    result = call(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Example" in result.output


def test_help_lists_the_commands(call: Call) -> None:
    result = call("-h")
    lines = result.output.partition("Commands:")[2].strip().splitlines()
    assert [line.split()[0] for line in lines] == COMMANDS
    assert all(line.endswith(".") and not line.endswith("...") for line in lines), "one is cut"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_help_text(command: str) -> None:
    for option in main.commands[command].params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.help[0].isupper() or option.name == "cell"
            assert option.help.endswith("."), option.name


def test_examples_use_known_options() -> None:
    for name in COMMANDS:
        command = main.commands[name]
        known = {flag for option in command.params for flag in option.opts}
        lines = [each for each in (command.help or "").splitlines() if "rnn-train" in each]
        assert lines
        for line in lines:
            words = line.split()
            assert words[1] == name
            assert {word for word in words if word.startswith("--")} <= known, line
