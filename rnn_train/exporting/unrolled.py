"""A fixed number of steps without control flow, so that a CUDA graph can capture them.

Each step reads its given token, or the token drawn at the step before (`contract.DRAWN`). Steps
at the end may be left out (`contract.NO_STEP`); the states are then those before them.
"""

from collections.abc import Sequence

from rnn_infer import contract
from rnn_train.exporting.graph import INT64, Graph
from rnn_train.exporting.network import Network
from rnn_train.exporting.sampling import SamplingInputs, draw


def unroll(
    graph: Graph,
    network: Network,
    sampling: SamplingInputs | None,
    tokens: str,
    states: Sequence[str],
    steps: int,
) -> tuple[str, list[str], str]:
    """Add `steps` steps, one after another.

    Args:
        graph: the main graph, capturable.
        network: adds its steps.
        sampling: the inputs of the draws. None: the file draws nothing.
        tokens: int64 [batch, steps].
        states: before the first step, each [batch, width].
        steps: how many.

    Returns:
        The logits [batch, steps, n], the states after the last step that was taken, and the
        tokens drawn, int64 [batch, steps] (empty if the file draws nothing).
    """
    axis1 = graph.constant("axis1", [1])
    if sampling:
        scale, masked = sampling.scale(graph), sampling.masked(graph, sampling.uniform, axis1)
        uniforms = graph.columns(masked, steps, "uniform_now")
        filters = sampling.filters.prepare_without_if(graph, rank_all=True)
    logits: list[str] = []
    drawn: list[str] = []
    reached: list[Sequence[str]] = []
    for place, column in enumerate(graph.columns(tokens, steps, "token_column")):
        token = graph.add("Squeeze", column, axis1, name="token_read")
        if drawn:
            none = graph.constant("no_token", 0)
            token = graph.add("Where", graph.add("Less", token, none), drawn[-1], token)
        value, states = network.step(graph, network.look_up(graph, token), states)
        reached.append(states)
        logits.append(value)
        if sampling:
            drawn.append(draw(graph, value, uniforms[place], scale, filters))
    generated = _side_by_side(graph, drawn) if drawn else ""
    return _side_by_side(graph, logits), _last_reached(graph, tokens, reached), generated


def _side_by_side(graph: Graph, values: Sequence[str]) -> str:
    """Add values [batch, …] of all steps → [batch, steps, …]."""
    axis1 = graph.constant("axis1", [1])
    columns = [graph.add("Unsqueeze", value, axis1) for value in values]
    return graph.add("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]


def _last_reached(graph: Graph, tokens: str, states: Sequence[Sequence[str]]) -> list[str]:
    """Add the states after the last step that was taken, chosen from the states of each step."""
    if len(states) == 1:
        return list(states[0])
    axis0, axis1 = graph.constant("axis0", [0]), graph.constant("axis1", [1])
    bound = graph.constant("no_step", contract.NO_STEP)
    taken = graph.add("Cast", graph.add("Greater", tokens, bound), to=INT64, name="taken")
    count = graph.add("ReduceSum", taken, axis1, keepdims=0, name="steps_taken")
    # One number [1], not [] without axes: some engines know no tensors without axes.
    count = graph.add("ReduceMax", count, axis0, keepdims=1)
    last = graph.add("Sub", count, graph.constant("single", [1]), name="last_step")
    picked = []
    for by_step in zip(*states, strict=True):  # one state tensor, at all steps
        rows = [graph.add("Unsqueeze", each, axis0) for each in by_step]
        every = graph.add("Concat", *rows, axis=0, name="state_by_step")
        reached = graph.add("Gather", every, last, axis=0)
        picked.append(graph.add("Squeeze", reached, axis0, name="state_reached"))
    return picked
