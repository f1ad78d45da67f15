"""onnxruntime's OpenVINO execution provider. Its wheel takes the place of onnxruntime's."""

from pathlib import Path

import onnxruntime
from driver import Call, main

OPTIONS = {"device_type": "CPU", "num_of_threads": "1"}


def open_model(path: Path) -> Call:
    providers = [("OpenVINOExecutionProvider", OPTIONS), "CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(path), providers=providers)
    if "OpenVINOExecutionProvider" not in session.get_providers():
        raise RuntimeError("the provider is not there")
    names = [each.name for each in session.get_outputs()]
    return lambda feed: dict(zip(names, session.run(names, feed), strict=True))


if __name__ == "__main__":
    main(open_model)
