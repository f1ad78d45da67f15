"""Other tools' files: which tool a file looks like, what the tool did, and what to do.

The signs were seen in files of onnxsim 0.8, onnxruntime 1.22 to 1.32 and onnxconverter-common 1.16.
"""

from typing import Any

from rnn_infer import contract

UNUSED_DOMAINS = frozenset(
    {
        *("ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training"),
        *("com.microsoft", "com.microsoft.experimental", "com.microsoft.nchwc"),
        *("com.ms.internal.nhwc", "org.pytorch.aten"),
    }
)
"""Operator domains that onnxruntime's optimizer imports into each file. The import alone does
nothing. A node of such a domain is refused."""

_REPORT = b"onnxsim."
"""The prefix of the keys under which onnxsim reports what it did. Nothing reads them."""
_KINDS: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ORTM", "an .ort file of onnxruntime; load the .onnx file that it was made from"),
    (4, b"TFL3", "a LiteRT file; load the .onnx file that it was made from"),
    (0, b"PK\x03\x04", "a zip archive, such as a PyTorch checkpoint; export the run to .onnx"),
    (0, b"\x80\x02", "a pickle, such as an old PyTorch checkpoint; export the run to .onnx"),
    (0, b"GGUF", "a GGUF file, which holds another kind of model"),
    (8, b'{"', "a safetensors file, which holds weights and no graph; export the run to .onnx"),
    (0, b"\x89HDF", "an HDF5 file, which holds another kind of model"),
    (0, b"\x1f\x8b", "a gzip file; unpack it first"),
    (0, b"version https://git-lfs", "a pointer of Git LFS; run: git lfs pull"),
    (0, b"<!DOCTYPE", "a web page; download the file itself"),
    (0, b"<!doctype", "a web page; download the file itself"),
    (0, b"<html", "a web page; download the file itself"),
)
"""Offset, bytes there, and what such a file is."""


def other_kind(data: bytes) -> str | None:
    """Return what the bytes are instead of an ONNX file, and what to do. None: not known."""
    for offset, mark, kind in _KINDS:
        if data[offset : offset + len(mark)] == mark:
            return kind
    return None


def is_report(key: bytes) -> bool:
    """Return whether a metadata key is a tool's report on its work, which nothing reads."""
    return key.startswith(_REPORT)


def rewriter(model: Any, violation: str) -> str | None:
    """Return which tool rewrote a model of rnn-train, and what to do. None: no sign of a tool.

    Args:
        model: the parsed ONNX message. It need not have passed any check.
        violation: the rule that the file breaks now.
    """
    keys = {entry.key for entry in model.metadata_props}
    if contract.METADATA_KEY.encode() not in keys:
        return None
    if model.producer_name == b"onnx.quantize" or b"onnx.infer" in keys:
        tool, cure = (
            "onnxruntime's quantization tool",
            "for 8 bits: rnn-train export RUN --quantize int8",
        )
    elif any(b"_cast_" in node.name for node in model.graph.node):
        tool, cure = "a float16 converter", "for 16 bits: rnn-train export RUN --quantize float16"
    elif any(entry.domain.startswith(b"com.microsoft") for entry in model.opset_import):
        tool, cure = "onnxruntime's optimizer", "onnxruntime optimizes it again when it loads it"
    elif any(map(is_report, keys)):
        tool, cure = "onnxsim", "it needs no simplifier"
    else:
        return None
    return f"{tool} rewrote this file ({violation}); use the file as rnn-train wrote it; {cure}"
