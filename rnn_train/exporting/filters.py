"""Top-k and top-p as ONNX nodes: which tokens a row may draw.

Both filters keep the tokens whose logit is at least the least kept logit, which is found among
the ranked logits (top-p: Holtzman et al., 2020, "The curious case of neural text degeneration").
What does not depend on the logits is prepared once a call (`prepare…`), and used by each draw
(`allowed`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnn_train.exporting.graph import BOOL, FLOAT, INT64, Dims, Graph, Value


class Filters(NamedTuple):
    """What all draws of a call share about top-k and top-p."""

    active: str
    """Whether any row filters, bool []. False: the other values have no meaning.
    Empty: every draw filters, and rows without a filter keep all tokens."""
    select: str
    """How many tokens to rank, int64 [1]."""
    inside: str
    """Which ranks top-k keeps, bool [batch, ranked]."""
    limit: str
    """The share of the kept weight that top-p keeps, float32 [batch, 1]."""
    filtered: str
    """Which rows filter, bool [batch, 1]."""


Shapes = Sequence[tuple[int, Dims]]
"""Element types and shapes of some values."""
SHAPES: Shapes = (
    (BOOL, []),
    (INT64, [1]),
    (BOOL, ["batch", "ranked"]),
    (FLOAT, ["batch", 1]),
    (BOOL, ["batch", 1]),
)
"""Of the fields of `Filters`."""
UNUSED_SHAPES: Shapes = ((BOOL, []), (INT64, [1]), (BOOL, [1, 1]), (FLOAT, [1, 1]), (BOOL, [1, 1]))
"""Of what `no_filters` adds."""


class FilterOptions:
    """The inputs top_k and top_p of a file, and the nodes that prepare filters from them."""

    def __init__(self, top_k: str, top_p: str, vocabulary: int) -> None:
        """Take the options of a call.

        Args:
            top_k: int64 [batch]; 0: off.
            top_p: float32 [batch]; 1: off.
            vocabulary: number of tokens.
        """
        self.top_k, self._top_p = top_k, top_p
        self._vocabulary = vocabulary

    def prepare(self, graph: Graph) -> Filters:
        """Add the filters of a call inside an If: without a filter, a call ranks nothing."""
        by_rank, by_share, filtered = self._rows(graph)
        rows = graph.add("Cast", filtered, to=INT64)
        active = graph.add("Cast", graph.add("ReduceMax", rows, keepdims=0), to=BOOL)

        def some(body: Graph) -> list[Value]:
            select = self._most_ranks(body, by_rank, filtered)
            return typed(Filters(active, *self._kept(body, by_rank, by_share, filtered, select)))

        def none(body: Graph) -> list[Value]:
            return typed(no_filters(body), UNUSED_SHAPES)

        return Filters(*graph.branch(active, some, none))

    def prepare_without_if(self, graph: Graph, rank_all: bool) -> Filters:
        """Add the filters of a call without an If: every draw ranks tokens.

        Args:
            graph: gets the nodes.
            rank_all: rank all tokens, so that the sizes are fixed. False: only as many as needed.
        """
        by_rank, by_share, filtered = self._rows(graph)
        if rank_all:
            select = graph.constant("everything", [self._vocabulary])
        else:
            select = self._most_ranks(graph, by_rank, filtered)
        return Filters("", *self._kept(graph, by_rank, by_share, filtered, select))

    def _rows(self, graph: Graph) -> tuple[str, str, str]:
        """Add which rows filter by top-k, by top-p, and by any of them, bool [batch]."""
        by_rank = graph.add("Greater", self.top_k, graph.constant("no_limit", 0), name="by_rank")
        by_share = graph.add("Less", self._top_p, graph.constant("one", 1.0), name="by_share")
        return by_rank, by_share, graph.add("Or", by_rank, by_share, name="filtered")

    def _most_ranks(self, graph: Graph, by_rank: str, filtered: str) -> str:
        """Add how many tokens any row needs ranked, int64 [1]. A row without a filter needs 1."""
        one = graph.constant("one_rank", 1)
        needed = graph.add("Where", filtered, self._width(graph, by_rank), one, name="needed")
        axis0 = graph.constant("axis0", [0])
        return graph.add("ReduceMax", needed, axis0, keepdims=1, name="select")

    def _kept(
        self, graph: Graph, by_rank: str, by_share: str, filtered: str, select: str
    ) -> list[str]:
        """Add the fields of `Filters` from `select` on."""
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
        """Add how many of the most likely tokens top-k keeps, int64 [batch]."""
        size = graph.constant("vocabulary", self._vocabulary)
        k = graph.add("Min", self.top_k, size, name="k")
        return graph.add("Where", by_rank, k, size, name="width")


def no_filters(graph: Graph) -> Filters:
    """Add the filters of a call in which no row filters."""
    no = graph.constant("no_filter", np.zeros((1, 1), np.bool_))
    return Filters(
        active=graph.constant("no", np.bool_(False)),
        select=graph.constant("single", [1]),
        inside=no,
        limit=graph.constant("no_column", np.zeros((1, 1), np.float32)),
        filtered=no,
    )


def typed(values: Sequence[str], shapes: Shapes = SHAPES) -> list[Value]:
    """Return values with their types and shapes, as an If needs them."""
    return [(value, kind, dims) for value, (kind, dims) in zip(values, shapes, strict=True)]


def allowed(graph: Graph, logits: str, peak: str, scale: str, filters: Filters) -> str:
    """Add which tokens may be drawn.

    Args:
        graph: gets the nodes.
        logits: float32 [batch, n].
        peak: the largest logit of each row, float32 [batch, 1].
        scale: one over the temperature, float32 [batch, 1].
        filters: of the call.

    Returns:
        1 for an allowed token, 0 for any other, float32 [batch, n].
    """
    axis, last = graph.constant("axis", 1), graph.constant("last", [-1])
    ranked, _ = graph.add_many(
        "TopK", logits, filters.select, names=["ranked", "ranked_index"], axis=1
    )
    inside = graph.add("Cast", filters.inside, to=FLOAT, name="inside_weight")
    weight = graph.add("Mul", weights(graph, ranked, peak, scale), inside, name="ranked_weight")
    reached = graph.add("CumSum", weight, axis, name="reached")
    total = graph.add("Gather", reached, last, axis=1, name="ranked_total")
    before = graph.add("Sub", reached, weight, name="before")
    short = graph.add("Less", before, graph.add("Mul", total, filters.limit), name="short")
    kept = graph.add("And", short, filters.inside, name="kept")
    value = graph.add("Where", kept, ranked, peak, name="kept_value")
    least = graph.add("ReduceMin", value, graph.constant("axis1", [1]), keepdims=1, name="least")
    lowest = graph.constant("lowest", np.float32(-np.inf))
    threshold = graph.add("Where", filters.filtered, least, lowest, name="threshold")
    is_allowed = graph.add("GreaterOrEqual", logits, threshold, name="allowed")
    return graph.add("Cast", is_allowed, to=FLOAT, name="allowed_float")


def weights(graph: Graph, logits: str, peak: str, scale: str) -> str:
    """Add exp((logits - peak) · scale): probabilities before they are divided by their sum."""
    below = graph.add("Sub", logits, peak)
    return graph.add("Exp", graph.add("Mul", below, scale), name="weight")
