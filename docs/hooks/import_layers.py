"""MkDocs hook: the allowed imports between families, from the table in `pyproject.toml`.

`<!-- layers of PACKAGE -->` on a page becomes a table of the families of that package, the highest
first, with the first line of what each says about itself.
"""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_MARK = re.compile(r"<!-- layers of (\w+) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replaces each mark with the table of the package that it names."""
    return _MARK.sub(lambda match: layers(match[1]), markdown)


def layers(package: str) -> str:
    """Returns the families of a package as a Markdown table."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (found,) = (each for each in contracts if each["name"] == f"families of {package}")
    rows = ["| level | family | what it is for |", "| ---: | --- | --- |"]
    for level, line in enumerate(reversed(found["layers"]), 1):
        for module in line.split(" | "):
            rows.insert(2, f"| {level} | `{module}` | {_purpose(module)} |")
    return "\n".join(rows)


def _purpose(module: str) -> str:
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())
