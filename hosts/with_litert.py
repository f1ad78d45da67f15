"""LiteRT (TensorFlow Lite), from a file that onnx2tf makes.

Traps: onnx2tf changes its input file, so it gets a copy; its exit code is 0 when it fails; and the
number of rows is fixed by the conversion, so each number has a file of its own.
"""

import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Interpreter
from driver import Call, main


def converted(path: Path, rows: int) -> Any:
    """Returns the function of a model for a number of rows."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(path, Path(folder) / "model.onnx")
        tool = Path(sys.executable).with_name("onnx2tf")
        subprocess.run(
            [tool, "-i", copy, "-o", folder, "-b", str(rows), "-osd", "-n", "-kat", "tokens"],
            capture_output=True,
            check=False,
        )
        made = Path(folder) / "model_float32.tflite"
        if not made.exists():
            raise RuntimeError("onnx2tf does not convert it")
        return Interpreter(str(made), num_threads=1).get_signature_runner()


def open_model(path: Path) -> Call:
    runner = functools.cache(functools.partial(converted, path))
    return lambda feed: runner(len(feed["tokens"]))(**feed)


if __name__ == "__main__":
    main(open_model)
