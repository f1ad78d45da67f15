"""The engines: a script and pinned packages each."""

from typing import NamedTuple

NUMPY = "numpy==2.5.5"


class Engine(NamedTuple):
    """What runs a model file."""

    script: str
    """Name of its module in this folder."""
    packages: tuple[str, ...]
    """Pinned. The first one gives the version in the tables."""


ENGINES: dict[str, Engine] = {
    "onnxruntime": Engine("with_onnxruntime", ("onnxruntime==1.32.0", NUMPY)),
    "onnx ReferenceEvaluator": Engine("with_reference", ("onnx==1.23.2", NUMPY)),
    "OpenVINO": Engine("with_openvino", ("openvino==2026.4.1", NUMPY)),
    "onnxruntime-openvino": Engine(
        "with_onnxruntime_openvino", ("onnxruntime-openvino==1.24.1", NUMPY)
    ),
    "tract": Engine("with_tract", ("tract==0.23.9", NUMPY)),
    "Apache TVM": Engine("with_tvm", ("apache-tvm==0.27.0.post1", "onnx==1.23.2", NUMPY)),
    "IREE": Engine(
        "with_iree",
        ("iree-base-compiler==3.13.0", "iree-base-runtime==3.13.0", "onnx==1.23.2", NUMPY),
    ),
    "tinygrad": Engine("with_tinygrad", ("tinygrad==0.14.0", "ziglang==0.17.1", NUMPY)),
    "OpenCV": Engine("with_opencv", ("opencv-python-headless==5.0.0.93", NUMPY)),
    "MNN": Engine("with_mnn", ("mnn==3.6.1", NUMPY)),
    "LiteRT": Engine("with_litert", ("ai-edge-litert==2.1.2", "onnx2tf==2.6.9", "numpy==2.2.6")),
}
