"""The running pool, and columns that pass a cell by."""

import numpy as np
import pytest
import torch
from torch import Tensor

from rnn_train.models.cells import CELLS, Cell
from rnn_train.models.pooling import PassThrough, RunningPool

BATCH, TIME, IN, WIDTH = 3, 7, 5, 4


@pytest.fixture
def x() -> Tensor:
    return torch.randn(BATCH, TIME, IN)


def same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)


def test_running_mean_and_maximum(x: Tensor) -> None:
    pool = RunningPool(IN, 2)
    outputs, (total, peak, count) = pool.scan(x, pool.zeros(BATCH, x))
    values = x.numpy()
    mean = values.cumsum(1) / np.arange(1, TIME + 1)[:, None]
    maximum = np.maximum(np.maximum.accumulate(values[..., :2], 1), 0)  # every state starts at zero
    expected = np.concatenate([values, mean, maximum], -1)
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-6)
    same(total, x.sum(1))
    np.testing.assert_array_equal(peak, maximum[:, -1])
    assert count.tolist() == [[TIME]] * BATCH
    assert pool.output_size == 2 * IN + 2


def test_pool_in_steps_and_in_pieces(x: Tensor) -> None:
    pool = RunningPool(IN, 2)
    whole, last = pool.scan(x, pool.zeros(BATCH, x))
    stepped, after = Cell.scan(pool, x, pool.zeros(BATCH, x))
    first, state = pool.scan(x[:, :3], pool.zeros(BATCH, x))
    second, state = pool.scan(x[:, 3:], state)
    same(stepped, whole)
    same(torch.cat([first, second], 1), whole)
    for found in (after, state):
        for ours, expected in zip(found, last, strict=True):
            same(ours, expected)


def test_pool_at_the_end_of_pieces(x: Tensor) -> None:
    """Two pieces of texts of several lengths, the second after the state of the first."""
    pool = RunningPool(x.shape[2], 2)
    lengths = torch.arange(len(x)) % (x.shape[1] - 2) + 3
    outputs, _ = pool.scan(x, pool.zeros(len(x), x))
    expected = outputs[torch.arange(len(x)), lengths - 1]
    whole, state = pool.at_end(x, lengths)
    assert torch.allclose(whole[:, 0], expected, atol=1e-6)
    _, first = pool.at_end(x[:, :2], torch.full((len(x),), 2))
    second, last = pool.at_end(x[:, 2:], lengths - 2, first)
    assert torch.allclose(second[:, 0], expected, atol=1e-6)
    for ours, other in zip(last, state, strict=True):
        assert torch.allclose(ours, other, atol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_output_is_that_of_the_cell_and_the_last_columns(name: str, x: Tensor) -> None:
    cell = CELLS[name](IN, WIDTH)
    passing = PassThrough(cell, 2)
    plain, _ = cell.scan(x, cell.zeros(BATCH, x))
    whole, last = passing.scan(x, passing.zeros(BATCH, x))
    same(whole, torch.cat([plain, x[..., -2:]], -1))
    stepped, after = Cell.scan(passing, x, passing.zeros(BATCH, x))
    same(stepped, whole)
    for a, b in zip(after, last, strict=True):
        same(a, b)
