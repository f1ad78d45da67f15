"""Text generation in the graph: a Loop that draws a token and feeds it to the network.

Work that a call does not need costs it almost nothing: an If skips all draws in a call that only
reads, and other Ifs rank the vocabulary only if some row filters by top-k or top-p. A small network
has a Loop without that If beside one for calls that filter. No If holds weights, and a Loop stands
outside them: onnxruntime prepacks weights for a body of the main graph, but not for a body that
lies deeper.

Some engines do not run an If. For them the same draws can be added without one: each call then
draws at least once, and each draw ranks at least one token.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnn_train.exporting import filters
from rnn_train.exporting.filters import Filters, no_filters
from rnn_train.exporting.graph import BOOL, FLOAT, INT64, Dims, Graph, Value
from rnn_train.exporting.network import Network
from rnn_train.exporting.sampling import SamplingInputs, draw

_REST: tuple[int, Dims] = (FLOAT, ["rest", "batch", 1])
_COLUMN: tuple[int, Dims] = (FLOAT, ["batch", 1])
_TOKEN: tuple[int, Dims] = (INT64, ["batch"])
MOST_TWICE = 2**20
"""The most weights of recurrent layers that a file multiplies in two Loops."""


class Prepared(NamedTuple):
    """What the draws of a call share."""

    scale: str
    """One over the temperature, float32 [batch, 1]."""
    uniforms: str
    """The uniforms of all draws but the first, float32 [steps - 1, batch, 1]."""
    filters: Filters


def generate(
    graph: Graph,
    network: Network,
    sampling: SamplingInputs,
    logits: str,
    states: Sequence[str],
    *,
    without_if: bool = False,
) -> tuple[str, list[str]]:
    """Add nodes that draw one token for each uniform.

    The first token is drawn from the given logits. Each further turn feeds the token before it to
    the network and draws the next one. So the network reads all tokens but the last.

    Args:
        graph: the main graph.
        network: adds its steps.
        sampling: the inputs of the draws.
        logits: after all given tokens, float32 [batch, n].
        states: after all given tokens, each [batch, width].
        without_if: leave out the If nodes.

    Returns:
        The tokens, int64 [batch, steps], and the states after the last token that was read.
    """
    zero, axis0 = graph.constant("first", [0]), graph.constant("axis0", [0])
    steps = graph.add("Shape", sampling.uniform, start=1, end=2, name="steps")
    if without_if:
        token, prepared = _first_draw(graph, sampling, logits, without_if=True)
    else:
        draws = graph.add("Squeeze", graph.add("Cast", steps, to=BOOL), axis0, name="draws")
        token, scale, uniforms, *kept = graph.branch(
            draws,
            lambda body: _typed(*_first_draw(body, sampling, logits)),
            lambda body: _no_draw(body, sampling),
        )
        prepared = Prepared(scale, uniforms, Filters(*kept))
    one = graph.constant("single", [1])
    rest = graph.add("Max", graph.add("Sub", steps, one), zero, name="rest")
    batch = graph.add("Shape", token, name="batch")
    row = network.look_up(graph, token)
    drawn = [graph.add("Unsqueeze", token, axis0, name="first_token")]
    for turns, chosen in _turns(graph, network, rest, prepared.filters):
        trips = graph.add("Squeeze", turns, axis0, name="trips")
        tokens, row, states = _loop(graph, network, trips, row, states, prepared, chosen)
        # After zero trips the Loop does not know the batch size. The Reshape gives it.
        shape = graph.add("Concat", turns, batch, axis=0, name="rest_shape")
        drawn.append(graph.add("Reshape", tokens, shape, allowzero=1, name="rest_tokens"))
    drawn_all = graph.add("Concat", *drawn, axis=0, name="all_tokens")
    cut = graph.add("Slice", drawn_all, zero, steps, axis0, name="cut_tokens")
    return graph.add("Transpose", cut, perm=[1, 0], name="tokens_by_stream"), list(states)


def _turns(
    graph: Graph, network: Network, rest: str, chosen: Filters
) -> list[tuple[str, Filters | None]]:
    """Return the Loops of a call: how many turns each takes, int64 [1], and its filters.

    An If takes a good part of a small network's turn. So such a file has a Loop for calls without a
    filter and one for the others, and only one of them takes turns. onnxruntime keeps a copy of the
    weights for each Loop, so a large network has one Loop with the If.
    """
    if not chosen.active or network.weights > MOST_TWICE:
        return [(rest, chosen)]
    active = graph.add("Cast", chosen.active, to=INT64)
    filtered = graph.add("Mul", active, rest, name="filtered_turns")
    plain = graph.add("Sub", rest, filtered, name="plain_turns")
    return [(plain, None), (filtered, chosen._replace(active=""))]


def _first_draw(
    graph: Graph, sampling: SamplingInputs, logits: str, without_if: bool = False
) -> tuple[str, Prepared]:
    """Prepare a call, and draw its first token, int64 [batch]."""
    axis0 = graph.constant("axis0", [0])
    # Without an If, a call that draws nothing comes here too: it reads the added zero.
    given = sampling.padded(graph) if without_if else sampling.uniform
    by_step = graph.add("Transpose", given, perm=[1, 0])
    masked = sampling.masked(graph, by_step, axis0)
    uniforms = graph.add("Unsqueeze", masked, graph.constant("axis2", [2]), name="uniforms")
    first = graph.add("Gather", uniforms, graph.constant("at0", 0), axis=0, name="first_row")
    end = graph.constant("end", [np.iinfo(np.int64).max])
    prepared = Prepared(
        sampling.scale(graph),
        graph.add("Slice", uniforms, graph.constant("single", [1]), end, axis0, name="rest"),
        sampling.filters.prepare_without_if(graph, rank_all=False)
        if without_if
        else sampling.filters.prepare(graph),
    )
    return draw(graph, logits, first, prepared.scale, prepared.filters), prepared


def _no_draw(graph: Graph, sampling: SamplingInputs) -> list[Value]:
    """Return values of the types of `_first_draw`, for a call without draws. Nothing reads them."""
    token = graph.add("Cast", sampling.temperature, to=INT64, name="no_token")
    column = graph.constant("no_column", np.zeros((1, 1), np.float32))
    uniforms = graph.constant("no_uniforms", np.zeros((0, 1, 1), np.float32))
    return filters.typed(
        [token, column, uniforms, *no_filters(graph)],
        [_TOKEN, (FLOAT, [1, 1]), (FLOAT, [0, 1, 1]), *filters.UNUSED_SHAPES],
    )


def _typed(token: str, prepared: Prepared) -> list[Value]:
    return filters.typed(
        [token, prepared.scale, prepared.uniforms, *prepared.filters],
        [_TOKEN, _COLUMN, _REST, *filters.SHAPES],
    )


def _loop(
    graph: Graph,
    network: Network,
    trips: str,
    row: str,
    states: Sequence[str],
    prepared: Prepared,
    chosen: Filters | None,
) -> tuple[str, str, list[str]]:
    """Add the Loop: each turn feeds the token drawn before it, and draws the next one.

    Returns:
        The tokens of all turns, int64 [trips, batch], and what the last turn leaves: the row of
        its token, and the states.
    """
    # The Loop carries the looked-up row, and gives out the token. If it carried the token too,
    # each turn would need a node that copies it.
    widths = list(network.states.values())
    body = graph.subgraph("feed_and_draw")
    turn = body.input("turn", INT64, [])
    go_on = body.input("go_on", BOOL, [])
    row_in = body.input("row_in", FLOAT, ["batch", network.row_width])
    states_in = [
        body.input(f"state_in{i}", FLOAT, ["batch", width]) for i, width in enumerate(widths)
    ]
    logits, states_out = network.step(body, row_in, states_in)
    uniform = body.add("Gather", prepared.uniforms, turn, axis=0, name="uniform_now")
    drawn = draw(body, logits, uniform, prepared.scale, chosen)
    # As an input and an output of one name, it stops OpenVINO.
    body.output(go_on, BOOL, [], name=body.fresh("go_on_next"))
    body.output(network.look_up(body, drawn), FLOAT, ["batch", network.row_width])
    for value, width in zip(states_out, widths, strict=True):
        body.output(value, FLOAT, ["batch", width])
    body.output(drawn, INT64, ["batch"])
    row, *after, drawn_rest = graph.add_many(
        "Loop",
        trips,
        graph.constant("always", np.bool_(True)),  # some engines take a missing one as false
        row,
        *states,
        names=["last_row", *("looped_state" for _ in states), "drawn_rest"],
        body=body.proto(),
    )
    return drawn_rest, row, after
