"""MNN on the CPU, one thread, from a file that its converter makes.

Traps: the program `mnnconvert` installs a package with the first `pip` in `PATH`; its function,
called here in a process of its own, does not. Without a runtime manager a module runs on four
threads, whatever `thread_num` says. On fewer cores they wait for one another.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import MNN
import numpy as np
from driver import Call, main

CONVERT = "import sys, MNN, _tools; _tools.mnnconvert(['mnnconvert', *sys.argv[1:]])"
CONFIG = {"backend": "CPU", "numThread": 1, "precision": "high"}


def open_model(path: Path) -> Call:
    case = json.loads(path.with_suffix(".json").read_text())
    inputs, outputs = case["inputs"], case["outputs"]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "model.mnn"
        options = ["-f", "ONNX", "--modelFile", path, "--MNNModel", made, "--bizCode", "x"]
        subprocess.run(
            [sys.executable, "-c", CONVERT, *options],
            capture_output=True,
            check=False,
        )
        if not made.exists():
            raise RuntimeError("mnnconvert does not convert it")
        manager = MNN.nn.create_runtime_manager((CONFIG,))
        network = MNN.nn.load_module_from_file(str(made), inputs, outputs, runtime_manager=manager)

    def call(feed: dict) -> dict:
        given = []
        for name in inputs:
            value = feed[name]
            kind = MNN.expr.int if value.dtype == np.int64 else MNN.expr.float
            value = value.astype(np.int32) if value.dtype == np.int64 else value
            given.append(MNN.expr.const(value, list(value.shape), MNN.expr.NCHW, kind))
        results = network.forward(given)
        return {n: np.array(each.read()) for n, each in zip(outputs, results, strict=True)}

    return call


if __name__ == "__main__":
    main(open_model)
