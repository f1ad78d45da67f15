"""Draws every figure: `python -m docs.figures [FOLDER]`."""

import sys
from pathlib import Path

from docs.figures import exactness, journey, model_graph

FIGURES = {"journey": journey.draw, "model-graph": model_graph.draw, "exactness": exactness.draw}


def main() -> None:
    """Writes `<name>.svg` of each figure, into this folder or the one that is given."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, draw in FIGURES.items():
        (folder / f"{name}.svg").write_text(draw().text(), "utf-8")


if __name__ == "__main__":
    main()
