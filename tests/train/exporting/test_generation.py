"""The Loop that draws and feeds, as a file runs it."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling, Uniforms, draw
from rnn_train.exporting import generation
from rnn_train.exporting.model_file import export
from rnn_train.models.charlm import CharLSTM
from tests.train.exporting.examples import (
    char_lstm,
    graphs,
    lm_card,
    operators,
    shaken,
    some_tokens,
)

STEPS = 9


@pytest.fixture(scope="module")
def model() -> CharLSTM:
    return shaken(char_lstm(layers=2), 0.5)


@pytest.fixture(scope="module")
def path(model: CharLSTM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("generation") / "m.onnx"
    export(model, lm_card(), path)
    return path


@pytest.fixture
def stepper(path: Path) -> Stepper:
    return Stepper.open(path, device="cpu")


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.0), Sampling(top_k=3)])
def test_tokens_are_drawn_from_the_logits_before_them(stepper: Stepper, sampling: Sampling) -> None:
    """Each draw is repeated in numpy, and the states have read all tokens but the last."""
    tokens, uniform = some_tokens(2, 4), np.stack([Uniforms(s).take(STEPS) for s in (1, 2)])
    drawn, after = stepper.draw(tokens, stepper.zeros(2), uniform, sampling)
    assert drawn.shape == (2, STEPS)
    read = np.concatenate([tokens, drawn[:, :-1]], 1)
    logits, expected = stepper.forward(read, stepper.zeros(2))
    for step in range(STEPS):
        by_rule = draw(logits[:, 3 + step], uniform[:, step], sampling)
        np.testing.assert_array_equal(drawn[:, step], by_rule)
    for ours, theirs in zip(after, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2])
def test_few_draws_are_the_beginning_of_many(stepper: Stepper, steps: int) -> None:
    tokens, uniform = some_tokens(3, 2), np.stack([Uniforms(s).take(STEPS) for s in range(3)])
    many, _ = stepper.draw(tokens, stepper.zeros(3), uniform, Sampling())
    few, _ = stepper.draw(tokens, stepper.zeros(3), uniform[:, :steps], Sampling())
    np.testing.assert_array_equal(few, many[:, :steps])


def test_a_call_without_uniforms_draws_nothing(path: Path, stepper: Stepper) -> None:
    tokens = some_tokens(2, 4)
    logits, after = stepper.forward(tokens, stepper.zeros(2))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {
        "tokens": tokens,
        "uniform": np.zeros((2, 0), np.float32),
        "temperature": np.ones(2, np.float32),
        "top_k": np.zeros(2, np.int64),
        "top_p": np.ones(2, np.float32),
    }
    names = [each.name for each in stepper.file.states]
    feed |= {name: np.zeros((2, 7), np.float32) for name in names}
    found, drawn, *states = session.run(
        ["logits", "generated", *(f"{name}_next" for name in names)], feed
    )
    assert drawn.shape == (2, 0)
    np.testing.assert_array_equal(found, logits)
    for ours, theirs in zip(states, after, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_other_engines_can_read_the_control_flow(path: Path) -> None:
    """A Loop has a condition, which its body gives out under a name of its own; a branch that
    gives a constant declares the constant's shape."""
    main, *_ = graphs(onnx.load(path).graph)
    shapes = {each.name: list(each.dims) for each in main.initializer}
    for loop in (node for node in main.node if node.op_type == "Loop"):
        assert shapes[loop.input[1]] == []
        (body,) = (each.g for each in loop.attribute)
        assert body.output[0].name not in [each.name for each in body.input]
    (branch,) = (node for node in main.node if node.op_type == "If")
    (unused,) = (each.g for each in branch.attribute if each.name == "else_branch")
    constants = {n.output[0]: shapes[n.input[0]] for n in unused.node if n.input[0] in shapes}
    declared = {
        each.name: [dim.dim_value for dim in each.type.tensor_type.shape.dim]
        for each in unused.output
    }
    assert len(constants) == 7
    assert all(declared[name] == shape for name, shape in constants.items())


def test_loops_stand_in_the_main_graph(path: Path) -> None:
    """onnxruntime prepacks the weights of a body only there."""
    main, *inner = graphs(onnx.load(path).graph)
    assert not any(node.op_type == "Loop" for graph in inner for node in graph.node)
    for node in main.node:
        if node.op_type == "If":
            bodies = [attribute.g for attribute in node.attribute]
            assert not any(each.op_type in ("Gemm", "MatMul") for b in bodies for each in b.node)


@pytest.fixture(scope="module")
def one_loop(model: CharLSTM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the same network, as if it were large."""
    path = tmp_path_factory.mktemp("large") / "m.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "MOST_TWICE", 0)
        export(model, lm_card(), path)
    return path


def loops(path: Path) -> list[set[str]]:
    """The operators of each Loop that choose or filter."""
    nodes = onnx.load(path).graph.node
    bodies = [node.attribute[0].g for node in nodes if node.op_type == "Loop"]
    return [operators(body) & {"If", "TopK"} for body in bodies]


def test_a_small_network_has_no_if_in_a_draw(path: Path, one_loop: Path) -> None:
    """It has a Loop for calls that filter and one for the others; a large one has one Loop."""
    assert loops(path) == [set(), {"TopK"}]
    assert loops(one_loop) == [{"If", "TopK"}]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        [Sampling(top_k=3), Sampling(top_p=0.8)],
        [Sampling(), Sampling(top_k=2)],
    ],
)
def test_a_small_network_draws_as_a_large_one(
    path: Path, one_loop: Path, sampling: Sampling | list[Sampling]
) -> None:
    tokens, uniform = some_tokens(2, 3), np.stack([Uniforms(s).take(STEPS) for s in (1, 2)])
    small, large = (Stepper.open(each, device="cpu") for each in (path, one_loop))
    for steps in (1, 2, STEPS):
        drawn, after = small.draw(tokens, small.zeros(2), uniform[:, :steps], sampling)
        expected, states = large.draw(tokens, large.zeros(2), uniform[:, :steps], sampling)
        np.testing.assert_array_equal(drawn, expected)
        np.testing.assert_array_equal(after, states)
