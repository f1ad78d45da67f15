"""The sampling rule as ONNX nodes: the inputs of a draw, and a draw by inverse CDF.

The rule is that of `rnn_infer.sampling.draw`; the proof of an export compares the two.
"""

from typing import Self

import numpy as np

from rnn_infer import contract
from rnn_train.exporting import filters
from rnn_train.exporting.filters import FilterOptions, Filters
from rnn_train.exporting.graph import FLOAT, INT64, Graph, Value

_BELOW_ONE = np.float32(1 - 2**-24)
"""The largest float32 below 1."""
_GREEDY = np.float32(1e30)
"""Stands for one over temperature 0."""


class SamplingInputs:
    """The four sampling inputs of a file that draws."""

    def __init__(self, uniform: str, temperature: str, filters: FilterOptions) -> None:
        self.uniform = uniform
        """float32 [batch, steps]: one number in [0, 1) for each draw."""
        self.temperature = temperature
        """float32 [batch]."""
        self.filters = filters

    @classmethod
    def declare(cls, graph: Graph, vocabulary: int, steps: str | int) -> Self:
        """Declare the inputs in a graph.

        Args:
            graph: the main graph.
            vocabulary: number of tokens.
            steps: the number of draws in a call, or its name if any number may be asked for.
        """
        uniform = graph.input(contract.UNIFORM, FLOAT, ["batch", steps])
        temperature = graph.input(contract.TEMPERATURE, FLOAT, ["batch"])
        top_k = graph.input(contract.TOP_K, INT64, ["batch"])
        top_p = graph.input(contract.TOP_P, FLOAT, ["batch"])
        return cls(uniform, temperature, FilterOptions(top_k, top_p, vocabulary))

    def padded(self, graph: Graph) -> str:
        """Add the uniforms with a zero after them, [batch, steps + 1]."""
        axis1 = graph.constant("axis1", [1])
        nothing = graph.add("Mul", self.filters.top_k, graph.constant("no_limit", 0))
        column = graph.add("Unsqueeze", graph.add("Cast", nothing, to=FLOAT), axis1, name="padding")
        return graph.add("Concat", self.uniform, column, axis=1, name="padded_uniform")

    def scale(self, graph: Graph) -> str:
        """Add one over the temperature, float32 [batch, 1]."""
        # At temperature 0 the huge scale leaves weight only to the largest logit, and the uniform
        # 0 takes the first token if several have that logit.
        over, greedy = graph.add("Reciprocal", self.temperature), graph.constant("greedy", _GREEDY)
        scale = graph.add("Min", over, greedy, name="scale")
        return graph.add("Unsqueeze", scale, graph.constant("axis1", [1]), name="scale_column")

    def masked(self, graph: Graph, uniforms: str, axis: str) -> str:
        """Add the uniforms, clipped to [0, 1), with 0 for rows of temperature 0.

        Args:
            graph: gets the nodes.
            uniforms: [batch, steps] or [steps, batch].
            axis: int64 [1], the axis of the steps.
        """
        zero = graph.constant("zero", 0.0)
        random = graph.add("Cast", graph.add("Greater", self.temperature, zero), to=FLOAT)
        clipped = graph.add("Clip", uniforms, zero, graph.constant("below_one", _BELOW_ONE))
        mask = graph.add("Unsqueeze", random, axis, name="random")
        return graph.add("Mul", clipped, mask, name="masked_uniform")


def draw(graph: Graph, logits: str, uniform: str, scale: str, chosen: Filters | None) -> str:
    """Add a draw by inverse CDF: the first token at which the summed weight passes the uniform.

    Args:
        graph: gets the nodes.
        logits: float32 [batch, n].
        uniform: float32 [batch, 1], in [0, 1).
        scale: one over the temperature, float32 [batch, 1].
        chosen: the filters of the call. None: no row filters.

    Returns:
        The tokens, int64 [batch].
    """
    columns = graph.constant("axis1", [1])
    peak = graph.add("ReduceMax", logits, columns, keepdims=1, name="peak")
    weight = filters.weights(graph, logits, peak, scale)

    if chosen is None:
        return _token(graph, weight, uniform)

    def filtered(body: Graph) -> list[Value]:
        allowed = filters.allowed(body, logits, peak, scale, chosen)
        kept = body.add("Mul", weight, allowed, name="allowed_weight")
        return [(_token(body, kept, uniform), INT64, ["batch"])]

    def plain(body: Graph) -> list[Value]:
        return [(_token(body, weight, uniform), INT64, ["batch"])]

    if not chosen.active:
        return filtered(graph)[0][0]
    # The whole rest stands in both branches: a branch that only passed the weight on would copy it.
    (token,) = graph.branch(chosen.active, filtered, plain)
    return token


def _token(graph: Graph, weight: str, uniform: str) -> str:
    """Add the first token, int64 [batch], at which the summed weight [batch, n] passes the uniform
    [batch, 1]."""
    axis, last = graph.constant("axis", 1), graph.constant("last", [-1])
    cumulative = graph.add("CumSum", weight, axis, name="cumulative")
    total = graph.add("Gather", cumulative, last, axis=1, name="total")
    target = graph.add("Mul", total, uniform, name="target")
    passed = graph.add("LessOrEqual", cumulative, target, name="passed")
    count = graph.add("Cast", passed, to=INT64)
    return graph.add("ReduceSum", count, graph.constant("axis1", [1]), keepdims=0, name="token")
