"""The parts of `benchmarks.gpu`: each measures one thing on a GPU.

    python -m benchmarks.gpu.parts PART RESULT.json FOLDER [--rehearse] [--text FILE]

A part yields its result so far, as plain values, each time that it has more. FOLDER keeps exported
files for the parts that follow. `--rehearse` takes the CPU and small shapes, to prove that the
script runs from end to end.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from rnn_train.files import write_bytes

from .checks import agreement, environment, files, placement, tests
from .learning import classifier, quality
from .setting import Part, Setting
from .speed import generation, idle, train

PARTS: dict[str, Callable[[Setting], Part]] = {
    each.__name__: each
    for each in (
        environment,
        files,
        agreement,
        generation,
        train,
        tests,
        quality,
        placement,
        idle,
        classifier,
    )
}
"""By worth: a run that ends early has the most telling ones."""


def main() -> None:
    """Measures one part, and writes it as it comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("result", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--text", type=Path)
    asked = parser.parse_args()
    for found in PARTS[asked.part](Setting(asked.rehearse, asked.folder, asked.text)):
        write_bytes(asked.result, json.dumps(found).encode())


if __name__ == "__main__":
    main()
