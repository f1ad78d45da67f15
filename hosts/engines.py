"""The engines: a script and a pinned environment each."""

ENGINES: dict[str, tuple[str, tuple[str, ...]]] = {
    "onnxruntime": ("with_onnxruntime.py", ("onnxruntime==1.32.0", "numpy==2.5.5")),
    "onnx ReferenceEvaluator": ("with_reference.py", ("onnx==1.23.2", "numpy==2.5.5")),
    "OpenVINO": ("with_openvino.py", ("openvino==2026.4.1", "numpy==2.5.5")),
    "onnxruntime-openvino": (
        "with_onnxruntime_openvino.py",
        ("onnxruntime-openvino==1.24.1", "numpy==2.5.5"),
    ),
    "tract": ("with_tract.py", ("tract==0.23.9", "numpy==2.5.5")),
    "Apache TVM": ("with_tvm.py", ("apache-tvm==0.27.0.post1", "onnx==1.23.2", "numpy==2.5.5")),
    "IREE": (
        "with_iree.py",
        (
            "iree-base-compiler==3.13.0",
            "iree-base-runtime==3.13.0",
            "onnx==1.23.2",
            "numpy==2.5.5",
        ),
    ),
    "tinygrad": ("with_tinygrad.py", ("tinygrad==0.14.0", "ziglang==0.17.1", "numpy==2.5.5")),
    "OpenCV": ("with_opencv.py", ("opencv-python-headless==5.0.0.93", "numpy==2.5.5")),
    "MNN": ("with_mnn.py", ("mnn==3.6.1", "numpy==2.5.5")),
    "LiteRT": ("with_litert.py", ("ai-edge-litert==2.1.2", "onnx2tf==2.6.9", "numpy==2.2.6")),
}
"""By name: the script, and its packages. The first package gives the version in the table."""
