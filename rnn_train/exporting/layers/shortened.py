"""The last layers of a classifier: at all times, or at the end alone, as the tokens ask for it.

`rnn_infer/contract.py` tells how they ask ("Fewer logits"). The answer to a text needs the logits
of its last token alone, and the pool and the head take most of the time of a network with many
labels.
"""

from collections.abc import Sequence
from dataclasses import replace

from rnn_train.exporting.graph import FLOAT, INT64, Dims, Graph, Value
from rnn_train.exporting.layers.layer import Layer
from rnn_train.exporting.layers.parts import Part, Parts, beside, units
from rnn_train.exporting.layers.pool import PoolLayer


def pooled_top(layers: Sequence[Layer]) -> tuple[Layer, PoolLayer] | None:
    """Return a pool at the top and the layer below it, or None."""
    if len(layers) > 1 and isinstance(layers[-1], PoolLayer):
        return layers[-2], layers[-1]
    return None


def shortened(
    graph: Graph,
    top: tuple[Layer, PoolLayer] | None,
    x: Parts,
    tokens: str,
    sizes: str,
    states: Sequence[str],
) -> tuple[Parts, list[str]]:
    """Add the last layers.

    Args:
        graph: gets the nodes.
        top: the last layers, as `pooled_top` returns them. None: x is the output already.
        x: their input, at all times.
        tokens: int64 [time, batch].
        sizes: int64 [2], time and batch.
        states: of these layers.

    Returns:
        Their output, one part: [time, batch, width], or [1, batch, width] at the end, or
        [1, 1, width]; and the states after.
    """
    # In the main graph: onnxruntime does not prepack the weights of a Scan inside an If, and
    # without that a row differs from its batch in the last bits.
    run = None if top is None else top[1].run(graph, top[0], x, sizes, states)
    shape: list[Part] = []

    def value(parts: Parts, output: str, dims: Dims) -> list[Value]:
        shape[:] = [Part(sum(part.width for part in parts), "", *units(parts))]
        return [(output, FLOAT, [*dims, shape[0].width])]

    def at_end(body: Graph) -> list[Value]:
        parts = x if run is None else run.at_end(body)
        last = _values(body, parts)
        last = last if run else body.slice(last, -1, None, axis=0)
        begin, axis = body.constant("bound", [0]), body.constant("axis1", [1])
        last = body.add("Slice", last, begin, _rows_asked(body, tokens, sizes), axis, name="asked")
        return value(parts, last, [1, "rows"])

    def at_all_times(body: Graph) -> list[Value]:
        parts = x if run is None else run.at_all_times(body)
        return value(parts, _values(body, parts), ["time", "batch"])

    (output,) = graph.branch(_asks_for_less(graph, tokens), at_end, at_all_times)
    return [replace(shape[0], value=output)], [] if run is None else run.after


def _values(graph: Graph, parts: Parts) -> str:
    return beside(graph, [part.as_is(graph) for part in parts])


def _asks_for_less(graph: Graph, tokens: str) -> str:
    """Add whether the first token is shifted: bool []."""
    first = graph.constant("first_index", 0)
    row = graph.add("Gather", tokens, first, axis=0, name="first_tokens")
    return graph.add("Less", graph.add("Gather", row, first, axis=0), first, name="short")


def _rows_asked(graph: Graph, tokens: str, sizes: str) -> str:
    """Add how many rows get logits: the first if the last token is shifted, else all. int64 [1]."""
    row = graph.add("Gather", tokens, graph.constant("last_index", -1), axis=0, name="last_tokens")
    zero = graph.constant("bound", [0])
    wanted = graph.add("GreaterOrEqual", graph.slice(row, 0, 1, axis=0), zero)
    batch = graph.slice(sizes, 1, 2, axis=0)
    rows = graph.add("Mul", graph.add("Cast", wanted, to=INT64), batch)
    return graph.add("Max", rows, graph.constant("single", [1]), name="rows_asked")
