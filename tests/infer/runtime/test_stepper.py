"""The stepper: tokens in, logits or drawn tokens out."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest

from rnn_infer import CharLM, Classifier, LoadOptions, ModelFileError
from rnn_infer.modelfile.source import SourceBytes, read_source
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling

Edited = Callable[..., Path]
OPTIONS: list[dict[str, Any]] = [
    {"temperature": 1.0},
    {"temperature": 0.0},
    {"temperature": 0.7, "top_k": 4},
    {"temperature": 1.3, "top_p": 0.8},
    {"temperature": 0.9, "top_k": 12, "top_p": 0.6},
]


def test_sampling_per_row(lm: CharLM) -> None:
    stepper = lm._stepper
    samplings = [Sampling(**options) for options in OPTIONS]
    tokens = np.arange(5)[:, None]
    uniform = np.random.default_rng(1).random((5, 30), np.float32)
    together, _ = stepper.draw(tokens, stepper.zeros(5), uniform, samplings)
    for i, sampling in enumerate(samplings):
        own, _ = stepper.draw(tokens[i : i + 1], stepper.zeros(1), uniform[i : i + 1], sampling)
        np.testing.assert_array_equal(own[0], together[i])


def test_logits_alone(stepper: Stepper) -> None:
    tokens = np.array([[1, 2, 3], [4, 5, 6]])
    expected, state = stepper.forward(tokens, stepper.zeros(2))
    np.testing.assert_array_equal(stepper.logits(tokens, stepper.zeros(2)), expected)
    np.testing.assert_array_equal(stepper.logits(tokens, state), stepper.forward(tokens, state)[0])


@pytest.mark.usefixtures("unchecked")
def test_graph_that_fails_when_it_runs(edited: Edited) -> None:
    """Every shape fits, but a table has fewer rows than there are characters."""

    def shorten(model: Any) -> None:
        table = next(each for each in model.graph.initializer if each.name == b"input_table")
        table.dims[0] = 1
        table.raw_data = table.raw_data[: 4 * table.dims[1]]

    path = edited(shorten)
    stepper = Stepper.open(path, device="cpu")
    with pytest.raises(ModelFileError) as caught:
        stepper.forward(np.array([[0, 1]]), stepper.zeros(1))
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_shapes(stepper: Stepper) -> None:
    tokens = np.array([[1, 2, 3], [4, 5, 6]])
    logits, state = stepper.forward(tokens, stepper.zeros(2))
    assert logits.shape == (2, 3, stepper.file.metadata.outputs)
    assert [each.shape for each in state] == [(2, each.width) for each in stepper.file.states]
    drawn, state = stepper.draw(tokens, state, np.full((2, 5), 0.5, np.float32), Sampling())
    assert drawn.shape == (2, 5)
    assert drawn.dtype == np.int64


def test_consume_is_forward_without_logits(stepper: Stepper) -> None:
    tokens = np.array([[1, 2, 3]])
    _, expected = stepper.forward(tokens, stepper.zeros(1))
    for ours, theirs in zip(stepper.consume(tokens, stepper.zeros(1)), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    before = stepper.zeros(1)
    assert stepper.consume(tokens[:, :0], before) is before


def test_a_file_that_gives_all_logits(classifier: Classifier) -> None:
    """It was written before a file could leave logits out."""
    stepper = classifier._stepper
    tokens = np.array([[1, 2, 3], [4, 5, 6]])
    logits, _ = stepper.forward(tokens, stepper.zeros(2))
    np.testing.assert_array_equal(stepper.last(tokens, stepper.zeros(2)), logits[:, -1])


def test_options_and_keywords(data: Path) -> None:
    options = LoadOptions(device="cpu", threads=2)
    assert Stepper.open(data / "gru.onnx", options=options).device == "cpu"
    with pytest.raises(ModelFileError, match="sha256"):
        Stepper.open(data / "gru.onnx", options=options, sha256="0" * 64)


def test_file_is_read_once(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs is what was checked, although another file stands there by then."""
    path = Path(shutil.copy(data / "charlm.onnx", tmp_path / "model.onnx"))

    def read_and_replace(source: Path) -> SourceBytes:
        found = read_source(source)
        path.write_bytes((data / "gru.onnx").read_bytes())
        return found

    expected = CharLM.load(path, device="cpu").generate("dead", length=20, seed=1)
    monkeypatch.setattr("rnn_infer.modelfile.reader.read_source", read_and_replace)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    opened = CharLM.load(path, device="cpu", sha256=sha256)
    assert opened.generate("dead", length=20, seed=1) == expected


def test_no_memory_is_no_damage(stepper: Stepper, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise RuntimeError("Failed to allocate memory for requested buffer of size 99")

    monkeypatch.setattr(stepper, "_session", SimpleNamespace(run=fail))
    with pytest.raises(ModelFileError, match=r"not enough memory for the graph .*size 99"):
        stepper.forward(np.array([[1]]), stepper.zeros(1))
