"""LiteRT (TensorFlow Lite), from a file that onnx2tf makes.

Traps: onnx2tf changes its input file, so it gets a copy; and its exit code is 0 when it fails.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter
from driver import Call, main


def open_model(path: Path) -> Call:
    folder = Path(tempfile.mkdtemp())
    copy = shutil.copy(path, folder / "model.onnx")
    tool = Path(sys.executable).with_name("onnx2tf")
    subprocess.run(
        [tool, "-i", copy, "-o", folder, "-b", "1", "-osd", "-n", "-kat", "tokens"],
        capture_output=True,
        check=False,
    )
    made = folder / "model_float32.tflite"
    if not made.exists():
        raise RuntimeError("onnx2tf does not convert it")
    runner = Interpreter(str(made), num_threads=1).get_signature_runner()
    return lambda feed: runner(**feed)


if __name__ == "__main__":
    main(open_model)
