"""Look-ups of n-grams, against their cell in torch."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rnn_infer import contract
from rnn_train.exporting.graph import FLOAT, INT64, Graph
from rnn_train.exporting.layers.hashing import powers_of
from rnn_train.exporting.layers.layer import as_numpy
from rnn_train.exporting.layers.ngram import NGramLayer
from rnn_train.exporting.layers.parts import LookUp, Part, joined
from rnn_train.exporting.products import Weights, products_of
from rnn_train.models.hashing import MAX_ROWS
from rnn_train.models.ngrams import Counted, NGramCell
from tests.train.exporting.examples import operators, run

BATCH, TIME, IN, TOKENS = 3, 6, 5, 4
ROWS = (31, 97)


def ngrams(rows: tuple[int, ...] = ROWS, longest: tuple[int, int] = (3, 2)) -> NGramCell:
    torch.manual_seed(0)
    cell = NGramCell(IN, rows, longest, width=3, labels=2)
    codes = torch.randint(1, TOKENS + 1, (BATCH, TIME)).float()
    cell.count([Counted(codes, torch.full((BATCH,), TIME), torch.tensor([0, 1, 0]))])
    return cell


def table(codes: int = TOKENS) -> NDArray[np.float32]:
    """Return vectors of all tokens, and their codes."""
    vectors = np.random.default_rng(1).random((codes, IN - 1), np.float32)
    return np.concatenate([vectors, np.arange(1, codes + 1, dtype=np.float32)[:, None]], 1)


def whole(cell: NGramCell, weights: Weights, rows: NDArray[np.float32]) -> Graph:
    layer, graph = NGramLayer(0, cell, products_of(weights)), Graph("g")
    tokens = graph.input("tokens", INT64, ["time", "batch"])
    codes = graph.input("codes", FLOAT, ["batch", cell.state_sizes["codes"]])
    look_up = LookUp(table=graph.constant("table", rows), rows=len(rows), places=tokens)
    sizes = graph.add("Shape", tokens)
    outputs, (after,) = layer.from_parts(graph, [Part(IN, look_up=look_up)], sizes, [codes])
    graph.output(joined(graph, outputs), FLOAT, ["time", "batch", cell.output_size])
    graph.output(after, FLOAT, ["batch", cell.state_sizes["codes"]])
    return graph


def check(cell: NGramCell, weights: Weights, rows: NDArray[np.float32], tolerance: float) -> Graph:
    """Compare a whole sequence with the cell's scan."""
    graph, random = whole(cell, weights, rows), np.random.default_rng(2)
    tokens = random.integers(len(rows), size=(TIME, BATCH))
    count = cell.state_sizes["codes"]
    codes = random.integers(len(rows) + 1, size=(BATCH, count)).astype(np.float32)
    with torch.inference_mode():
        x = torch.from_numpy(rows[tokens.T])
        expected, (last,) = cell.scan(x, (torch.from_numpy(codes),))
    found, after = run(graph, tokens=tokens, codes=codes)
    np.testing.assert_array_equal(after, last.numpy())
    np.testing.assert_allclose(found, expected.transpose(0, 1).numpy(), atol=tolerance)
    return graph


@pytest.mark.parametrize("longest", [(3, 2), (2, 3), (1, 3), (3, 1)])
def test_a_whole_sequence_is_the_cells_scan(longest: tuple[int, int]) -> None:
    graph = check(ngrams(longest=longest), "float32", table(), 1e-6)
    assert not operators(graph.proto()) & {"Scan", "Loop"}


@pytest.mark.parametrize(("weights", "tolerance"), [("int8", 0.02), ("float16", 1e-3)])
def test_rounded_tables(weights: Weights, tolerance: float) -> None:
    check(ngrams((2**15 // 4, 2**15), (3, 3)), weights, table(), tolerance)


@pytest.mark.parametrize("whole_sequence", [True, False])
def test_rounded_vectors_of_frequent_ngrams(whole_sequence: bool) -> None:
    """A vector that all other n-grams share stays exact, however large the others are."""
    rows, frequent = (500, 2**12, 2**13), 2**14
    torch.manual_seed(0)
    cell = NGramCell(IN, rows, (3, 1), width=3, prefix=2, space=1, frequent=frequent)
    assert set(cell.row_of.tolist()) == {frequent}
    with torch.no_grad():
        cell.vectors.mul_(100)
        cell.vectors[-1] = torch.tensor([0.125, -0.25, 0.0625])
    if whole_sequence:
        graph = check(cell, "int8", table(), 1e-4)
        assert "CumSum" in operators(graph.proto())
        return
    layer, graph = NGramLayer(0, cell, products_of("int8")), Graph("g")
    count = cell.state_sizes["codes"]
    x, codes = (
        graph.input(name, FLOAT, ["batch", width]) for name, width in (("x", IN), ("codes", count))
    )
    output, _ = layer.advance(graph, x, [codes])
    graph.output(output, FLOAT, ["batch", cell.output_size])
    (found,) = run(graph, x=table()[[0, 3, 1]], codes=np.zeros((BATCH, count), np.float32))
    np.testing.assert_allclose(found[:, IN - 1 :], [[0.125, -0.25, 0.0625] * 3] * 3, atol=1e-4)
    assert "CumSum" not in operators(graph.proto())


def test_hashes_of_the_largest_vocabulary() -> None:
    """Their polynomials do not fit into int32, so they are reduced after each code."""
    cell = NGramCell(IN, (8192, 2**15, 2**15, MAX_ROWS), (5, 1), width=2)
    assert contract.MAX_VOCABULARY * powers_of(cell.hash).sum(0).max() > 2**31
    check(cell, "float32", table(contract.MAX_VOCABULARY), 1e-6)


@pytest.mark.parametrize("capturable", [True, False])
def test_a_step_is_the_cells_step(capturable: bool) -> None:
    cell = ngrams()
    layer, graph = NGramLayer(0, cell, products_of("float32")), Graph("g", capturable=capturable)
    count = cell.state_sizes["codes"]
    x, codes = (
        graph.input(name, FLOAT, ["batch", width]) for name, width in (("x", IN), ("codes", count))
    )
    output, (after,) = layer.advance(graph, x, [codes])
    graph.output(output, FLOAT, ["batch", cell.output_size])
    graph.output(after, FLOAT, ["batch", count])
    now = torch.from_numpy(table()[[0, 3, 1]])
    before = torch.randint(0, TOKENS + 1, (BATCH, count)).float()
    with torch.inference_mode():
        expected = cell(now, (before,))
        features = cell.output(now, expected)
    found, state = run(graph, x=as_numpy(now), codes=as_numpy(before))
    np.testing.assert_array_equal(state, expected[0].numpy())
    np.testing.assert_allclose(found, features.numpy(), atol=1e-6)
