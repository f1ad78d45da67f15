"""Apache TVM: compiled by relax for the CPU of this machine."""

from pathlib import Path

import onnx
import tvm
from driver import Call, main
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx


def open_model(path: Path) -> Call:
    model = onnx.load(path)
    module = from_onnx(model, keep_params_in_input=False)
    inputs = [each.name for each in model.graph.input]
    outputs = [each.name for each in model.graph.output]
    machine = relax.VirtualMachine(relax.build(module, target="llvm"), tvm.cpu())

    def call(feed: dict) -> dict:
        results = machine["main"](*(tvm.runtime.tensor(feed[name]) for name in inputs))
        return {name: each.numpy() for name, each in zip(outputs, results, strict=True)}

    return call


if __name__ == "__main__":
    main(open_model)
