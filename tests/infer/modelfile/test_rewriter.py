"""Files that other tools made or changed: harmless changes pass, the others are explained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

import rnn_infer
from rnn_infer.modelfile.rewriter import other_kind

Edited = Callable[..., Path]
Refusal = Callable[..., str]


def text_of(path: Path) -> str:
    model = rnn_infer.load(path, device="cpu")
    assert isinstance(model, rnn_infer.CharLM)
    return model.generate("ab", length=40, seed=3)


def optimized(source: Path, target: Path, form: str = "ONNX") -> Path:
    """Have onnxruntime write the graph as it optimized it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", form)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return target


def test_file_of_the_optimizer_is_the_same_model(data: Path, tmp_path: Path) -> None:
    source = data / "charlm.onnx"
    target = optimized(source, tmp_path / "optimized.onnx")
    assert b"com.microsoft" in target.read_bytes()
    assert text_of(target) == text_of(source)


def test_ort_file_names_the_file_to_load(refusal: Refusal, data: Path, tmp_path: Path) -> None:
    target = optimized(data / "charlm.onnx", tmp_path / "model.ort", "ORT")
    said = refusal(target)
    assert said.startswith("is not an ONNX file but an .ort file of onnxruntime; load the .onnx")


def test_report_of_onnxsim_is_ignored(edited: Edited, data: Path) -> None:
    def report(model: Any) -> None:
        model.metadata_props.add(key=b"onnxsim.removed_nodes", value=b"a;b")
        model.metadata_props.add(key=b"onnxsim.inlined_functions", value=b"")

    assert text_of(edited(report)) == text_of(data / "charlm.onnx")


def quantize(model: Any) -> None:
    model.producer_name = b"onnx.quantize"
    model.metadata_props.add(key=b"onnx.infer", value=b"onnxruntime.quant")
    model.graph.node[0].op_type = b"DequantizeLinear"


def halve(model: Any) -> None:
    model.graph.node[0].name = b"h0_cast_to_"
    model.graph.node.add().CopyFrom(model.graph.node[0])


def fuse(model: Any) -> None:
    model.opset_import.add(domain=b"com.microsoft", version=1)
    model.graph.node[0].domain, model.graph.node[0].op_type = b"com.microsoft", b"FusedMatMul"


def simplify(model: Any) -> None:
    model.metadata_props.add(key=b"onnxsim.removed_nodes", value=b"")
    model.graph.node[0].op_type = b"Dropout"


@pytest.mark.parametrize(
    ("change", "tool", "rule", "cure"),
    [
        (quantize, "onnxruntime's quantization tool", "'onnx.infer'", "--quantize int8"),
        (halve, "a float16 converter", "computed twice", "--quantize float16"),
        (fuse, "onnxruntime's optimizer", "'com.microsoft.FusedMatMul'", "when it loads it"),
        (simplify, "onnxsim", "'Dropout'", "needs no simplifier"),
    ],
)
def test_tool_is_named(
    refusal: Refusal, edited: Edited, change: Any, tool: str, rule: str, cure: str
) -> None:
    said = refusal(edited(change))
    assert said.startswith(f"{tool} rewrote this file (")
    assert rule in said
    assert "use the file as rnn-train wrote it" in said
    assert said.endswith(cure)


def test_tool_is_not_named_for_a_model_of_others(refusal: Refusal, edited: Edited) -> None:
    def foreign(model: Any) -> None:
        quantize(model)
        del model.metadata_props[:]

    said = refusal(edited(foreign))
    assert said.startswith("not a model made by rnn-train: it has no 'rnn_model' metadata")


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"PK\x03\x04\x14\x00\x00\x00", "a zip archive"),
        (b"\x80\x02}q\x00.", "a pickle"),
        (b"GGUF\x03\x00\x00\x00", "a GGUF file"),
        (b"\x40\x00\x00\x00\x00\x00\x00\x00" + b'{"weight":{}}', "a safetensors file"),
        (b"\x1c\x00\x00\x00TFL3", "a LiteRT file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x1f\x8b\x08\x00", "a gzip file; unpack it"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html>", "a web page; download the file itself"),
        (b"<!doctype html>", "a web page"),
        (b"<html><body>404", "a web page"),
    ],
)
def test_other_kinds_of_files(refusal: Refusal, tmp_path: Path, start: bytes, said: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(start + b"\n" * 50)
    message = refusal(path)
    assert message.startswith("is not an ONNX file but ")
    assert said in message


def test_model_file_is_no_other_kind(data: Path) -> None:
    for path in data.glob("*.onnx"):
        assert other_kind(path.read_bytes()) is None
