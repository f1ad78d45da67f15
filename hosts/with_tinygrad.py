"""tinygrad on the CPU. It needs a program `clang`: here the one inside the package ziglang.

Trap: a runner keeps the batch size of its first call; make one for each.
"""

import os
import sys
import tempfile
from pathlib import Path

from driver import Call, main

FOLDER = Path(tempfile.mkdtemp())
SHIM = f"""#!{sys.executable}
import subprocess, sys
given = [each for each in sys.argv[1:] if not each.startswith("--target=")]
own = [{sys.executable!r}, "-m", "ziglang", "cc"]
# Without these, zig adds what tinygrad's loader does not know.
sys.exit(subprocess.run([*own, *given, "-g0", "-fno-sanitize=all"]).returncode)
"""
(FOLDER / "clang").write_text(SHIM)
(FOLDER / "clang").chmod(0o755)
os.environ["PATH"] = f"{FOLDER}:{os.environ['PATH']}"
os.environ["DEV"] = "CPU"
os.environ["CACHEDB"] = str(Path(__file__).parent / "build" / "tinygrad.db")


def open_model(path: Path) -> Call:
    from tinygrad import Tensor
    from tinygrad.nn.onnx import OnnxRunner

    runner = OnnxRunner(path)

    def call(feed: dict) -> dict:
        results = runner({name: Tensor(value) for name, value in feed.items()})
        return {name: value.numpy() for name, value in results.items()}

    return call


if __name__ == "__main__":
    main(open_model)
