"""OpenVINO on the CPU, one thread.

Trap: on a processor with AMX it computes in bfloat16 unless the hint says f32.
"""

from pathlib import Path

import openvino
from driver import Call, main

CONFIG = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}


def open_model(path: Path) -> Call:
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", CONFIG)
    request = compiled.create_infer_request()
    names = [each.any_name for each in compiled.outputs]

    def call(feed: dict) -> dict:
        results = request.infer(feed, share_inputs=True)
        return {name: results[i] for i, name in enumerate(names)}

    return call


if __name__ == "__main__":
    main(open_model)
