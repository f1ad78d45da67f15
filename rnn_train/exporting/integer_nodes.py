"""Integers of 8 bits as ONNX nodes: the inputs of a product, the product, and an index in bits."""

import numpy as np
from numpy.typing import NDArray

from rnn_train.exporting.graph import BOOL, INT32, UINT8, Graph
from rnn_train.exporting.quantization import INPUT_STEP, MIDDLE


def integer_product(graph: Graph, whole: str, integers: str) -> str:
    """Add uint8 [n, in] around MIDDLE times int8 [in, out]: int32 [n, out].

    Signed weights with unsigned inputs are the one pair of types that is fast on every processor.
    Signed times signed runs as plain C++ on some.
    """
    middle = graph.constant("middle", MIDDLE)
    return graph.add("MatMulInteger", whole, integers, middle, name="product")


def bounded_integers(graph: Graph, x: str, width: int | None = None) -> str:
    """Add x in [-1, 1] as uint8 around MIDDLE, with steps of INPUT_STEP.

    With a `width`, x is [time, batch, width] and the result [time · batch, width]. The Reshape
    follows the QuantizeLinear: before it, onnxruntime would put a DequantizeLinear between the
    two, which one of its providers computes wrongly (microsoft/onnxruntime issue 32578).
    """
    step, middle = graph.constant("bounded_step", INPUT_STEP), graph.constant("middle", MIDDLE)
    whole = graph.add("QuantizeLinear", x, step, middle, name="whole")
    return whole if width is None else graph.rows(whole, width)


def integers_of_rows(graph: Graph, x: str) -> tuple[str, str]:
    """Add x [n, in] as uint8 around MIDDLE, and the step of each row [n, 1]."""
    columns = graph.constant("axis1", [1])
    largest = graph.add("ReduceMax", graph.add("Abs", x), columns, keepdims=1, name="largest")
    step = graph.add("Mul", largest, graph.constant("bounded_step", INPUT_STEP))
    step = graph.add("Max", step, graph.constant("tiny", np.float32(1e-30)), name="row_step")
    steps = graph.add("Round", graph.add("Div", x, step))
    shifted = graph.add("Add", steps, graph.constant("middle_float", np.float32(MIDDLE)))
    return graph.add("Cast", shifted, to=UINT8, name="whole"), step


def index_of_bits(graph: Graph, name: str, packed: NDArray[np.uint8], others: int) -> str:
    """Add the rows of entries, int32 [entries], from a bit for each in the file.

    An engine computes constants when it loads a file, so no call is slower.

    Args:
        graph: its main graph gets the nodes.
        name: of the rows.
        packed: see `pack_index`.
        others: the row of entries that have none of their own.
    """
    root = graph.root
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.int32)
    places = root.add("Cast", root.constant(f"{name}.bits", packed), to=INT32)
    own = root.add("Gather", root.constant("bits_of_bytes", bits), places, axis=0)
    own = root.add("Reshape", own, root.constant("flat", [-1]), name="has_own_row")
    rows = root.add("CumSum", own, root.constant("at0", 0), exclusive=1, name="rows_so_far")
    shared = root.constant(f"{name}.others", np.int32(others))
    return root.add("Where", root.add("Cast", own, to=BOOL), rows, shared, name=name)
