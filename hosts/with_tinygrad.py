"""tinygrad on the CPU. It needs a program `clang`: here the one inside the package ziglang.

Traps: a runner keeps the number of rows of its first call, so each number has one of its own; and
without TinyJit each call plans and looks up its kernels anew, for seconds. TinyJit records the
second call and replays it.
"""

import functools
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from driver import Call, main

FOLDER = tempfile.TemporaryDirectory()
CLANG = Path(FOLDER.name) / "clang"
SHIM = f"""#!{sys.executable}
import subprocess, sys
given = [each for each in sys.argv[1:] if not each.startswith("--target=")]
own = [{sys.executable!r}, "-m", "ziglang", "cc"]
# Without these, zig adds what tinygrad's loader does not know.
sys.exit(subprocess.run([*own, *given, "-g0", "-fno-sanitize=all"]).returncode)
"""
CLANG.write_text(SHIM)
CLANG.chmod(0o755)
os.environ["PATH"] = f"{FOLDER.name}:{os.environ['PATH']}"
os.environ["DEV"] = "CPU"
os.environ["CACHEDB"] = str(Path(__file__).parent / "build" / "tinygrad.db")


def open_model(path: Path) -> Call:
    from tinygrad import Tensor, TinyJit
    from tinygrad.nn.onnx import OnnxRunner

    names = json.loads(path.with_suffix(".json").read_text())["inputs"]

    @functools.cache
    def step_of(_rows: int) -> Any:
        runner = OnnxRunner(path)

        @TinyJit
        def step(*given: Tensor) -> dict:
            results = runner(dict(zip(names, given, strict=True)))
            return {name: value.realize() for name, value in results.items()}

        return step

    def call(feed: dict) -> dict:
        step = step_of(len(feed["tokens"]))
        results = step(*(Tensor(feed[name]).realize() for name in names))
        return {name: value.numpy().copy() for name, value in results.items()}

    return call


if __name__ == "__main__":
    main(open_model)
