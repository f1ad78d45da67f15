"""IREE: compiled ahead of time for the CPU of this machine.

Trap: what `to_host` returns lies in memory that a later call writes to; copy it.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import iree.compiler.tools as compiler
import iree.runtime as runtime
import onnx
from driver import Call, main


def open_model(path: Path) -> Call:
    graph = onnx.load(path).graph
    inputs, outputs = ([each.name for each in part] for part in (graph.input, graph.output))
    with tempfile.TemporaryDirectory() as folder:
        mlir = Path(folder) / "model.mlir"
        tool = Path(sys.executable).with_name("iree-import-onnx")
        subprocess.run([tool, path, "-o", mlir], check=True)
        binary = compiler.compile_file(
            str(mlir),
            target_backends=["llvm-cpu"],
            input_type="onnx",
            extra_args=["--iree-llvmcpu-target-cpu=host"],
        )
    config = runtime.Config("local-sync")
    module = runtime.load_vm_module(
        runtime.VmModule.copy_buffer(config.vm_instance, binary), config
    )
    function = getattr(module, graph.name)

    def call(feed: dict) -> dict:
        results = function(*(feed[name] for name in inputs))
        return {name: each.to_host().copy() for name, each in zip(outputs, results, strict=True)}

    return call


if __name__ == "__main__":
    main(open_model)
