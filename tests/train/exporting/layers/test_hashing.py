"""Hashes of n-grams as ONNX nodes, against those in torch."""

import numpy as np
import pytest
import torch

from rnn_infer import contract
from rnn_train.exporting.graph import FLOAT, INT32, Graph
from rnn_train.exporting.layers.hashing import entries_of_sequences, entries_of_step
from rnn_train.models.hashing import MAX_ROWS, NGramHash
from tests.train.exporting.examples import run

BATCH, TIME, SPACE = 3, 9, 2
SHAPES = {
    "n-grams": ((31, 97), 0, 5),
    "word so far": ((MAX_ROWS, 31, 97), 8, 5),
    "word so far, shorter than an n-gram": ((64, 31, 97, 2**16), 2, 5),
    "word so far alone": ((2**16,), 8, 5),
    "word so far, many codes": ((MAX_ROWS,), 8, 5_000),
    "n-grams, many codes": ((8191, 2**15 - 1, MAX_ROWS), 0, 5_000),
    "word so far in a small table": ((64, 31), 8, contract.MAX_VOCABULARY),
    "largest vocabulary": ((MAX_ROWS, 8192, MAX_ROWS), 8, contract.MAX_VOCABULARY),
}
cases = pytest.mark.parametrize(("rows", "prefix", "vocabulary"), SHAPES.values(), ids=SHAPES)


def codes_of(hashed: NGramHash, vocabulary: int) -> torch.Tensor:
    """Make codes [batch, places + time], with spaces and the largest code."""
    torch.manual_seed(1)
    codes = torch.randint(0, vocabulary + 1, (BATCH, hashed.places + TIME)).float()
    codes[torch.rand(codes.shape) < 0.2] = SPACE
    codes[0] = vocabulary
    return codes


@cases
def test_sequences(rows: tuple[int, ...], prefix: int, vocabulary: int) -> None:
    """All numbers are int32: a sum that did not fit would have another remainder."""
    hashed, graph = NGramHash(rows, prefix, SPACE), Graph("g")
    codes = codes_of(hashed, vocabulary)
    given = graph.input("codes", FLOAT, ["time", "batch"])
    found = entries_of_sequences(graph, hashed, given, vocabulary)
    graph.output(found, INT32, [len(rows), "time", "batch"])
    (entries,) = run(graph, codes=codes.T.contiguous().numpy())
    expected = torch.stack(hashed.of_sequences(codes)).transpose(1, 2)
    np.testing.assert_array_equal(entries, expected.numpy())


@cases
def test_steps(rows: tuple[int, ...], prefix: int, vocabulary: int) -> None:
    hashed, graph = NGramHash(rows, prefix, SPACE), Graph("g")
    codes = codes_of(hashed, vocabulary)[:, : hashed.places]
    places = [graph.input(f"place{each}", FLOAT, [1, "batch"]) for each in range(hashed.places)]
    for entry in entries_of_step(graph, hashed, places):
        graph.output(entry, INT32, [1, "batch"])
    newest_first = {
        f"place{place}": codes[None, :, place].contiguous().numpy()
        for place in range(hashed.places)
    }
    found = run(graph, **newest_first)
    np.testing.assert_array_equal(np.concatenate(found), hashed.of_codes(codes).numpy())
