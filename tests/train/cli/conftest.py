"""The command line, called inside the test's process."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from rnn_train.cli.commands import main


@pytest.fixture
def call() -> Callable[..., Result]:
    """`call(*arguments)`: runs a command."""
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.fixture
def error_of(call: Callable[..., Result]) -> Callable[..., str]:
    """`error_of(*arguments)`: the one line with which a command ends that must fail."""

    def of(*arguments: str) -> str:
        result = call(*arguments)
        assert result.exit_code in (1, 2), result.output
        line: str = result.stderr.splitlines()[-1]
        assert line.startswith("Error: ")
        assert result.stderr.count("Error") == 1
        return line

    return of
