"""CUDA graphs of fixed-step files: when they are captured, and which ones are replayed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_infer import CharLM, DeviceError, ModelFileError
from rnn_infer.runtime.stepper import Stepper

pytestmark = pytest.mark.usefixtures("fresh_runtime")

Install = Callable[..., Any]
"""The fixture `install`."""


@pytest.mark.parametrize("model", ["charlm.one", "charlm.three"])
def test_inputs_of_different_batch_sizes(data: Path, model: str) -> None:
    stepper = Stepper.open(data / f"{model}.onnx", device="cpu")
    tokens = np.zeros((2, 1), np.int64)
    stepper.forward(tokens, stepper.zeros(2))
    with pytest.raises(ModelFileError, match="different batch sizes"):
        stepper.forward(tokens, stepper.zeros(1))


@pytest.fixture
def path(data: Path) -> Path:
    return data / "charlm.onnx"


@pytest.fixture
def one_step(data: Path) -> Path:
    return data / "charlm.one.onnx"


@pytest.mark.usefixtures("unchecked")
def test_single_steps_are_replayed(install: Install, one_step: Path, lm: CharLM) -> None:
    fake = install()
    found = CharLM.load(one_step, device="cuda")
    assert (found.device, fake.captured) == ("cuda", [True])
    prompts = ["dead", "beef", "cab."]
    assert found.generate(prompts, length=9, seed=1) == lm.generate(prompts, length=9, seed=1)
    # The first two runs are the try-out: one token read, and one drawn.
    graphs = list(map(int, found._stepper._session._session.graphs))[2:]
    # Two graphs read in turn. Then eight others draw one after another.
    assert graphs == [1, 2, 1, *range(3, 11), 3]
    # Three streams used 64 rows. A smaller batch needs no other graph, whatever its length.
    assert found.generate("dead", length=40, seed=1) == lm.generate("dead", length=40, seed=1)
    known = set(map(int, found._stepper._session._session.graphs))
    assert known == set(range(1, 11))
    many = ["dead"] * 65
    assert found.generate(many, length=20, seed=1) == lm.generate(many, length=20, seed=1)
    more = set(map(int, found._stepper._session._session.graphs)) - known
    assert more <= set(range(11, 21))


def test_several_steps_are_one_graph(install: Install, data: Path, lm: CharLM) -> None:
    fake = install()
    found = CharLM.load(data / "charlm.three.onnx", device="cuda")
    assert (found.device, fake.captured) == ("cuda", [True])
    tried = len(found._stepper._session._session.graphs)
    # Six characters are read. Drawing starts with the seventh: 3 + 3 + 2 characters.
    assert found.generate("deadbee", length=8, seed=1) == lm.generate("deadbee", length=8, seed=1)
    graphs = list(map(int, found._stepper._session._session.graphs))[tried:]
    assert graphs == [1, 2, 1, 2, 1]
    many = ["dead"] * 65
    assert found.generate(many, length=20, seed=1) == lm.generate(many, length=20, seed=1)
    assert set(map(int, found._stepper._session._session.graphs)) == {1, 2, 3, 4}


def test_files_with_control_flow_get_no_graph(install: Install, path: Path) -> None:
    fake = install()
    CharLM.load(path, device="cuda")
    assert fake.captured == [False]


@pytest.mark.parametrize("capture_fails", ["when opened", "when run"])
def test_graph_that_cannot_be_captured(
    install: Install, one_step: Path, lm: CharLM, capture_fails: str
) -> None:
    install(capture_fails=capture_fails)
    with pytest.raises(DeviceError, match="cannot be captured.*use an ordinary") as caught:
        CharLM.load(one_step, device="cuda")
    assert len(str(caught.value).splitlines()) == 1
    with pytest.warns(RuntimeWarning, match="auto takes the CPU.*cannot be captured"):
        found = CharLM.load(one_step, device="auto")
    assert found.device == "cpu"
    assert found.generate("dead", length=9, seed=1) == lm.generate("dead", length=9, seed=1)
