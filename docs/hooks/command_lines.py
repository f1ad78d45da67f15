"""MkDocs hook: the reference of the command lines, written from the click commands.

`<!-- commands of PACKAGE -->` on a page becomes a section for each command of that package, with
its options, their defaults and their help.
"""

import importlib
import inspect
import re
from typing import Any

import click

_MARK = re.compile(r"<!-- commands of (\w+) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replaces each mark with the commands of the package that it names."""
    return _MARK.sub(lambda match: commands(match[1]), markdown)


def commands(package: str) -> str:
    """Returns the reference of a package's command line as Markdown."""
    group = importlib.import_module(f"{package}.cli").main
    if not isinstance(group, click.Group):
        raise TypeError(f"{package}.cli.main is no click group; change docs/hooks")
    program = package.replace("_", "-")
    parts = [f"## {program}\n", _help(group)]
    for name in sorted(group.commands):
        parts += [f"### {program} {name}\n", _command(program, name, group.commands[name])]
    return "\n".join(parts)


def _command(program: str, name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"{program} {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    rows = [
        row
        for each in command.get_params(context)
        if isinstance(each, click.Option) and not each.is_eager
        for row in [_option(each, context)]
    ]
    table = ["| option | value | default | |", "| --- | --- | --- | --- |", *rows]
    line = f"{program} {name} {usage}"
    return "\n".join([f"```text\n{line}\n```\n", _help(command), *table, ""])


def _option(option: click.Option, context: click.Context) -> str:
    names = " / ".join(f"`{each}`" for each in (*option.opts, *option.secondary_opts))
    if option.required:
        names += " (required)"
    flag = option.is_flag
    value = "" if flag else _value(option, context)
    default = option.get_default(context, call=False)
    shown = "" if flag or default in (None, (), "") or _unset(default) else f"`{default}`"
    cells = (names, value, shown, option.help or "")
    return "| " + " | ".join(each.replace("|", "\\|").replace("\n", " ") for each in cells) + " |"


def _value(option: click.Option, context: click.Context) -> str:
    if option.metavar:
        return f"`{option.metavar}`"
    if isinstance(option.type, click.Choice):
        return ", ".join(f"`{each}`" for each in option.type.choices)
    if isinstance(option.type, click.IntRange | click.FloatRange):
        kind = "integer" if isinstance(option.type, click.IntRange) else "number"
        return f"{kind}, {_range(option.type)}"
    if option.type in (click.INT, click.FLOAT):
        return "integer" if option.type is click.INT else "number"
    return f"`{option.make_metavar(context)}`"


def _range(kind: "click.IntRange | click.FloatRange") -> str:
    least = f"{'>' if kind.min_open else '≥'} {kind.min:g}" if kind.min is not None else ""
    below = f"{'<' if kind.max_open else '≤'} {kind.max:,}" if kind.max is not None else ""
    return " and ".join(filter(None, (least, below)))


def _unset(value: object) -> bool:
    return type(value).__name__ == "Sentinel" or repr(value).startswith("Sentinel.")


def _help(command: click.Command) -> str:
    """Returns a command's help as Markdown: paragraphs, and its examples as a block."""
    lines = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            title, *examples = paragraph.removeprefix("\b\n").splitlines()
            body = "\n".join(each.removeprefix("  ") for each in examples)
            lines.append(f"{title}\n\n```sh\n{body}\n```\n")
        else:
            lines.append(" ".join(paragraph.split()) + "\n")
    return "\n".join(lines)
