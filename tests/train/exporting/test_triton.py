"""The model repository for Triton."""

from pathlib import Path

import numpy as np
import pytest

from rnn_infer.modelfile.reader import ModelFile, read_model
from rnn_train.errors import ExportError
from rnn_train.exporting.triton import config, model_path, write_config

DATA = Path(__file__).parents[2] / "data"
NAMES = ("charlm", "charlm.step", "charlm.three", "classifier", "gru", "wide")
CHARLM = """\
name: "novel"
backend: "onnxruntime"
max_batch_size: 256
input [
  { name: "tokens" data_type: TYPE_INT64 dims: [-1] },
  { name: "uniform" data_type: TYPE_FP32 dims: [-1] },
  { name: "temperature" data_type: TYPE_FP32 dims: [1] reshape { shape: [] } },
  { name: "top_k" data_type: TYPE_INT64 dims: [1] reshape { shape: [] } },
  { name: "top_p" data_type: TYPE_FP32 dims: [1] reshape { shape: [] } }
]
output [
  { name: "logits" data_type: TYPE_FP32 dims: [-1, 41] },
  { name: "generated" data_type: TYPE_INT64 dims: [-1] }
]
sequence_batching {
  max_sequence_idle_microseconds: 60000000
  oldest { max_candidate_sequences: 1024 }
"""


def file(name: str) -> ModelFile:
    return read_model(DATA / f"{name}.onnx")


def test_config_of_a_character_model() -> None:
    found = config(file("charlm"), "novel")
    assert found.startswith(CHARLM)
    for state in file("charlm").states:
        shape = f"data_type: TYPE_FP32 dims: [{state.width}]"
        assert (
            f'  state {{\n    input_name: "{state.name}" output_name: "{state.name}_next" {shape}\n'
            f'    initial_state {{ name: "zero" {shape} zero_data: true }}\n  }}\n'
        ) in found


def test_fixed_steps_and_other_variants() -> None:
    three = config(file("charlm.three"), "a")
    assert '"tokens" data_type: TYPE_INT64 dims: [3]' in three
    assert '"logits" data_type: TYPE_FP32 dims: [3, 41]' in three
    for name in ("charlm.step", "classifier"):
        found = config(file(name), "a")
        assert "uniform" not in found
        assert "generated" not in found


@pytest.mark.parametrize("name", NAMES)
def test_config_fits_the_schema_of_triton(name: str) -> None:
    """Each tensor of the graph is there once, with Triton's type and shape for it."""
    pytest.importorskip("tritonclient.grpc", reason="run `make serving`")
    from google.protobuf import text_format
    from onnxruntime import InferenceSession
    from tritonclient.grpc import model_config_pb2

    found = text_format.Parse(config(file(name), name), model_config_pb2.ModelConfig())
    session = InferenceSession(file(name).data, providers=["CPUExecutionProvider"])
    states = found.sequence_batching.state
    types = {"tensor(int64)": "TYPE_INT64", "tensor(float)": "TYPE_FP32"}

    def declared(tensors: object) -> dict[str, tuple[str, list[int]]]:
        return {
            each.name: (
                types[each.type],
                [size if isinstance(size, int) else -1 for size in each.shape[1:]],
            )
            for each in tensors  # type: ignore[attr-defined]
        }

    def named(value: int) -> str:
        return str(model_config_pb2.DataType.Name(value))

    inputs = {
        each.name: (
            named(each.data_type),
            list(each.reshape.shape if each.HasField("reshape") else each.dims),
        )
        for each in found.input
    }
    outputs = {each.name: (named(each.data_type), list(each.dims)) for each in found.output}
    for state in states:
        inputs[state.input_name] = outputs[state.output_name] = (
            named(state.data_type),
            list(state.dims),
        )
        (initial,) = state.initial_state
        assert (initial.zero_data, initial.dims, initial.data_type) == (
            True,
            state.dims,
            state.data_type,
        )
    assert inputs == declared(session.get_inputs())
    assert outputs == declared(session.get_outputs())
    assert len(states) == len(file(name).states)
    assert np.prod(found.max_batch_size) > 0


def test_place_of_the_model(tmp_path: Path) -> None:
    source = tmp_path / "charlm.int8.onnx"
    source.touch()
    assert model_path(Path("repo"), source) == Path("repo/charlm_int8/1/model.onnx")
    run = tmp_path / "runs" / "charlm-1"
    run.mkdir(parents=True)
    assert model_path(Path("repo"), run) == Path("repo/charlm_1/1/model.onnx")
    with pytest.raises(ExportError, match="is a file; name a folder"):
        model_path(source, run)
    with pytest.raises(ExportError, match=r"a model repository is a folder; .* new for example"):
        model_path(Path("new.onnx"), run)


def test_write_config(tmp_path: Path) -> None:
    path = tmp_path / "novel" / "1" / "model.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(file("charlm").data)
    write_config(path)
    assert (tmp_path / "novel" / "config.pbtxt").read_text().startswith(CHARLM)
