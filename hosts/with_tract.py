"""tract (Rust) through its Python package.

Traps: the input shapes stay symbolic, and `generated` comes out as TDim: convert it to int64.
"""

import json
from pathlib import Path

import numpy as np
import tract
from driver import Call, main


def open_model(path: Path) -> Call:
    case = json.loads(path.with_suffix(".json").read_text())  # tract forgets the outputs' names
    runnable = tract.onnx().load(path).into_model().into_runnable()

    def call(feed: dict) -> dict:
        results = runnable.run([np.ascontiguousarray(feed[name]) for name in case["inputs"]])
        found = {}
        for name, value in zip(case["outputs"], results, strict=True):
            drawn = name == "generated"
            found[name] = (value.convert_to(tract.DatumType.I64) if drawn else value).to_numpy()
        return found

    return call


if __name__ == "__main__":
    main(open_model)
