"""The tables of the pages are those that the committed results give."""

import re
from pathlib import Path

import pytest

from benchmarks.render import PAGES, TABLES, rendered
from tests.docs.code_blocks import ROOT


@pytest.mark.parametrize("page", PAGES)
def test_tables_are_rendered_from_the_results(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert "<!-- table " in text
    assert rendered(page) == text, "run: python -m benchmarks.render"


def test_every_table_is_shown() -> None:
    text = "".join((ROOT / page).read_text("utf-8") for page in PAGES)
    assert [name for name in TABLES if f"<!-- table {name} -->" not in text] == []


@pytest.mark.parametrize(
    "result", sorted((ROOT / "benchmarks" / "results").glob("*.json")), ids=lambda path: path.stem
)
def test_result_names_no_folder_of_a_machine(result: Path) -> None:
    folders = r"(?:/home/|/root/|/tmp/|/Users/|[A-Z]:\\\\)[^\"]*"
    assert re.findall(folders, result.read_text("utf-8")) == []
