"""Row-wise Adagrad: the update rule, and rows without a gradient."""

from copy import deepcopy

import torch
from torch import nn

from rnn_train.training.optimizers.row_adagrad import RowAdagrad


def test_each_row_has_a_rate_of_its_own() -> None:
    torch.manual_seed(0)
    table = nn.Parameter(torch.randn(3, 4))
    expected, squares = table.detach().double(), torch.full((3, 1), 0.5, dtype=torch.float64)
    optimizer = RowAdagrad([table], lr=0.1, initial=0.5)
    for _ in range(3):
        gradient = torch.randn(3, 4) * torch.tensor([[100.0], [1.0], [0.0]])
        table.grad = gradient.clone()
        optimizer.step()
        squares = squares + gradient.double().square().mean(1, keepdim=True)
        expected = expected - 0.1 * gradient.double() / squares.sqrt()
    torch.testing.assert_close(table.detach().double(), expected, rtol=1e-6, atol=1e-6)


def test_a_row_that_is_not_read_stays_as_it_is() -> None:
    table = nn.Parameter(torch.randn(4, 3))
    before = table.detach().clone()
    optimizer = RowAdagrad([table], lr=1.0)
    for _ in range(2):
        table.grad = None
        nn.functional.embedding(torch.tensor([1, 3, 3]), table).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    changed = (table.detach() != before).any(1)
    assert changed.tolist() == [False, True, False, True]


def test_a_table_without_gradient_stays_as_it_is() -> None:
    table = nn.Parameter(torch.ones(2, 2))
    RowAdagrad([table], lr=1.0).step()
    assert (table == 1).all()


def test_its_state_can_be_kept() -> None:
    def stepped(optimizer: RowAdagrad, table: nn.Parameter) -> None:
        table.grad = torch.ones_like(table)
        optimizer.step()

    first = nn.Parameter(torch.zeros(2, 2))
    optimizer = RowAdagrad([first], lr=0.1)
    stepped(optimizer, first)
    second = nn.Parameter(first.detach().clone())
    other = RowAdagrad([second], lr=0.1)
    other.load_state_dict(deepcopy(optimizer.state_dict()))
    stepped(optimizer, first)
    stepped(other, second)
    assert torch.equal(first, second)
