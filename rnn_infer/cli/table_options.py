"""Options of commands that read a table. `rnn-train` takes the same ones."""

from typing import Any

import click

from rnn_infer.tables.options import FORMATS, TableOptions

TABLE_OPTIONS = ("format", "text_column", "label_column", "delimiter", "encoding", "header")
"""Names of the parameters of these options."""
_OPTIONS = (
    click.option(
        "--format",
        type=click.Choice(FORMATS),
        help="Layout of the file. Default: as its suffix says, else one text a line.",
    ),
    click.option(
        "--text-column",
        metavar="COLUMN",
        help="Column of the text: its name, or its number from 1. Default: as the table looks.",
    ),
    click.option(
        "--label-column",
        metavar="COLUMN",
        help="Column of the label: its name, or its number from 1. Default: as the table looks.",
    ),
    click.option(
        "--delimiter",
        metavar="CHARACTER",
        help="Stands between two cells; `tab` is one too. Default: found out of , ; | and tab.",
    ),
    click.option(
        "--encoding", help="Encoding of the file, cp1252 for example. Default: UTF-8 and no other."
    ),
    click.option(
        "--header/--no-header",
        default=None,
        help="The first row names the columns, or is a row like the others. Default: as it looks.",
    ),
)


def table_options(function: Any) -> Any:
    """Add the fields of `TableOptions`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def take_table_options(options: dict[str, Any]) -> TableOptions:
    """Take the options of `table_options` out of those of a command.

    Raises:
        OptionError: an option has a wrong value, or two do not go together.
    """
    return TableOptions(**{name: options.pop(name) for name in TABLE_OPTIONS})
