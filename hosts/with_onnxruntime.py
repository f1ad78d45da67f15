"""onnxruntime on the CPU, one thread: what the others are compared with."""

from pathlib import Path

import onnxruntime
from driver import Call, main


def open_model(path: Path) -> Call:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return lambda feed: dict(zip(names, session.run(names, feed), strict=True))


if __name__ == "__main__":
    main(open_model)
