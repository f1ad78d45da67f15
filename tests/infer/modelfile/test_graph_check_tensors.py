"""The tensors of a graph: element types, sizes, and no data outside the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Edited = Callable[..., Path]
Refusal = Callable[..., str]
FLOAT, STRING, BFLOAT16 = 1, 8, 16


def body_of(model: Any, op: str) -> Any:
    """Return the subgraph of the first node of that operator."""
    node = next(node for node in model.graph.node if node.op_type == op.encode())
    return next(each.g for each in node.attribute if each.HasField("g"))


def attribute_tensor(graph: Any) -> Any:
    """Add a Constant to a graph, and return its tensor."""
    node = graph.node.add(op_type=b"Constant", output=[b"added_constant"])
    tensor = node.attribute.add(name=b"value", type=4).t
    tensor.data_type, tensor.raw_data = FLOAT, b"\0" * 4
    return tensor


TENSORS: dict[str, Callable[[Any], Any]] = {
    "initializer": lambda it: it.graph.initializer[0],
    "attribute": lambda it: attribute_tensor(it.graph),
    "loop": lambda it: attribute_tensor(body_of(it, "Loop")),
    "scan initializer": lambda it: body_of(it, "Scan").initializer.add(
        name=b"w", data_type=FLOAT, raw_data=b"\0" * 4
    ),
}


@pytest.fixture(params=sorted(TENSORS))
def tensor_edited(
    request: pytest.FixtureRequest, edited: Edited
) -> Callable[[Callable[[Any], object]], Path]:
    find = TENSORS[request.param]
    return lambda edit: edited(lambda it: edit(find(it)))


def test_external_data(refusal: Refusal, tensor_edited: Edited) -> None:
    def move(tensor: Any) -> None:
        tensor.external_data.add(key=b"location", value=b"/etc/passwd")
        tensor.data_location = 1
        tensor.ClearField("raw_data")

    assert "keeps its data in another file" in refusal(tensor_edited(move))


def test_external_location_only(refusal: Refusal, tensor_edited: Edited) -> None:
    said = refusal(tensor_edited(lambda it: setattr(it, "data_location", 1)))
    assert "keeps its data in another file" in said


def test_external_entry_only(refusal: Refusal, tensor_edited: Edited) -> None:
    said = refusal(tensor_edited(lambda it: it.external_data.add(key=b"offset", value=b"0")))
    assert "keeps its data in another file" in said


@pytest.mark.parametrize("kind", [0, STRING, BFLOAT16, 99, -1])
def test_element_type(refusal: Refusal, tensor_edited: Edited, kind: int) -> None:
    said = refusal(tensor_edited(lambda it: setattr(it, "data_type", kind)))
    assert f"element type {kind}" in said


@pytest.mark.parametrize("raw", [b"", b"\0", b"\0" * 3, b"\0" * 5, b"\0" * 80_000])
def test_data_of_another_size(refusal: Refusal, tensor_edited: Edited, raw: bytes) -> None:
    said = refusal(tensor_edited(lambda it: setattr(it, "raw_data", raw)))
    assert "elements where its shape says" in said


def test_data_in_the_wrong_field(refusal: Refusal, tensor_edited: Edited) -> None:
    def move(tensor: Any) -> None:
        tensor.ClearField("raw_data")
        del tensor.dims[:]
        tensor.data_type = FLOAT
        tensor.int64_data.append(1)

    assert "holds 0 elements where its shape says 1" in refusal(tensor_edited(move))


@pytest.mark.parametrize(
    ("dims", "said"),
    [
        ([-1], "impossible shape"),
        ([2, -1], "impossible shape"),
        ([2**40], "impossible shape"),
        ([2**63 - 1], "impossible shape"),
        ([-(2**63)], "impossible shape"),
        ([2**20, 2**20, 2**24], "elements where its shape says"),
        ([2**29, 2**29, 2**29, 2**29], "elements where its shape says"),
        ([0, 2**29], "elements where its shape says 0"),
        ([7], "elements where its shape says 7"),
    ],
)
def test_shape_that_does_not_fit(
    refusal: Refusal, tensor_edited: Edited, dims: list[int], said: str
) -> None:
    def reshape(tensor: Any) -> None:
        del tensor.dims[:]
        tensor.dims.extend(dims)

    assert said in refusal(tensor_edited(reshape))
