"""A bias on the logits: as one more input of the graph, against draws by steps in numpy.

python -m benchmarks.logit_bias [--quick]

The graph with the input exists only here. It adds a bias [batch, n] to the logits before each draw.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np

from rnn_infer import contract
from rnn_infer.runtime.device import open_session
from rnn_infer.runtime.draw_rule import DrawRule
from rnn_infer.runtime.drawing import NOTHING, Moment, draw_tokens
from rnn_infer.runtime.stepper import Stepper
from rnn_train.exporting.graph import FLOAT, Graph
from rnn_train.exporting.model_graph import build_graph
from rnn_train.exporting.sampling import SamplingInputs, draw
from rnn_train.exporting.variants import Variant

from . import networks
from .harness import Work, race, write
from .networks import Shape

SHAPES = (Shape(1, 128), Shape(2, 512), Shape(2, 512, 6000))
STREAMS = (1, 64)
INPUT = "logit_bias"
PIECE = 128
"""Characters drawn per call, as in `CharLM.generate`."""


class _WithBias:
    """A session of the graph with the input: it feeds the bias too."""

    def __init__(self, session: Any, bias: np.ndarray[Any, Any]) -> None:
        self._session, self._bias = session, bias

    def run(self, names: list[str], feed: dict[str, Any]) -> Any:
        return self._session.run(names, {**feed, INPUT: self._bias})


def with_input(shape: Shape, plain: Stepper, bias: np.ndarray[Any, Any]) -> Stepper:
    """Return the network in a file that has one more input."""
    declare: Callable[..., Any] = SamplingInputs.declare.__func__  # type: ignore[attr-defined]

    @classmethod  # type: ignore[misc]
    def declared(cls: Any, graph: Graph, vocabulary: int, steps: str | int) -> Any:
        graph.input(INPUT, FLOAT, ["batch", vocabulary])
        return declare(cls, graph, vocabulary, steps)

    def drawn(graph: Graph, logits: str, *others: Any) -> str:
        return draw(graph, graph.add("Add", logits, INPUT, name="biased"), *others)

    with (
        mock.patch.object(SamplingInputs, "declare", declared),
        mock.patch("rnn_train.exporting.generation.draw", drawn),
    ):
        graph = build_graph(shape.model(), 1.0, Variant())
    data = graph.model(contract.OPSET, contract.IR_VERSIONS.start, {}).SerializeToString()
    file = replace(plain.file, source=replace(plain.file.source, data=data))
    session, _ = open_session(file, "cpu", 1)
    return Stepper(plain.file, _WithBias(session, bias), "cpu")


def by_rule(stepper: Stepper, streams: int, rule: DrawRule) -> Work:
    """Draws as the library does."""
    random = np.random.default_rng(0)
    tokens = np.zeros(streams, np.int64)
    moment = Moment(tokens, stepper.zeros(streams), [NOTHING] * streams)

    def work(count: int) -> None:
        nonlocal moment
        while count:
            steps = min(count, PIECE)
            count -= steps
            uniform = random.random((streams, steps), np.float32)
            _, moment = draw_tokens(stepper, moment, uniform, rule)

    return work


def contestants(shape: Shape, streams: int) -> dict[str, Work]:
    """Returns all ways to draw."""
    stepper = networks.ours(shape, threads=1)
    row = np.zeros(shape.vocabulary, np.float32)
    row[1::7] = -np.inf
    many = np.tile(row, (streams, 1))
    penalty = replace(networks.SAMPLING, repetition_penalty=1.5)
    return {
        "graph": networks.our_generation(stepper, streams),
        "library, no bias": by_rule(stepper, streams, DrawRule(networks.SAMPLING, None, None)),
        "library, bias by steps": by_rule(stepper, streams, DrawRule(networks.SAMPLING, row, None)),
        "library, penalty by steps": by_rule(stepper, streams, DrawRule(penalty, None, None)),
        "graph with the input, zeros": networks.our_generation(
            with_input(shape, stepper, np.zeros_like(many)), streams
        ),
        "graph with the input, bias": networks.our_generation(
            with_input(shape, stepper, many), streams
        ),
    }


def main() -> None:
    """Measures all shapes, or the first with `--quick`."""
    quick = "--quick" in sys.argv
    races = []
    for shape in SHAPES[:1] if quick else SHAPES:
        for streams in STREAMS:
            name = f"{shape}; {streams} streams"
            found = race(name, "step of all streams", contestants(shape, streams), rounds=7)
            races.append(found)
            print(name)
            for each in found.samples:
                cost = 1 / found.ratio(each, "graph")
                print(f"  {each:28} {found.typical(each) * 1e6:9.1f} µs {cost:6.2f} × the graph")
            sys.stdout.flush()
    if not quick:
        write("logit_bias", races)


if __name__ == "__main__":
    main()
