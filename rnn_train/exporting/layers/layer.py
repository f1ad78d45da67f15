"""The interface of a recurrent layer: a product of the input alone, then a step."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.exporting.graph import FLOAT, Graph
from rnn_train.exporting.layers.parts import Part, Parts, joined

Stepped = tuple[str, list[str]]
"""An output, and the states after it."""
Scanned = tuple[str, int]
"""A value and its width."""


class Layer(ABC):
    """One recurrent layer, which adds nodes to graphs.

    A step has two parts: `project` needs the input alone, so it is computed for all times of a
    sequence at once; `step` needs the state, so it is computed time by time.
    """

    states: dict[str, int]
    """Name and width of each state tensor of the model file."""
    input: int
    """Width of its input."""
    projected: int
    """Width of the result of `project`."""
    projected_type: int = FLOAT
    """Element type of the result of `project`."""
    output: int
    """Width of its output, which the layer above reads."""

    @abstractmethod
    def project(self, graph: Graph, x: str, by_time: bool = False) -> str:
        """Add the part that needs the input alone.

        Args:
            graph: gets the nodes.
            x: [n, input], or [time, batch, input] with `by_time`.
            by_time: whether x has an axis more; then n is time · batch.

        Returns:
            The projected input, [n, projected].
        """

    @abstractmethod
    def table(self, embedding: Tensor) -> NDArray[np.float32]:
        """Compute `project` of every row of an embedding [tokens, input]: [tokens, projected]."""

    @abstractmethod
    def step(self, graph: Graph, projected: str, states: Sequence[str]) -> Stepped:
        """Add one step.

        Args:
            graph: gets the nodes.
            projected: result of `project` [batch, projected].
            states: each [batch, width].

        Returns:
            The output [batch, output], and the next states.
        """

    def steps(self, graph: Graph, projected: str, states: Sequence[str]) -> Stepped:
        """Add all steps of a sequence as a Scan, to the same numbers as `step`.

        Args:
            graph: gets the nodes.
            projected: [time, batch, projected].
            states: before the first step, each [batch, width].

        Returns:
            The outputs [time, batch, output], and the states after the last step.
        """
        scanned = self.scanned(graph, projected)
        body = graph.subgraph("steps")
        widths = list(self.states.values())
        states_in = [body.input("scan_state", FLOAT, ["batch", width]) for width in widths]
        kind = self.projected_type
        now = [body.input("scan_x", kind, ["batch", width]) for _, width in scanned]
        output, states_out = self.step_scanned(body, now, states_in)
        for value, width in zip(states_out, widths, strict=True):
            body.output(value, FLOAT, ["batch", width])
        body.output(output, FLOAT, ["batch", self.output], name=body.fresh("scan_y"))
        *after, outputs = graph.add_many(
            "Scan",
            *states,
            *(value for value, _ in scanned),
            names=[*("state" for _ in states), "layer_output"],
            body=body.proto(),
            num_scan_inputs=len(scanned),
        )
        return outputs, after

    def scanned(self, graph: Graph, projected: str) -> list[Scanned]:  # noqa: ARG002
        """Add the parts of the projected input that a Scan takes, from all times [..., projected].

        A subclass may cut it once for all times, so that no step has to.
        """
        return [(projected, self.projected)]

    def step_scanned(self, graph: Graph, now: Sequence[str], states: Sequence[str]) -> Stepped:
        """Add `step` from the parts of one time, each [batch, width]."""
        return self.step(graph, now[0], states)

    def sequence(self, graph: Graph, x: str, sizes: str, states: Sequence[str]) -> Stepped:
        """Add `project` and `steps`: x [time, batch, input], whose `sizes` are [time, batch] →
        outputs [time, batch, output], and the states after the last step."""
        projected = self.project(graph, x, by_time=True)
        return self.steps(graph, graph.by_time(projected, sizes, self.projected), states)

    def from_parts(
        self, graph: Graph, x: Parts, sizes: str, states: Sequence[str]
    ) -> tuple[Parts, list[str]]:
        """Add `sequence` of columns that are not joined. A subclass need not join them."""
        if x[0].projected:
            outputs, after = self.steps(graph, x[0].as_is(graph), states)
        else:
            outputs, after = self.sequence(graph, joined(graph, x), sizes, states)
        return [Part(self.output, outputs)], after

    def advance(self, graph: Graph, x: str, states: Sequence[str]) -> Stepped:
        """Add `project` and `step` of one time: x [batch, input] → output, next states.

        A subclass may compute both parts together, to the same numbers.
        """
        return self.step(graph, self.project(graph, x), states)


def as_numpy(tensor: Tensor) -> NDArray[np.float32]:
    """Return a weight as a float32 array on the CPU."""
    return tensor.detach().cpu().float().numpy()
