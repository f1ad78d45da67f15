"""The state table: rows are allocated, freed, reused, and grow in number."""

import numpy as np
import pytest

from rnn_infer.runtime.state_table import NOTHING_READ, StateTable
from rnn_infer.runtime.stepper import Stepper


@pytest.fixture
def table(stepper: Stepper) -> StateTable:
    return StateTable(stepper)


def test_new_row_is_zero(table: StateTable) -> None:
    state, pending = table.gather([table.allocate()])
    assert all((each == 0).all() and each.shape[0] == 1 for each in state)
    assert pending.tolist() == [NOTHING_READ]


def test_scattered_rows_are_gathered_again(table: StateTable, rng: np.random.Generator) -> None:
    rows = [table.allocate() for _ in range(5)]
    chosen = [rows[3], rows[0]]
    state, _ = table.gather(chosen)
    written = tuple(rng.random(each.shape, np.float32) for each in state)
    table.scatter(chosen, written, np.array([7, 9]))
    found, pending = table.gather(chosen)
    assert pending.tolist() == [7, 9]
    for ours, theirs in zip(found, written, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    untouched, pending = table.gather([rows[1]])
    assert all((each == 0).all() for each in untouched)
    assert pending.tolist() == [NOTHING_READ]


def test_gathered_rows_are_copies(table: StateTable) -> None:
    row = table.allocate()
    state, pending = table.gather([row])
    state[0][:], pending[:] = 1, 5
    again, still = table.gather([row])
    assert (again[0] == 0).all()
    assert still.tolist() == [NOTHING_READ]


def test_growing_keeps_the_rows(table: StateTable) -> None:
    rows = [table.allocate() for _ in range(100)]
    assert sorted(rows) == list(range(100))
    assert len(table) == 100
    state, _ = table.gather(rows)
    numbers = np.arange(100)
    table.scatter(rows, tuple(each + numbers[:, None].astype("f4") for each in state), numbers)
    rows += [table.allocate() for _ in range(100)]
    found, pending = table.gather(rows[:100])
    assert pending.tolist() == numbers.tolist()
    assert (found[0][:, 0] == numbers).all()


def test_freed_row_is_reset_and_reused(table: StateTable) -> None:
    row = table.allocate()
    state, _ = table.gather([row])
    table.scatter([row], tuple(each + 1 for each in state), np.array([3]))
    table.free(row)
    assert len(table) == 0
    assert table.allocate() == row
    state, pending = table.gather([row])
    assert all((each == 0).all() for each in state)
    assert pending.tolist() == [NOTHING_READ]
