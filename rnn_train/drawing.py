"""Generation inside the graph: the rule of `rnn_infer.sampling.draw`, as ONNX nodes in a Loop."""

from collections.abc import Callable, Sequence

import numpy as np

from rnn_infer import contract
from rnn_train.graph import BOOL, FLOAT, INT64, Graph

_BELOW_ONE = np.float32(1 - 2**-24)
_GREEDY = np.float32(1e30)
Feed = Callable[[Graph, str, Sequence[str]], tuple[str, list[str]]]
"""Adds nodes that feed tokens [batch] to states: gives logits [batch, n] and the next states."""


class Drawing:
    """The four generation inputs, prepared once a call, and the draw that uses them."""

    def __init__(self, graph: Graph, vocabulary: int) -> None:
        self._vocabulary = vocabulary
        uniform = graph.input(contract.UNIFORM, FLOAT, ["batch", "steps"])
        temperature = graph.input(contract.TEMPERATURE, FLOAT, ["batch"])
        top_k = graph.input(contract.TOP_K, INT64, ["batch"])
        top_p = graph.input(contract.TOP_P, FLOAT, ["batch"])
        self._prepare_uniforms(graph, uniform, temperature)
        self._prepare_filters(graph, top_k, top_p)

    def _prepare_uniforms(self, graph: Graph, uniform: str, temperature: str) -> None:
        zero, column = graph.constant("zero", 0.0), graph.constant("axis1", [1])
        reciprocal = graph.add("Reciprocal", temperature)
        scale = graph.add("Min", reciprocal, graph.constant("greedy", _GREEDY), name="scale")
        self._scale = graph.add("Unsqueeze", scale, column, name="scale_column")
        clipped = graph.add("Clip", uniform, zero, graph.constant("below_one", _BELOW_ONE))
        random = graph.add("Cast", graph.add("Greater", temperature, zero), to=FLOAT, name="random")
        by_step = graph.add("Transpose", clipped, perm=[1, 0])
        masked = graph.add("Mul", by_step, random, name="masked_uniform")
        # One row more, so that a call with no uniforms has something to draw with; what it
        # draws is cut off.
        nothing = graph.add("Sub", random, random, name="nothing")
        row = graph.add("Unsqueeze", nothing, graph.constant("axis0", [0]), name="spare_row")
        self._uniforms = graph.add("Concat", masked, row, axis=0, name="uniforms")
        self.steps = graph.add("Shape", uniform, start=1, end=2, name="steps")

    def _prepare_filters(self, graph: Graph, top_k: str, top_p: str) -> None:
        size = graph.constant("vocabulary", self._vocabulary)
        column = graph.constant("axis1", [1])
        one, infinity = graph.constant("one", 1.0), graph.constant("infinity", np.float32(np.inf))
        limited = graph.add("Greater", top_k, graph.constant("no_limit", 0), name="limited")
        nucleus = graph.add("Less", top_p, one, name="nucleus")
        filtered = graph.add("Or", limited, nucleus, name="filtered")
        width = graph.add(
            "Where", limited, graph.add("Min", top_k, size, name="k"), size, name="width"
        )
        # Rows without a filter need only the maximum: if no row has one, the selection is of 1.
        single = graph.constant("single", 1)
        needed = graph.add("Where", filtered, width, single, name="needed")
        self._select = graph.add(
            "ReduceMax", needed, graph.constant("axis0", [0]), keepdims=1, name="select"
        )
        ranks = graph.constant("ranks", np.arange(self._vocabulary)[None])
        start = graph.constant("slice_start", [0])
        ranks = graph.add("Slice", ranks, start, self._select, column, name="selected_ranks")
        width = graph.add("Unsqueeze", width, column, name="width_column")
        self._inside = graph.add("Less", ranks, width, name="inside")
        self._inside_weight = graph.add("Cast", self._inside, to=FLOAT, name="inside_weight")
        limit = graph.add("Where", nucleus, top_p, infinity, name="limit")
        self._limit = graph.add("Unsqueeze", limit, column, name="limit_column")
        self._filtered = graph.add("Unsqueeze", filtered, column, name="filtered_column")

    def draw(self, graph: Graph, logits: str, step: str) -> str:
        """Draws tokens [batch] from logits [batch, n] with the uniforms of `step`."""
        first, last = graph.constant("first", [0]), graph.constant("last", [-1])
        axis = graph.constant("axis", 1)
        ranked, _ = graph.add_many(
            "TopK", logits, self._select, names=["ranked", "ranked_index"], axis=1
        )
        peak = graph.add("Gather", ranked, first, axis=1, name="peak")

        def weights(values: str) -> str:
            return graph.add(
                "Exp", graph.add("Mul", graph.add("Sub", values, peak), self._scale), name="weight"
            )

        ranked_weight = graph.add("Mul", weights(ranked), self._inside_weight, name="ranked_weight")
        reached = graph.add("CumSum", ranked_weight, axis, name="reached")
        total = graph.add("Gather", reached, last, axis=1, name="ranked_total")
        before = graph.add("Sub", reached, ranked_weight, name="before")
        short = graph.add("Less", before, graph.add("Mul", total, self._limit), name="short")
        kept = graph.add("And", short, self._inside, name="kept")
        least = graph.add(
            "ReduceMin",
            graph.add("Where", kept, ranked, peak, name="kept_value"),
            graph.constant("axis1", [1]),
            keepdims=1,
            name="least",
        )
        lowest = graph.constant("lowest", np.float32(-np.inf))
        threshold = graph.add("Where", self._filtered, least, lowest, name="threshold")
        allowed = graph.add("GreaterOrEqual", logits, threshold, name="allowed")
        weight = graph.add(
            "Mul", weights(logits), graph.add("Cast", allowed, to=FLOAT), name="allowed_weight"
        )

        cumulative = graph.add("CumSum", weight, axis, name="cumulative")
        total = graph.add("Gather", cumulative, last, axis=1, name="total")
        uniform = graph.add("Gather", self._uniforms, step, axis=0, name="uniform_now")
        uniform = graph.add("Unsqueeze", uniform, graph.constant("axis1", [1]))
        target = graph.add("Mul", total, uniform, name="target")
        passed = graph.add("LessOrEqual", cumulative, target, name="passed")
        return graph.add(
            "ReduceSum",
            graph.add("Cast", passed, to=INT64),
            graph.constant("axis1", [1]),
            keepdims=0,
            name="token",
        )

    def loop(
        self, graph: Graph, logits: str, states: Sequence[tuple[str, int]], feed: Feed
    ) -> tuple[str, list[str]]:
        """Draws from logits [batch, n], then feeds and draws until each uniform has its token.

        Args:
            states: value and width of each state, after all given tokens.

        Returns:
            Generated tokens [batch, steps], and the states that have read all but the last.
        """
        token = self.draw(graph, logits, graph.constant("step0", 0))
        one, zero = graph.constant("single_step", [1]), graph.constant("first", [0])
        rest = graph.add("Max", graph.add("Sub", self.steps, one), zero, name="rest")
        trips = graph.add("Squeeze", rest, graph.constant("axis0", [0]), name="trips")
        body = graph.subgraph("feed_and_draw")
        turn = body.input("turn", INT64, [])
        go_on = body.input("go_on", BOOL, [])
        token_in = body.input("token_in", INT64, ["batch"])
        states_in = [
            body.input(f"state_in{i}", FLOAT, ["batch", w]) for i, (_, w) in enumerate(states)
        ]
        body_logits, states_out = feed(body, token_in, states_in)
        step = body.add("Add", turn, body.constant("single", 1), name="step")
        drawn = self.draw(body, body_logits, step)
        body.output(go_on, BOOL, [], name=body.fresh("go_on_next"))
        body.output(drawn, INT64, ["batch"], name=body.fresh("token_next"))
        for value, (_, width) in zip(states_out, states, strict=True):
            body.output(value, FLOAT, ["batch", width], name=body.fresh("state_out"))
        body.output(drawn, INT64, ["batch"], name=body.fresh("token_drawn"))
        _, *after, drawn_rest = graph.add_many(
            "Loop",
            trips,
            "",
            token,
            *(value for value, _ in states),
            names=["last_token", *("looped_state" for _ in states), "drawn_rest"],
            body=body.proto(),
        )
        # After no trips the Loop cannot know the batch: say it.
        shape = graph.add(
            "Concat", rest, graph.add("Shape", token, name="batch"), axis=0, name="rest_shape"
        )
        drawn_rest = graph.add("Reshape", drawn_rest, shape, allowzero=1, name="rest_tokens")
        token = graph.add("Unsqueeze", token, graph.constant("axis0", [0]), name="first_token")
        drawn_all = graph.add("Concat", token, drawn_rest, axis=0, name="all_tokens")
        cut = graph.add(
            "Slice", drawn_all, zero, self.steps, graph.constant("axis0", [0]), name="cut_tokens"
        )
        return graph.add("Transpose", cut, perm=[1, 0], name="tokens_by_stream"), after
