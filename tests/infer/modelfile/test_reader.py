"""Reading a file: it is good, or a `ModelFileError` of one line names it."""

import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_infer import CharLM, ModelFileError, contract, load
from rnn_infer.modelfile.onnx_proto import model_class
from rnn_infer.modelfile.reader import read_model
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling

Edited = Callable[..., Path]
Refusal = Callable[..., str]
FLOAT, INT32, INT64, STRING, BFLOAT16 = 1, 6, 7, 8, 16


# --- the file as a whole --------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["charlm", "charlm.step", "charlm.one", "charlm.three", "wide", "classifier", "gru"]
)
def test_good_file_passes(data: Path, name: str) -> None:
    path = data / f"{name}.onnx"
    file = read_model(path)
    assert file.path == str(path)
    assert file.data == path.read_bytes()
    assert file.sha256 == hashlib.sha256(file.data).hexdigest()


def test_path_as_a_string(data: Path) -> None:
    assert read_model(str(data / "gru.onnx")).metadata.kind == "classifier"


def test_missing_file(refusal: Refusal, tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.onnx") == "no such file"


def test_missing_folder(refusal: Refusal, tmp_path: Path) -> None:
    assert refusal(tmp_path / "none" / "none.onnx") == "no such file"


def test_folder(refusal: Refusal, tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_empty_file(refusal: Refusal, tmp_path: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.touch()
    assert refusal(path) == "is empty"


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_impossible_name(name: str) -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_model(name)


def test_file_inside_a_file(refusal: Refusal, data: Path) -> None:
    assert "cannot be read" in refusal(data / "charlm.onnx" / "x")


def test_too_large_file(refusal: Refusal, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "MAX_FILE_BYTES", 1000)
    assert "larger than" in refusal(data / "charlm.onnx")


@pytest.mark.parametrize(
    "content",
    [
        b"\0",
        b"\n",
        b"not a model\n",
        b"PK",
        b'{"vocabulary": []}',
        b"\x08\x08",
        random.Random(1).randbytes(1000),
        b"\xff" * 1000,
        b"\x3a\x80\x80\x80\x80\x7f",
    ],
)
def test_bytes_that_are_not_onnx(refusal: Refusal, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    assert refusal(path).startswith("damaged or not an ONNX file: ")


def test_foreign_onnx_file(refusal: Refusal, tmp_path: Path) -> None:
    model = model_class()(ir_version=8)
    model.opset_import.add(domain=b"", version=18)
    model.graph.name = b"sum"
    model.graph.node.add(op_type=b"Add", input=[b"x", b"x"], output=[b"y"])
    for value in (model.graph.input.add(name=b"x"), model.graph.output.add(name=b"y")):
        value.type.tensor_type.elem_type = FLOAT
        value.type.tensor_type.shape.dim.add(dim_value=1)
    path = tmp_path / "foreign.onnx"
    path.write_bytes(model.SerializeToString())
    said = refusal(path)
    assert said.startswith("not a model made by rnn-train: ")
    assert "rnn_model" in said


def test_deeply_nested_message(refusal: Refusal, tmp_path: Path) -> None:
    def field(number: int, body: bytes) -> bytes:
        size, length = len(body), b""
        while size > 127:
            length += bytes([size & 127 | 128])
            size >>= 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + body

    graph = b""
    for _ in range(3000):  # graph > node > attribute > graph > …
        graph = field(1, field(5, field(6, graph)))
    path = tmp_path / "deep.onnx"
    path.write_bytes(b"\x08\x08" + b"\x42\x02\x10\x12" + field(7, graph))
    assert refusal(path).startswith("damaged or not an ONNX file: ")


def test_pinned_hash(data: Path) -> None:
    path = data / "charlm.onnx"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_model(path, sha256=digest).sha256 == digest
    assert read_model(path, sha256=digest.upper()).sha256 == digest
    assert load(path, device="cpu", sha256=digest).metadata.kind == "charlm"


@pytest.mark.parametrize("pin", ["0" * 64, "", "xyz"])
def test_wrong_pinned_hash(refusal: Refusal, data: Path, pin: str) -> None:
    path = data / "charlm.onnx"
    assert hashlib.sha256(path.read_bytes()).hexdigest() in refusal(path, sha256=pin)
    for loader in (load, CharLM.load):
        with pytest.raises(ModelFileError, match="sha256"):
            loader(path, device="cpu", sha256=pin)


# --- graphs that onnxruntime refuses --------------------------------------------------


def weight_removed(model: Any) -> None:
    del model.graph.initializer[0]


def attribute_unheard_of(model: Any) -> None:
    model.graph.node[0].attribute.add(name=b"colour", type=2, i=3)


def operator_exchanged(model: Any) -> None:
    next(node for node in model.graph.node if node.op_type == b"Gather").op_type = b"Gemm"


@pytest.mark.parametrize("edit", [weight_removed, attribute_unheard_of, operator_exchanged])
def test_graph_that_onnxruntime_refuses(
    refusal: Refusal, edited: Edited, edit: Callable[[Any], None]
) -> None:
    assert refusal(edited(edit)).startswith("onnxruntime refuses the graph: ")


# --- damaged files --------------------------------------------------------------------


def run(path: Path) -> None:
    """Open a file, step it, and draw from it."""
    stepper = Stepper.open(path, device="cpu")
    outputs = stepper.file.metadata.outputs
    tokens = np.array([[0, 1, 2], [2, 1, 0]])
    logits, state = stepper.forward(tokens, stepper.zeros(2))
    assert logits.shape == (2, 3, outputs)
    assert [each.shape for each in state] == [(2, each.width) for each in stepper.file.states]
    if stepper.file.metadata.kind == "charlm":
        uniform = np.full((2, 3), 0.5, np.float32)
        drawn, _ = stepper.draw(tokens, state, uniform, Sampling(top_k=3, top_p=0.9))
        assert drawn.shape == (2, 3)
        assert ((drawn >= 0) & (drawn < outputs)).all()


def damage(data: bytes, chance: random.Random) -> bytes:
    """Return a copy with flipped bits, or with lost, repeated or inserted bytes."""
    damaged = bytearray(data)
    at = chance.randrange(len(damaged))
    match chance.randrange(6):
        case 0 | 1:
            damaged[at] ^= 1 << chance.randrange(8)
        case 2:
            for _ in range(chance.randrange(2, 40)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        case 3:
            del damaged[at:]
        case 4:
            del damaged[at : at + chance.randrange(1, 200)]
        case 5:
            damaged[at:at] = damaged[at : at + chance.randrange(1, 200)]
    return bytes(damaged)


def outcome(path: Path) -> str:
    """Return whether a file runs or is refused. Any other error fails the test."""
    try:
        run(path)
    except ModelFileError as error:
        assert str(error).startswith(str(path))
        assert len(str(error).splitlines()) == 1
        return "refused"
    return "runs"


@pytest.mark.parametrize(
    "name", ["charlm", "charlm.step", "charlm.one", "charlm.three", "classifier"]
)
def test_damaged_files_run_or_are_refused(data: Path, tmp_path: Path, name: str) -> None:
    good = (data / f"{name}.onnx").read_bytes()
    path = tmp_path / "damaged.onnx"
    outcomes = []
    for seed in range(100):
        path.write_bytes(damage(good, random.Random(seed)))
        try:
            outcomes.append(outcome(path))
        except Exception as error:
            pytest.fail(f"damage {seed}: {type(error).__name__}: {error}")
    assert {"runs", "refused"} == set(outcomes)


def test_damaged_shapes_run_or_are_refused(edited: Edited) -> None:
    """Flipped bits in the integers of shapes and axes. Such files always parse."""
    for seed in range(60):
        chance = random.Random(seed)

        def turn(model: Any, chance: random.Random = chance) -> None:
            tensors = [each for each in model.graph.initializer if each.data_type == INT64]
            tensor = chance.choice(tensors)
            raw = bytearray(tensor.raw_data)
            raw[8 * chance.randrange(len(raw) // 8)] ^= 1 << chance.randrange(3)
            tensor.raw_data = bytes(raw)

        try:
            outcome(edited(turn))
        except Exception as error:
            pytest.fail(f"damage {seed}: {type(error).__name__}: {error}")


@pytest.mark.parametrize("size", [1, 2, 10, 100, 1000, 5000, 10_000, 20_000, -1000, -100, -10, -1])
def test_truncated_file_is_refused(refusal: Refusal, data: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "short.onnx"
    path.write_bytes((data / "charlm.onnx").read_bytes()[:size])
    assert refusal(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_file_that_is_not_regular(refusal: Refusal, tmp_path: Path) -> None:
    """A pipe would block the reader, and a device has no end."""
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (tmp_path / "pipe.onnx", Path("/dev/zero")):
        assert "not a regular file" in refusal(path)


def test_names_in_the_file_cannot_break_the_message(refusal: Refusal, edited: Edited) -> None:
    def change(model: Any) -> None:
        model.graph.node[0].op_type = b"Sc\n\x1b[31m+"

    said = refusal(edited(change))
    assert "\n" not in said
    assert "\x1b" not in said
