"""Hashes of n-grams as ONNX nodes; `NGramHash` is the same in torch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_train.exporting.graph import FLOAT, INT32, Graph
from rnn_train.exporting.layers.layer import as_numpy
from rnn_train.models.hashing import NGramHash

_INT32 = 2**31
"""What a whole number must stay below."""


def entries_of_sequences(graph: Graph, hashed: NGramHash, run: str, vocabulary: int) -> str:
    """Add the table entries of whole sequences, in int32: some engines compute int64 in it.

    Args:
        graph: gets the nodes.
        hashed: the tables.
        run: float32 codes [places + time, batch].
        vocabulary: the largest code.

    Returns:
        The entries [tables, time, batch].
    """
    whole = graph.add("Cast", run, to=INT32, name="whole_run")
    powers = powers_of(hashed)
    largest = vocabulary * max(hashed.rows) * len(powers)
    sums = []
    if hashed.prefix:
        sums.append(_sums_of_words(graph, hashed, run, whole, vocabulary))
    if powers.size and largest < _INT32:
        sums.append(_sums_of_ngrams(graph, hashed.places, whole, powers))
    elif powers.size:
        sums.append(_reduced_ngrams(graph, hashed, whole))
    joined = graph.add("Concat", *sums, axis=0, name="polynomials") if sums[1:] else sums[0]
    rows = _whole_of_tables(graph, "rows", hashed.rows)
    begins = _whole_of_tables(graph, "table_begins", hashed.begins.tolist())
    return graph.add("Add", _remainder(graph, joined, rows), begins, name="entries")


def powers_of(hashed: NGramHash) -> NDArray[np.int32]:
    """Return what a code counts in the hash of each n, [places, n-gram tables], newest first.

    The hash of n codes is their polynomial in the table's factor, reduced to the rows of the table.
    If the powers are reduced first, the sum stays small, and is reduced only once.
    """
    tables = list(enumerate(_ngram_tables(hashed), 2))
    longest = len(tables) + 1 if tables else 0
    powers = [
        [pow(base, place, rows) if place < n else 0 for n, (rows, base) in tables]
        for place in range(longest)
    ]
    return np.array(powers, np.int32)


def _ngram_tables(hashed: NGramHash) -> list[tuple[int, int]]:
    """Return rows and base of the table of each n."""
    return list(zip(hashed.rows, hashed.bases, strict=True))[int(hashed.prefix > 0) :]


def _of_tables(graph: Graph, hint: str, values: NDArray[Any]) -> str:
    return graph.constant(hint, values[:, None, None])


def _whole_of_tables(graph: Graph, hint: str, values: Sequence[int]) -> str:
    return _of_tables(graph, hint, np.array(values, np.int32))


def _remainder(graph: Graph, sums: str, rows: str) -> str:
    """Add what a division by numbers of rows leaves. (Mod is no operator of the format.)"""
    return graph.add("Sub", sums, graph.add("Mul", graph.add("Div", sums, rows), rows))


def _sums_of_ngrams(graph: Graph, places: int, whole: str, powers: NDArray[np.int32]) -> str:
    """Add the polynomials of the n-grams, [n-gram tables, time, batch]."""
    sums = ""
    for place, power in enumerate(powers):
        window = graph.slice(whole, places - place, -place or None, axis=0)
        term = graph.add("Mul", window, _of_tables(graph, "power", power))
        sums = graph.add("Add", sums, term) if sums else term
    return sums


def _reduced_ngrams(graph: Graph, hashed: NGramHash, whole: str) -> str:
    """Add what `_sums_of_ngrams` does, reduced after each code: for a large vocabulary."""
    tables = _ngram_tables(hashed)
    rows, factors = (
        _whole_of_tables(graph, hint, values)
        for hint, values in zip(("rows", "factors"), zip(*tables, strict=True), strict=True)
    )
    sums = ""
    for place in range(len(tables), -1, -1):
        reach = [int(place < n) for n in range(2, len(tables) + 2)]
        window = graph.slice(whole, hashed.places - place, -place or None, axis=0)
        code = graph.add("Mul", window, _whole_of_tables(graph, "reach", reach))
        if sums:
            code = graph.add("Add", graph.add("Mul", sums, factors), code)
        sums = _remainder(graph, code, rows)
    return sums


def _sums_of_words(graph: Graph, hashed: NGramHash, run: str, whole: str, vocabulary: int) -> str:
    """Add the polynomial of the word so far, [1, time, batch]. A space sets it to zero."""
    space = graph.constant("space", np.float32(hashed.space))
    other = graph.add("Not", graph.add("Equal", run, space), name="no_space")
    inside = graph.add("Cast", other, to=INT32)
    codes = graph.add("Mul", whole, inside, name="codes_of_words")
    rows, base = hashed.rows[0], hashed.bases[0]
    factors = graph.add("Mul", inside, graph.constant("factor", np.int32(base)))
    word, below = "", 1
    for place in range(hashed.prefix - 1, -1, -1):
        begin, end = hashed.places - place, -place or None
        code = graph.slice(codes, begin, end, axis=0)
        if below * base + vocabulary > _INT32:
            word = _remainder(graph, word, graph.constant("word_rows", np.int32(rows)))
            below = rows
        if word:
            word = graph.add("Mul", word, graph.slice(factors, begin, end, axis=0))
        word = graph.add("Add", word, code, name="word") if word else code
        below = below * base + vocabulary
    return graph.add("Unsqueeze", word, graph.constant("axis0", [0]))


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
