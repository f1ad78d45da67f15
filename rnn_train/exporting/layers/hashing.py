"""Hashes of n-grams as ONNX nodes; `NGramHash` is the same in torch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_train.exporting.graph import FLOAT, INT32, INT64, Graph
from rnn_train.exporting.layers.layer import as_numpy
from rnn_train.models.hashing import NGramHash


def entries_of_sequences(graph: Graph, hashed: NGramHash, run: str, vocabulary: int) -> str:
    """Add the table entries of whole sequences.

    Args:
        graph: gets the nodes.
        hashed: the tables.
        run: float32 codes [places + time, batch].
        vocabulary: the largest code.

    Returns:
        The entries [tables, time, batch].
    """
    words = int(hashed.prefix > 0)
    powers = powers_of(hashed, vocabulary)
    kind = INT32 if powers.dtype == np.int32 else INT64
    whole = graph.add("Cast", run, to=kind, name="whole_run")
    sums = _sums_of_ngrams(graph, hashed.places, whole, powers) if powers.size else ""
    if words:
        sums = _joined_words(graph, hashed, run, sums, kind)
        kind = INT64
    dtype = np.int32 if kind == INT32 else np.int64
    rows = _of_tables(graph, "rows", as_numpy(hashed.sizes).astype(dtype))
    # What a division by the number of rows leaves. (Mod is no operator of the format.)
    below = graph.add("Mul", graph.add("Div", sums, rows), rows)
    begins = _of_tables(graph, "table_begins", hashed.begins.cpu().numpy().astype(dtype))
    return graph.add("Add", graph.add("Sub", sums, below), begins, name="entries")


def powers_of(hashed: NGramHash, vocabulary: int) -> NDArray[Any]:
    """Return what a code counts in the hash of each n, [places, n-gram tables], newest first.

    The hash of n codes is their polynomial in the table's factor, reduced to the rows of the table.
    If the powers are reduced first, the sum stays small, and is reduced only once.
    """
    pairs = zip(hashed.rows, hashed.bases, strict=True)
    tables = list(enumerate(list(pairs)[int(hashed.prefix > 0) :], 2))
    longest = len(tables) + 1 if tables else 0
    powers = [
        [pow(base, place, rows) if place < n else 0 for n, (rows, base) in tables]
        for place in range(longest)
    ]
    largest = vocabulary * max(hashed.rows) * longest
    return np.array(powers, np.int32 if largest < 2**31 else np.int64)


def _of_tables(graph: Graph, hint: str, values: NDArray[Any]) -> str:
    return graph.constant(hint, values[:, None, None])


def _sums_of_ngrams(graph: Graph, places: int, whole: str, powers: NDArray[Any]) -> str:
    sums = ""
    for place, power in enumerate(powers):
        window = graph.slice(whole, places - place, -place or None, axis=0)
        term = graph.add("Mul", window, _of_tables(graph, "power", power))
        sums = graph.add("Add", sums, term) if sums else term
    return sums


def _joined_words(graph: Graph, hashed: NGramHash, run: str, sums: str, kind: int) -> str:
    """Add the polynomial of the word so far before those of the n-grams: int64.

    A space sets the sum so far to zero. It need not be reduced in between, see `MAX_PREFIX`.
    """
    space = graph.constant("space", np.float32(hashed.space))
    other = graph.add("Not", graph.add("Equal", run, space), name="no_space")
    inside = graph.add("Cast", other, to=INT64)
    codes = graph.add("Mul", graph.add("Cast", run, to=INT64), inside, name="codes_of_words")
    factors = graph.add("Mul", inside, graph.constant("factor", np.int64(hashed.bases[0])))
    word = ""
    for place in range(hashed.prefix - 1, -1, -1):
        begin, end = hashed.places - place, -place or None
        code = graph.slice(codes, begin, end, axis=0)
        if word:
            word = graph.add("Mul", word, graph.slice(factors, begin, end, axis=0))
        word = graph.add("Add", word, code, name="word") if word else code
    word = graph.add("Unsqueeze", word, graph.constant("axis0", [0]))
    if not sums:
        return word
    sums = graph.add("Cast", sums, to=INT64) if kind == INT32 else sums
    return graph.add("Concat", word, sums, axis=0, name="polynomials")


def entries_of_step(graph: Graph, hashed: NGramHash, windows: Sequence[str]) -> list[str]:
    """Add the table entries at one time, from codes in float32, for engines that know few operators
    of integers.

    Args:
        graph: gets the nodes.
        hashed: the tables.
        windows: for each place, newest first, the codes [1, batch].

    Returns:
        For each table, the entries [1, batch].
    """
    rows = _of_tables(graph, "rows", as_numpy(hashed.sizes))
    factors = _of_tables(graph, "factors", as_numpy(hashed.factors))
    row = ""
    for window, reach in reversed(list(zip(windows, as_numpy(hashed.reach), strict=True))):
        code = graph.add("Mul", window, _of_tables(graph, "reach", reach))
        row = graph.add("Add", graph.add("Mul", row, factors), code) if row else code
        if hashed.prefix:
            row = graph.add("Mul", row, _inside_words(graph, hashed, window))
        times = graph.add("Cast", graph.add("Div", row, rows), to=INT32)
        whole = graph.add("Mul", graph.add("Cast", times, to=FLOAT), rows)
        row = graph.add("Sub", row, whole)
    begins = _of_tables(graph, "table_begins", hashed.begins.cpu().numpy().astype(np.int32))
    entries = graph.add("Add", graph.add("Cast", row, to=INT32), begins, name="entries")
    return [
        graph.add("Gather", entries, graph.constant("table", place), axis=0, name="entry")
        for place in range(len(hashed.rows))
    ]


def _inside_words(graph: Graph, hashed: NGramHash, window: str) -> str:
    """Add what a code [1, batch] leaves of the sums so far, [tables, 1, batch]: 0 for the word so
    far, if it is the space, else 1."""
    space = graph.constant("space", np.float32(hashed.space))
    one = graph.constant("one", np.float32(1))
    other = graph.add("Min", graph.add("Abs", graph.add("Sub", window, space)), one)
    return graph.add("Max", other, _of_tables(graph, "over_spaces", as_numpy(hashed.over_spaces)))
