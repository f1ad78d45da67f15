"""Backpropagation through time by hand, against autograd and against differences."""

from functools import partial

import pytest
import torch

from rnn_train.models.bptt import ElmanScan
from rnn_train.models.cells import Cell, ElmanCell

BATCH, TIME, IN, WIDTH = 3, 7, 5, 4


def test_states_follow_the_equation() -> None:
    x, state, weight = torch.randn(TIME, BATCH, WIDTH), torch.randn(BATCH, WIDTH), torch.randn(4, 4)
    states = ElmanScan.apply(x, state, weight)  # type: ignore[no-untyped-call]
    for t in range(TIME):
        state = torch.tanh(x[t] + state @ weight)
        torch.testing.assert_close(states[t], state)


def test_gradients_equal_those_of_single_steps() -> None:
    cell = ElmanCell(IN, WIDTH).double()
    x = torch.randn(BATCH, TIME, IN, dtype=torch.double, requires_grad=True)
    state = torch.randn(BATCH, WIDTH, dtype=torch.double, requires_grad=True)
    weights = torch.randn(BATCH, TIME, WIDTH, dtype=torch.double)
    for outputs_only in (False, True):
        found = []
        for scan in (cell.scan, partial(Cell.scan, cell)):
            outputs, (last,) = scan(x, (state,))
            loss = (outputs * weights).sum() + (0 if outputs_only else last.cos().sum())
            found.append(torch.autograd.grad(loss, [x, state, *cell.parameters()]))
        for hand_written, stepped in zip(*found, strict=True):
            torch.testing.assert_close(hand_written, stepped, rtol=0, atol=1e-12)


@pytest.mark.parametrize("time", [1, 2])
def test_gradients_equal_differences(time: int) -> None:
    inputs = [
        torch.randn(*shape, dtype=torch.double, requires_grad=True)
        for shape in ((time, BATCH, WIDTH), (BATCH, WIDTH), (WIDTH, WIDTH))
    ]
    assert torch.autograd.gradcheck(ElmanScan.apply, inputs)
