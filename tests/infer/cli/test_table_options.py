"""Options of a table on the command line."""

import click
import pytest
from click.testing import CliRunner

from rnn_infer.cli.table_options import table_options, take_table_options
from rnn_infer.errors import OptionError
from rnn_infer.tables.options import TableOptions


def taken(*arguments: str) -> TableOptions:
    found: list[TableOptions] = []

    @click.command()
    @table_options
    @click.option("--other")
    def command(**options: object) -> None:
        found.append(take_table_options(options))
        assert set(options) == {"other"}

    result = CliRunner().invoke(command, arguments)
    if isinstance(result.exception, OptionError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return found[0]


def test_options() -> None:
    assert taken() == TableOptions()
    arguments = ("--format", "csv", "--text-column", "2", "--label-column", "class")
    more = ("--delimiter", "tab", "--encoding", "cp1252", "--no-header")
    assert taken(*arguments, *more) == TableOptions(
        format="csv",
        text_column="2",
        label_column="class",
        delimiter="\t",
        encoding="cp1252",
        header=False,
    )
    assert taken("--header").header is True


def test_bad_option() -> None:
    with pytest.raises(OptionError, match="delimiter must be"):
        taken("--delimiter", "ab")
