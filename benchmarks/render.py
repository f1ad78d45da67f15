"""Writes the committed results as tables into the pages that show them.

    python -m benchmarks.render

A page has a table between `<!-- table NAME -->` and `<!-- end -->`. The text there is replaced. No
figure of a table is typed by hand.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import (
    host_tables,
    idea_tables,
    name_tables,
    parallel_tables,
    process_tables,
    quality_tables,
    quantization_tables,
    speed_tables,
    text_tables,
)

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "benchmarks/README.md",
    "exported/README.md",
    "docs/guide/data.md",
    "docs/guide/evaluation.md",
    "docs/guide/parallel.md",
    "docs/guide/processes.md",
    "docs/guide/exporting.md",
    "docs/guide/hosts.md",
)

TABLES: dict[str, Callable[[], str]] = {
    "speed": speed_tables.speed,
    "held_out_text": quality_tables.held_out_text,
    "small_model": quality_tables.small_model,
    "held_out_surnames": quality_tables.held_out_surnames,
    "held_out_choice": quality_tables.held_out_choice,
    "texts": text_tables.texts,
    "shakespeare": text_tables.shakespeare,
    "coverage": quality_tables.coverage,
    "generation": speed_tables.generation,
    "parts": speed_tables.parts,
    "streams": speed_tables.streams,
    "scoring": speed_tables.scoring,
    "scoring_avx2": partial(speed_tables.scoring, "scoring_avx2"),
    "builds": speed_tables.builds,
    "startup": speed_tables.startup,
    "loading": speed_tables.loading,
    "training": speed_tables.training,
    "cells": speed_tables.cells,
    "classification": speed_tables.classification,
    "charlm_ablation": quality_tables.charlm_ablation,
    "charlm_ideas": idea_tables.charlm_ideas,
    "charlm_ideas_minutes": idea_tables.charlm_ideas_minutes,
    "charlm_ablation_scarce": partial(quality_tables.charlm_ablation, "charlm_ablation_scarce"),
    "charlm_ablation_students": partial(quality_tables.charlm_ablation, "charlm_ablation_students"),
    "classifier_ablation": quality_tables.classifier_ablation,
    "surnames": quality_tables.surnames,
    "calibration": quality_tables.calibration,
    "million_names": name_tables.million_names,
    "million_names_cost": name_tables.million_names_cost,
    "large_ablation": name_tables.large_ablation,
    "quantization": quantization_tables.quantization,
    "quantization_parts": quantization_tables.quantization_parts,
    "prediction_sets": quality_tables.prediction_sets,
    "load": quality_tables.load,
    "faults": quality_tables.faults,
    "clients": parallel_tables.clients,
    "arrival": parallel_tables.arrival,
    "engines": partial(host_tables.engines, "float32"),
    "engines_int8": partial(host_tables.engines, "int8"),
    "engines_plain": partial(host_tables.engines, "plain LSTM"),
    "engines_compared": host_tables.compared,
    "engines_checked": host_tables.checked,
    "hosts": host_tables.hosts,
    "hosts_picked": host_tables.picked,
    "hosts_speed": host_tables.speed,
    "without_if": host_tables.without_if,
    "distributed": parallel_tables.engines,
    "classify_input": speed_tables.classify_input,
    "processes": process_tables.processes,
    "limits": process_tables.limits,
    "billion": process_tables.billion,
    "machine": speed_tables.machine,
}


def rendered(page: str) -> str:
    """Returns the text of a page with every table replaced.

    Args:
        page: path in the repository.
    """

    def table(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- table {name} -->\n\n{TABLES[name]()}\n\n<!-- end -->"

    text = (ROOT / page).read_text("utf-8")
    return re.sub(r"<!-- table (\w+) -->.*?<!-- end -->", table, text, flags=re.DOTALL)


def main() -> None:
    """Replaces every table on every page."""
    for page in PAGES:
        (ROOT / page).write_text(rendered(page), "utf-8")
        print(f"rendered {page}")


if __name__ == "__main__":
    main()
