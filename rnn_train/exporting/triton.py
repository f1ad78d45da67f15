"""A model repository for NVIDIA Triton: a folder with the model file, and its `config.pbtxt`.

Triton's sequence batcher keeps the states: a client sends its tokens with a sequence id, and the
server feeds each output `x_next` back as `x` (implicit state). The fields are those of
`model_config.proto` in https://github.com/triton-inference-server/common.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rnn_infer import contract
from rnn_infer.modelfile.reader import ModelFile, read_model
from rnn_train.errors import ExportError
from rnn_train.files import write_bytes

MODEL, CONFIG = "model.onnx", "config.pbtxt"
MAX_BATCH = 256
"""Rows of a batch at most."""
MAX_SEQUENCES = 1024
"""Sequences whose states the server keeps."""
IDLE_SECONDS = 60
"""A sequence that sends nothing for so long is dropped, with its states."""
_INT64, _FLOAT32 = "TYPE_INT64", "TYPE_FP32"
_ANY = -1


def model_path(repository: Path, source: Path) -> Path:
    """Return where the model file goes: `repository/NAME/1/model.onnx`.

    Args:
        repository: the model repository. It may hold other models.
        source: what is exported. Its name becomes the name of the model.

    Raises:
        ExportError: `repository` is a file, or named like one.
    """
    if repository.is_file():
        raise ExportError(f"{repository} is a file; name a folder for the model repository")
    if repository.suffix.lower() == ".onnx":
        raise ExportError(
            f"{repository}: a model repository is a folder; name one that does not end in .onnx, "
            f"{repository.stem} for example"
        )
    name = re.sub(r"\W+", "_", source.stem if source.is_file() else source.resolve().name)
    return repository / name / "1" / MODEL


def config_path(path: Path) -> Path:
    """Returns where the configuration of a model file goes.

    Args:
        path: the model file, where `model_path` puts it.
    """
    return path.parents[1] / CONFIG


def write_config(path: Path) -> None:
    """Write the configuration of a model file.

    Args:
        path: the model file, where `model_path` puts it.

    Raises:
        ModelFileError: the file is not good.
        RunError: the configuration cannot be written.
    """
    own = config_path(path)
    write_bytes(own, config(read_model(path), own.parent.name).encode())


def config(file: ModelFile, name: str) -> str:
    """Return the configuration of a model in protobuf's text format.

    Args:
        file: the model file.
        name: the name of the model, which is that of its folder.
    """
    time = file.steps or _ANY
    inputs = [_tensor(contract.TOKENS, _INT64, [time])]
    outputs = [_tensor(contract.LOGITS, _FLOAT32, [time, file.metadata.outputs])]
    if file.generates:
        inputs.append(_tensor(contract.UNIFORM, _FLOAT32, [time]))
        inputs.append(_scalar(contract.TEMPERATURE, _FLOAT32))
        inputs.append(_scalar(contract.TOP_K, _INT64))
        inputs.append(_scalar(contract.TOP_P, _FLOAT32))
        outputs.append(_tensor(contract.GENERATED, _INT64, [time]))
    lines = [
        f'name: "{name}"',
        'backend: "onnxruntime"',
        f"max_batch_size: {MAX_BATCH}",
        *_list("input", inputs),
        *_list("output", outputs),
        *(_sequences(file) if file.states else ["dynamic_batching { }"]),
    ]
    return "\n".join(lines) + "\n"


def _tensor(name: str, type_: str, dims: Sequence[int]) -> str:
    """Return a tensor without its batch axis."""
    return f'name: "{name}" data_type: {type_} dims: {list(dims)}'


def _scalar(name: str, type_: str) -> str:
    """Return a tensor of one number per row. Triton wants an axis there, which the graph lacks."""
    return f"{_tensor(name, type_, [1])} reshape {{ shape: [] }}"


def _list(field: str, items: Sequence[str]) -> Iterator[str]:
    yield f"{field} ["
    yield ",\n".join(f"  {{ {item} }}" for item in items)
    yield "]"


def _sequences(file: ModelFile) -> Iterator[str]:
    """The batcher: rows of the sequences that wait, the oldest first, with their states."""
    yield "sequence_batching {"
    yield f"  max_sequence_idle_microseconds: {IDLE_SECONDS * 1_000_000}"
    yield f"  oldest {{ max_candidate_sequences: {MAX_SEQUENCES} }}"
    for state in file.states:
        shape = f"data_type: {_FLOAT32} dims: [{state.width}]"
        yield "  state {"
        yield f'    input_name: "{state.name}" output_name: "{state.name}{contract.NEXT}" {shape}'
        # Without it a sequence starts with whatever lies in memory.
        yield f'    initial_state {{ name: "zero" {shape} zero_data: true }}'
        yield "  }"
    yield "}"
