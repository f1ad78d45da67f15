"""Inspection: the description of a file, its recorded run, and this machine."""

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnn_infer.inspection import describe, examine, verify
from rnn_infer.runtime.stepper import Stepper

NAMES = ("charlm", "charlm.step", "charlm.one", "charlm.three", "wide", "classifier", "gru")
SHIPPED = sorted((Path(__file__).parents[2] / "exported").glob("*.onnx"))


@pytest.fixture(params=NAMES)
def opened(request: pytest.FixtureRequest, data: Path) -> Stepper:
    return Stepper.open(data / f"{request.param}.onnx", device="cpu")


def test_description(opened: Stepper) -> None:
    facts = describe(opened)
    assert json.loads(json.dumps(facts)) == facts
    file = opened.file
    assert facts["file"] == file.path
    assert facts["bytes"] == Path(file.path).stat().st_size
    assert facts["sha256"] == file.sha256
    assert facts["kind"] == file.metadata.kind
    assert facts["format"] == 2
    assert facts["device"] == "cpu"
    assert facts["vocabulary"] == list(file.metadata.vocabulary)
    assert facts["states"] == {state.name: state.width for state in file.states}
    assert ("labels" in facts) == (file.metadata.kind == "classifier")
    assert facts["generates"] is (
        Path(file.path).stem in ("charlm", "charlm.one", "charlm.three", "wide")
    )
    steps = {"charlm.one": 1, "charlm.three": 3}.get(Path(file.path).stem, "any")
    assert facts["steps a call"] == steps


def test_good_file_passes_verification(opened: Stepper) -> None:
    found = verify(opened)
    assert found["ok"] is True
    assert 0 <= found["logits_difference"] < 1e-4
    assert found["same_generated"] is (True if opened.file.generates else None)
    assert found["device"] == "cpu"


@pytest.mark.parametrize("path", SHIPPED, ids=[path.name for path in SHIPPED])
def test_shipped_file_passes_verification(path: Path) -> None:
    assert verify(Stepper.open(path, device="cpu"))["ok"] is True


def checked(path: Path) -> dict[str, Any]:
    return verify(Stepper.open(path, device="cpu"))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("of", NAMES)
def test_changed_weight_is_noticed(edited: Callable[..., Path], of: str) -> None:
    def change(model: Any) -> None:
        (bias,) = [each for each in model.graph.initializer if each.name == b"head0.b"]
        values = list(struct.unpack(f"<{bias.dims[0]}f", bias.raw_data))
        values[0] += 0.01
        bias.raw_data = struct.pack(f"<{len(values)}f", *values)

    found = checked(edited(change, of=of))
    assert found["ok"] is False
    assert found["logits_difference"] == pytest.approx(0.01, abs=1e-3)


@pytest.mark.usefixtures("unchecked")
def test_changed_record_is_noticed(documented: Callable[..., Path]) -> None:
    def logits(document: Any) -> None:
        document["golden"]["logits"][3] += 1

    def drawn(document: Any) -> None:
        token = document["golden"]["generated"][-1]
        document["golden"]["generated"][-1] = (token + 1) % 41

    found = checked(documented(logits))
    assert (found["ok"], found["same_generated"]) == (False, True)
    assert found["logits_difference"] == pytest.approx(1, abs=1e-3)
    found = checked(documented(drawn))
    assert (found["ok"], found["same_generated"]) == (False, False)
    assert found["logits_difference"] < 1e-4


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_logits_that_are_nan_or_infinite(edited: Callable[..., Path], value: float) -> None:
    def change(model: Any) -> None:
        (bias,) = [each for each in model.graph.initializer if each.name == b"head0.b"]
        bias.raw_data = struct.pack(f"<{bias.dims[0]}f", *[value] * bias.dims[0])

    found = checked(edited(change))
    assert found["ok"] is False
    assert found["logits_difference"] is None
    json.dumps(found, allow_nan=False)


def test_examine_this_machine() -> None:
    found = examine()
    assert json.loads(json.dumps(found)) == found
    assert found["cpu"] == "works"
    assert found["next"]
