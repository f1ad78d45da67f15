"""The drawn figures are those that their scripts draw."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.docs.code_blocks import ROOT

FIGURES = ROOT / "docs" / "figures"


def test_committed_figures_are_what_the_scripts_draw(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "docs.figures", tmp_path], cwd=ROOT, check=True)
    drawn = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text("utf-8") for path in FIGURES.glob("*.svg")}
    assert drawn == committed, "run: make figures"
    assert len(drawn) == 3


def test_figures_load_nothing_and_have_a_title() -> None:
    for path in FIGURES.glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.findtext("{http://www.w3.org/2000/svg}title"), path
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "title", "style", "rect", "path", "text"}, path
        assert "@import" not in path.read_text("utf-8")
        assert "url(" not in path.read_text("utf-8")
