"""Generation inside the graph: the rule of `rnn_infer.sampling.draw`, as ONNX nodes in a Loop, or
draw by draw without one."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from rnn_infer import contract
from rnn_train.exporting.graph import BOOL, FLOAT, INT64, Graph, Value

_BELOW_ONE = np.float32(1 - 2**-24)
_GREEDY = np.float32(1e30)
LookUp = Callable[[Graph, str], tuple[str, int]]
"""Adds a node that reads from a table what stands for tokens [batch]: [batch, width], and width."""
Feed = Callable[[Graph, str, Sequence[str]], tuple[str, list[str]]]
"""Adds nodes that feed what was looked up to states: gives logits [batch, n], the next states."""
Draw = Callable[[str, int], str]
"""Adds a draw from logits [batch, n], with the uniform at a place: a token [batch]."""
Sized = tuple[str, int]
"""A state's value, and its width."""


class _Prepared(NamedTuple):
    """What all draws of a call share."""

    scale: str
    """One over the temperature, float32 [batch, 1]."""
    uniforms: str
    """Of all draws but the first, float32 [steps - 1, batch, 1]."""
    filters: str
    """Whether any row filters by top-k or top-p, bool []. Where not, the rest means nothing.
    Empty: a draw is made ready for rows that do."""
    select: str
    """How many tokens to rank, int64 [1]."""
    inside: str
    """Which ranks top-k keeps, bool [batch, ranked]."""
    limit: str
    """Share of the kept weight that top-p wants, float32 [batch, 1]."""
    filtered: str
    """Which rows filter, bool [batch, 1]."""


_SHAPES: tuple[tuple[int, Sequence[str | int]], ...] = (
    (FLOAT, ["batch", 1]),
    (FLOAT, ["rest", "batch", 1]),
    (BOOL, []),
    (INT64, [1]),
    (BOOL, ["batch", "ranked"]),
    (FLOAT, ["batch", 1]),
    (BOOL, ["batch", 1]),
)
"""Of the fields of `_Prepared`."""


class SamplingGraph:
    """The four generation inputs, and what draws with them: `add`, or `one_by_one`.

    What a call does not need costs it next to nothing: one that only reads draws nothing, and
    the vocabulary is ranked where some row filters by top-k or top-p, and only there. (Both by
    an If without weights inside: onnxruntime prepacks weights for a body of the main graph,
    but not for one that lies deeper.)
    """

    def __init__(
        self, graph: Graph, vocabulary: int, look_up: LookUp, feed: Feed, steps: str | int
    ) -> None:
        """`steps`: how many draws a call is asked for: a name, or a number."""
        self._vocabulary = vocabulary
        self._look_up, self._feed = look_up, feed
        self._uniform = graph.input(contract.UNIFORM, FLOAT, ["batch", steps])
        self._temperature = graph.input(contract.TEMPERATURE, FLOAT, ["batch"])
        self._top_k = graph.input(contract.TOP_K, INT64, ["batch"])
        self._top_p = graph.input(contract.TOP_P, FLOAT, ["batch"])

    def add(self, graph: Graph, logits: str, states: Sequence[Sized]) -> tuple[str, list[str]]:
        """Draws from logits [batch, n], then feeds and draws until each uniform has its token.

        Args:
            states: after all given tokens.

        Returns:
            Generated tokens [batch, steps], and the states that have read all but the last.
        """
        zero, axis0 = graph.constant("first", [0]), graph.constant("axis0", [0])
        steps = graph.add("Shape", self._uniform, start=1, end=2, name="steps")
        draws = graph.add("Squeeze", graph.add("Cast", steps, to=BOOL), axis0, name="draws")
        token, *values = graph.branch(draws, lambda body: self._first(body, logits), self._no_draw)
        prepared = _Prepared(*values)
        one = graph.constant("single", [1])
        rest = graph.add("Max", graph.add("Sub", steps, one), zero, name="rest")
        trips = graph.add("Squeeze", rest, axis0, name="trips")
        drawn_rest, after = self._loop(graph, trips, token, states, prepared)
        # After no trips the Loop cannot know the batch: say it.
        batch = graph.add("Shape", token, name="batch")
        shape = graph.add("Concat", rest, batch, axis=0, name="rest_shape")
        drawn_rest = graph.add("Reshape", drawn_rest, shape, allowzero=1, name="rest_tokens")
        token = graph.add("Unsqueeze", token, axis0, name="first_token")
        drawn_all = graph.add("Concat", token, drawn_rest, axis=0, name="all_tokens")
        cut = graph.add("Slice", drawn_all, zero, steps, axis0, name="cut_tokens")
        return graph.add("Transpose", cut, perm=[1, 0], name="tokens_by_stream"), after

    def one_by_one(self, graph: Graph, steps: int) -> Draw:
        """Makes ready for draws without control flow."""
        column = graph.constant("axis1", [1])
        scale, masked = self._scale(graph), self._masked(graph, self._uniform, column)
        uniforms = graph.columns(masked, steps, "uniform_now")
        by_rank, by_share, filtered = self._filtering(graph)
        everything = graph.constant("everything", [self._vocabulary])
        selection = self._kept(graph, by_rank, by_share, filtered, everything)
        prepared = _Prepared(scale, "", "", *selection)
        return lambda logits, place: _draw(graph, logits, uniforms[place], prepared)

    def _loop(
        self,
        graph: Graph,
        trips: str,
        token: str,
        states: Sequence[Sized],
        prepared: _Prepared,
    ) -> tuple[str, list[str]]:
        # What was looked up goes round, and the token only out: one and the same value cannot do
        # both without a node that copies it.
        row, width = self._look_up(graph, token)
        body = graph.subgraph("feed_and_draw")
        turn = body.input("turn", INT64, [])
        go_on = body.input("go_on", BOOL, [])
        row_in = body.input("row_in", FLOAT, ["batch", width])
        states_in = [
            body.input(f"state_in{i}", FLOAT, ["batch", w]) for i, (_, w) in enumerate(states)
        ]
        logits, states_out = self._feed(body, row_in, states_in)
        uniform = body.add("Gather", prepared.uniforms, turn, axis=0, name="uniform_now")
        drawn = _draw(body, logits, uniform, prepared)
        body.output(go_on, BOOL, [])
        body.output(self._look_up(body, drawn)[0], FLOAT, ["batch", width])
        for value, (_, own) in zip(states_out, states, strict=True):
            body.output(value, FLOAT, ["batch", own])
        body.output(drawn, INT64, ["batch"])
        _, *after, drawn_rest = graph.add_many(
            "Loop",
            trips,
            "",
            row,
            *(value for value, _ in states),
            names=["last_row", *("looped_state" for _ in states), "drawn_rest"],
            body=body.proto(),
        )
        return drawn_rest, after

    def _first(self, graph: Graph, logits: str) -> list[Value]:
        """Prepares a call, and draws its first token."""
        axis0 = graph.constant("axis0", [0])
        by_step = graph.add("Transpose", self._uniform, perm=[1, 0])
        masked = self._masked(graph, by_step, axis0)
        uniforms = graph.add("Unsqueeze", masked, graph.constant("axis2", [2]), name="uniforms")
        first = graph.add("Gather", uniforms, graph.constant("at0", 0), axis=0, name="first_row")
        end = graph.constant("end", [np.iinfo(np.int64).max])
        prepared = _Prepared(
            self._scale(graph),
            graph.add("Slice", uniforms, graph.constant("single", [1]), end, axis0, name="rest"),
            *self._filters(graph),
        )
        token = _draw(graph, logits, first, prepared)
        return [(token, INT64, ["batch"]), *_sized(prepared)]

    def _scale(self, graph: Graph) -> str:
        """One over the temperature, [batch, 1]."""
        # At temperature 0 the huge factor leaves weight to the largest logit only, and the
        # uniform 0 picks the first of several.
        over, greedy = graph.add("Reciprocal", self._temperature), graph.constant("greedy", _GREEDY)
        scale = graph.add("Min", over, greedy, name="scale")
        return graph.add("Unsqueeze", scale, graph.constant("axis1", [1]), name="scale_column")

    def _masked(self, graph: Graph, uniforms: str, axis: str) -> str:
        """Uniforms as they can be used, 0 at temperature 0; `axis`: theirs that is no stream."""
        zero = graph.constant("zero", 0.0)
        random = graph.add("Cast", graph.add("Greater", self._temperature, zero), to=FLOAT)
        clipped = graph.add("Clip", uniforms, zero, graph.constant("below_one", _BELOW_ONE))
        mask = graph.add("Unsqueeze", random, axis, name="random")
        return graph.add("Mul", clipped, mask, name="masked_uniform")

    def _no_draw(self, graph: Graph) -> list[Value]:
        """As `_first` where there is nothing to draw: values that nobody looks at."""
        token = graph.add("Cast", self._temperature, to=INT64, name="no_token")
        column = graph.constant("no_column", np.zeros((1, 1), np.float32))
        prepared = _Prepared(
            column, graph.constant("no_uniforms", np.zeros((0, 1, 1), np.float32)),
            *self._no_filters(graph),
        )  # fmt: skip
        return [(token, INT64, ["batch"]), *_sized(prepared)]

    def _filters(self, graph: Graph) -> list[str]:
        """The last five fields of `_Prepared`."""
        by_rank, by_share, filtered = self._filtering(graph)
        rows = graph.add("Cast", filtered, to=INT64)
        any_row = graph.add("Cast", graph.add("ReduceMax", rows, keepdims=0), to=BOOL)

        def some(body: Graph) -> list[Value]:
            return _sized(
                [any_row, *self._selection(body, by_rank, by_share, filtered)], _SHAPES[2:]
            )

        def none(body: Graph) -> list[Value]:
            return _sized(self._no_filters(body), _SHAPES[2:])

        return graph.branch(any_row, some, none)

    def _filtering(self, graph: Graph) -> tuple[str, str, str]:
        """Which rows filter by top-k, by top-p, and by any, bool [batch]."""
        by_rank = graph.add("Greater", self._top_k, graph.constant("no_limit", 0), name="by_rank")
        by_share = graph.add("Less", self._top_p, graph.constant("one", 1.0), name="by_share")
        return by_rank, by_share, graph.add("Or", by_rank, by_share, name="filtered")

    def _selection(self, graph: Graph, by_rank: str, by_share: str, filtered: str) -> list[str]:
        """The last four fields of `_Prepared`, with as many ranks as any row needs."""
        # A row without a filter needs none.
        one = graph.constant("one_rank", 1)
        needed = graph.add("Where", filtered, self._width(graph, by_rank), one, name="needed")
        axis0 = graph.constant("axis0", [0])
        select = graph.add("ReduceMax", needed, axis0, keepdims=1, name="select")
        return self._kept(graph, by_rank, by_share, filtered, select)

    def _kept(
        self, graph: Graph, by_rank: str, by_share: str, filtered: str, select: str
    ) -> list[str]:
        """The last four fields of `_Prepared`, where `select` tokens are ranked."""
        axis0, column = graph.constant("axis0", [0]), graph.constant("axis1", [1])
        ranks = graph.constant("ranks", np.arange(self._vocabulary)[None])
        ranks = graph.add("Slice", ranks, axis0, select, column, name="selected_ranks")
        width = graph.add("Unsqueeze", self._width(graph, by_rank), column)
        inside = graph.add("Less", ranks, width, name="inside")
        infinity = graph.constant("infinity", np.float32(np.inf))
        limit = graph.add("Where", by_share, self._top_p, infinity, name="limit")
        return [
            select,
            inside,
            graph.add("Unsqueeze", limit, column, name="limit_column"),
            graph.add("Unsqueeze", filtered, column, name="filtered_column"),
        ]

    def _width(self, graph: Graph, by_rank: str) -> str:
        """How many of the likeliest tokens top-k keeps, int64 [batch]."""
        size = graph.constant("vocabulary", self._vocabulary)
        k = graph.add("Min", self._top_k, size, name="k")
        return graph.add("Where", by_rank, k, size, name="width")

    @staticmethod
    def _no_filters(graph: Graph) -> list[str]:
        """The last five fields of `_Prepared` where no row filters."""
        no = graph.constant("no_filter", np.zeros((1, 1), np.bool_))
        return [
            graph.constant("no", np.bool_(False)),
            graph.constant("single", [1]),
            no,
            graph.constant("no_column", np.zeros((1, 1), np.float32)),
            no,
        ]


def _sized(
    values: Sequence[str], shapes: Sequence[tuple[int, Sequence[str | int]]] = _SHAPES
) -> list[Value]:
    return [(value, kind, dims) for value, (kind, dims) in zip(values, shapes, strict=True)]


def _draw(graph: Graph, logits: str, uniform: str, prepared: _Prepared) -> str:
    """Draws tokens [batch] from logits [batch, n] with uniforms [batch, 1], by inverse CDF."""
    axis, last = graph.constant("axis", 1), graph.constant("last", [-1])
    columns = graph.constant("axis1", [1])
    peak = graph.add("ReduceMax", logits, columns, keepdims=1, name="peak")
    weight = _weight(graph, logits, peak, prepared)

    def filtered(body: Graph) -> list[Value]:
        allowed = _allowed(body, logits, peak, prepared)
        return [(body.add("Mul", weight, allowed, name="allowed_weight"), FLOAT, ["batch", "n"])]

    def plain(body: Graph) -> list[Value]:
        del body
        return [(weight, FLOAT, ["batch", "n"])]

    if prepared.filters:
        (weight,) = graph.branch(prepared.filters, filtered, plain)
    else:
        ((weight, *_),) = filtered(graph)
    cumulative = graph.add("CumSum", weight, axis, name="cumulative")
    total = graph.add("Gather", cumulative, last, axis=1, name="total")
    target = graph.add("Mul", total, uniform, name="target")
    passed = graph.add("LessOrEqual", cumulative, target, name="passed")
    count = graph.add("Cast", passed, to=INT64)
    return graph.add("ReduceSum", count, columns, keepdims=0, name="token")


def _weight(graph: Graph, values: str, peak: str, prepared: _Prepared) -> str:
    """exp((values - peak) / temperature)"""
    below = graph.add("Sub", values, peak)
    return graph.add("Exp", graph.add("Mul", below, prepared.scale), name="weight")


def _allowed(graph: Graph, logits: str, peak: str, prepared: _Prepared) -> str:
    """Top-k and top-p: 1 for tokens that may be drawn, 0 for others, float32 [batch, n]."""
    axis, last = graph.constant("axis", 1), graph.constant("last", [-1])
    ranked, _ = graph.add_many(
        "TopK", logits, prepared.select, names=["ranked", "ranked_index"], axis=1
    )
    inside = graph.add("Cast", prepared.inside, to=FLOAT, name="inside_weight")
    weight = graph.add("Mul", _weight(graph, ranked, peak, prepared), inside, name="ranked_weight")
    reached = graph.add("CumSum", weight, axis, name="reached")
    total = graph.add("Gather", reached, last, axis=1, name="ranked_total")
    before = graph.add("Sub", reached, weight, name="before")
    short = graph.add("Less", before, graph.add("Mul", total, prepared.limit), name="short")
    kept = graph.add("And", short, prepared.inside, name="kept")
    value = graph.add("Where", kept, ranked, peak, name="kept_value")
    least = graph.add("ReduceMin", value, graph.constant("axis1", [1]), keepdims=1, name="least")
    lowest = graph.constant("lowest", np.float32(-np.inf))
    threshold = graph.add("Where", prepared.filtered, least, lowest, name="threshold")
    allowed = graph.add("GreaterOrEqual", logits, threshold, name="allowed")
    return graph.add("Cast", allowed, to=FLOAT, name="allowed_float")
