"""The header of a model file: versions and operator domains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Edited = Callable[..., Path]
Refusal = Callable[..., str]


@pytest.mark.parametrize("version", [0, 7, 11, 2**40])
def test_ir_version_out_of_range(refusal: Refusal, edited: Edited, version: int) -> None:
    assert "IR version" in refusal(edited(lambda it: setattr(it, "ir_version", version)))


@pytest.mark.parametrize("version", [-1, 0, 16, 22, 2**40])
def test_opset_out_of_range(refusal: Refusal, edited: Edited, version: int) -> None:
    said = refusal(edited(lambda it: setattr(it.opset_import[0], "version", version)))
    assert f"opset {version} is outside" in said


@pytest.mark.parametrize(
    ("domain", "version"), [(b"com.microsoft.mine", 2), (b"my.ops", 1), (b"AI.ONNX.ML", 3)]
)
def test_other_operator_domain(
    refusal: Refusal, edited: Edited, domain: bytes, version: int
) -> None:
    said = refusal(edited(lambda it: it.opset_import.add(domain=domain, version=version)))
    assert f"operator domain '{domain.decode()}'" in said


def test_domain_twice(refusal: Refusal, edited: Edited) -> None:
    said = refusal(edited(lambda it: it.opset_import.add(domain=b"", version=18)))
    assert "appears twice" in said


def test_no_standard_domain(refusal: Refusal, edited: Edited) -> None:
    def change(model: Any) -> None:
        model.opset_import[0].domain, model.opset_import[0].version = b"com.microsoft", 1

    assert "does not import the standard operators" in refusal(edited(change))


@pytest.mark.parametrize("field", ["graph", "opset_import"])
def test_missing_header_field(refusal: Refusal, edited: Edited, field: str) -> None:
    assert "it holds no graph" in refusal(edited(lambda it: it.ClearField(field)))
