"""The interface of a graph: names, types and shapes of its inputs and outputs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Edited = Callable[..., Path]
Refusal = Callable[..., str]
FLOAT, INT32, INT64, STRING, BFLOAT16 = 1, 6, 7, 8, 16


@pytest.mark.parametrize(
    ("side", "name", "said"),
    [
        ("input", "tokens", "input 'tokens' is missing"),
        ("input", "uniform", "input 'uniform' is missing"),
        ("input", "temperature", "input 'temperature' is missing"),
        ("input", "top_k", "input 'top_k' is missing"),
        ("input", "top_p", "input 'top_p' is missing"),
        ("input", "h0", "output 'h0_next' is not in the format"),
        ("output", "logits", "output 'logits' is missing"),
        ("output", "generated", "input 'temperature' is not in the format"),
        ("output", "c1_next", "input 'c1' is not in the format"),
    ],
)
def test_missing_input_or_output(
    refusal: Refusal, edited: Edited, side: str, name: str, said: str
) -> None:
    assert said in refusal(edited(lambda it: drop(getattr(it.graph, side), name)))


def drop(values: Any, name: str) -> None:
    (index,) = (i for i, value in enumerate(values) if value.name == name.encode())
    del values[index]


@pytest.mark.parametrize("side", ["input", "output"])
def test_extra_input_or_output(refusal: Refusal, edited: Edited, side: str) -> None:
    def add(model: Any) -> None:
        values = getattr(model.graph, side)
        values.append(values[0])
        values[-1].name = b"mask"

    assert f"{side} 'mask' is not in the format" in refusal(edited(add))


def typed(model: Any, name: str) -> Any:
    """Return the tensor type of an input or output."""
    values = (*model.graph.input, *model.graph.output)
    return next(value for value in values if value.name == name.encode()).type.tensor_type


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tokens", INT32),
        ("tokens", FLOAT),
        ("uniform", 11),
        ("temperature", INT64),
        ("top_k", FLOAT),
        ("top_p", 10),
        ("h0", INT64),
        ("h0_next", 11),
        ("logits", 10),
        ("logits", 0),
        ("generated", INT32),
    ],
)
def test_element_type_of_an_input_or_output(
    refusal: Refusal, edited: Edited, name: str, kind: int
) -> None:
    said = refusal(edited(lambda it: setattr(typed(it, name), "elem_type", kind)))
    assert said.startswith(f"'{name}' is ")


@pytest.mark.parametrize(
    ("name", "dims"),
    [
        ("tokens", [None]),
        ("tokens", [None, None, None]),
        ("tokens", [1, None]),
        ("tokens", [1, 16]),
        ("uniform", [None, 8]),
        ("temperature", []),
        ("top_k", [1]),
        ("top_p", [None, None]),
        ("h0", [1, 12]),
        ("h0", [None, 13]),
        ("h0", [None, None, 12]),
        ("h0_next", [None, 13]),
        ("logits", [None, None, 45]),
        ("logits", [None, 46]),
        ("logits", [None, None, None]),
        ("generated", [None, 1]),
        ("generated", [None]),
    ],
)
def test_shape_of_an_input_or_output(
    refusal: Refusal, edited: Edited, name: str, dims: list[int | None]
) -> None:
    assert refusal(edited(lambda it: reshape(it, name, dims))).startswith(f"'{name}")


@pytest.mark.parametrize("model", ["charlm", "charlm.one", "charlm.three"])
@pytest.mark.parametrize(
    ("name", "dims"),
    [
        ("tokens", [1, 1]),
        ("tokens", [None, 2]),
        ("tokens", [None]),
        ("uniform", [None, 2]),
        ("logits", [None, 2, 46]),
        ("generated", [None, 2]),
    ],
)
def test_shapes_of_a_fixed_step_file(
    refusal: Refusal, edited: Edited, name: str, dims: list[int | None], model: str
) -> None:
    """All of them have the same number of steps, or none has one."""
    said = refusal(edited(lambda it: reshape(it, name, dims), of=model))
    assert "is float" in said or "is int64" in said


@pytest.mark.parametrize("steps", [-5, 0, 33, 2**40])
def test_number_of_steps_out_of_range(refusal: Refusal, edited: Edited, steps: int) -> None:
    said = refusal(edited(lambda it: reshape(it, "tokens", [None, steps]), of="charlm.one"))
    assert f"it takes {steps} steps a call, not 1 to 32" in said


@pytest.mark.parametrize("dims", [[], [None, None], [None, 0], [None, -1], [None, 2**16 + 1]])
def test_state_without_a_fixed_width(
    refusal: Refusal, edited: Edited, dims: list[int | None]
) -> None:
    assert "state 'h0' has no fixed width" in refusal(edited(lambda it: reshape(it, "h0", dims)))


def reshape(model: Any, name: str, dims: list[int | None]) -> None:
    shape = typed(model, name).shape
    del shape.dim[:]
    for dim in dims:
        shape.dim.add(dim_value=dim) if dim is not None else shape.dim.add(dim_param=b"n")


@pytest.mark.parametrize("field", ["type", "tensor_type", "shape"])
def test_value_of_unknown_rank(refusal: Refusal, edited: Edited, field: str) -> None:
    def clear(model: Any) -> None:
        value = model.graph.input[0]
        owner = {"type": value, "tensor_type": value.type, "shape": value.type.tensor_type}[field]
        owner.ClearField(field)

    assert "not a tensor of known rank" in refusal(edited(clear))


def test_more_labels_than_logits(refusal: Refusal, documented: Edited) -> None:
    def add(document: Any) -> None:
        document["classifier"]["labels"].append("Turkish")
        document["classifier"]["log_prior"].append(-1.0)
        document["golden"]["logits"].append(0.0)

    said = refusal(documented(add, of="classifier"))
    assert "'logits' is float32 [?, ?, 5], not float32 [?, ?, 6]" in said


def test_classifier_that_draws(refusal: Refusal, edited: Edited) -> None:
    def disguise(model: Any) -> None:
        document = json.loads(model.metadata_props[0].value)
        labels = [f"label {i}" for i, _ in enumerate(document["vocabulary"])]
        document["kind"], document["charlm"] = "classifier", None
        document["classifier"] = {
            "labels": labels,
            "begin": "",
            "end": "",
            "log_prior": [0.0] * len(labels),
        }
        model.metadata_props[0].value = json.dumps(document).encode()

    assert "a classifier cannot have generation inputs" in refusal(edited(disguise))


def test_recorded_tokens_and_generation_go_together(refusal: Refusal, documented: Edited) -> None:
    def record(document: Any) -> None:
        document["golden"].update(uniform=[0.5], generated=[1])

    def forget(document: Any) -> None:
        document["golden"].update(uniform=[], generated=[])

    assert "golden.generated" in refusal(documented(record, of="charlm.step"))
    assert "golden.generated" in refusal(documented(record, of="classifier"))
    assert "golden.generated" in refusal(documented(forget, of="charlm"))
