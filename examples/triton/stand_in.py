"""Triton's Python backend, in place of the ONNX backend: one call of an exported file.

It cannot return states. So it shows what Triton gives to the first request of a sequence.
"""

from pathlib import Path
from typing import Any

import onnxruntime
import triton_python_backend_utils as pb  # it comes with the server


class TritonPythonModel:
    """The name and the methods are Triton's."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the file, which lies beside this one."""
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Feed all that came, the states included."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        feed = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        names = ["logits", "generated"]
        results = self.session.run(names, feed)
        return pb.InferenceResponse([pb.Tensor(*each) for each in zip(names, results, strict=True)])
