"""Cells against their equations and against PyTorch's layers."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rnn_train.models.cells import CELLS, Cell, ElmanCell, GRUCell, LSTMCell, MinGRUCell, State

BATCH, TIME, IN, WIDTH = 3, 7, 5, 4


@pytest.fixture
def x() -> Tensor:
    return torch.randn(BATCH, TIME, IN)


def shaken(cell: Cell) -> Cell:
    """Give every weight a random value: a bias of zero would hide a mistake."""
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.7)
    return cell


def some_state(cell: Cell) -> State:
    return tuple(torch.randn(BATCH, width) for width in cell.state_sizes.values())


@torch.no_grad()
def fill(layer: nn.Module, **weights: Tensor) -> None:
    assert set(weights) == {name for name, _ in layer.named_parameters()}
    for name, value in weights.items():
        layer.get_parameter(name).copy_(value)


def same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)


def test_elman_equation(x: Tensor) -> None:
    cell = shaken(ElmanCell(IN, WIDTH))
    W, U, b = (cell.get_parameter(name).detach().numpy() for name in "WUb")
    state = some_state(cell)
    s = state[0].numpy()
    with torch.no_grad():
        outputs, (last,) = cell.scan(x, state)
    for t in range(TIME):
        s = np.tanh(x[:, t].numpy() @ W + s @ U + b)
        np.testing.assert_allclose(outputs[:, t], s, rtol=0, atol=1e-6)
    np.testing.assert_allclose(last, s, rtol=0, atol=1e-6)


def test_elman_equals_torch_rnn(x: Tensor) -> None:
    cell = shaken(ElmanCell(IN, WIDTH))
    W, U, b = (cell.get_parameter(name).detach() for name in "WUb")
    layer = nn.RNN(IN, WIDTH, batch_first=True)
    fill(layer, weight_ih_l0=W.T, weight_hh_l0=U.T, bias_ih_l0=b, bias_hh_l0=torch.zeros_like(b))
    state = some_state(cell)
    outputs, (last,) = cell.scan(x, state)
    expected, expected_last = layer(x, state[0][None])
    same(outputs, expected)
    same(last, expected_last[0])


def test_elman_in_bfloat16_is_near() -> None:
    cell, x = shaken(ElmanCell(IN, WIDTH)), torch.randn(BATCH, TIME, IN)
    exact, _ = cell.scan(x, cell.zeros(BATCH, x))
    with torch.autocast("cpu", torch.bfloat16):
        rounded, (last,) = cell.scan(x, cell.zeros(BATCH, x))
        rounded.float().sum().backward()  # type: ignore[no-untyped-call]
    assert last.dtype == torch.bfloat16
    assert all(each.grad is not None and each.grad.isfinite().all() for each in cell.parameters())
    torch.testing.assert_close(rounded.float(), exact, rtol=0, atol=0.1)


def test_cell_derived_from_elman_uses_its_own_equation(x: Tensor) -> None:
    class Slow(ElmanCell):
        def forward(self, x: Tensor, state: State) -> State:
            (new,) = super().forward(x, state)
            return ((new + state[0]) / 2,)

    cell = shaken(Slow(IN, WIDTH))
    whole, (last,) = cell.scan(x, cell.zeros(BATCH, x))
    (state,) = cell.zeros(BATCH, x)
    for t in range(TIME):
        (state,) = cell(cell.project(x[:, t]), (state,))
        same(whole[:, t], state)
    same(last, state)


def test_gru_equals_torch_gru(x: Tensor) -> None:
    cell = GRUCell(IN, WIDTH)
    shaken(cell)
    layer = nn.GRU(IN, WIDTH, batch_first=True)
    fill(
        layer,
        weight_ih_l0=cell.inputs.weight,
        weight_hh_l0=cell.recurrent.weight,
        bias_ih_l0=cell.inputs.bias,
        bias_hh_l0=cell.recurrent.bias,
    )
    state = some_state(cell)
    outputs, (last,) = cell.scan(x, state)
    expected, expected_last = layer(x, state[0][None])
    same(outputs, expected)
    same(last, expected_last[0])


def test_lstm_equals_torch_lstm(x: Tensor) -> None:
    cell = LSTMCell(IN, WIDTH)
    shaken(cell)
    layer = nn.LSTM(IN, WIDTH, batch_first=True)
    fill(
        layer,
        weight_ih_l0=cell.inputs.weight,
        weight_hh_l0=cell.recurrent.weight,
        bias_ih_l0=cell.inputs.bias,
        bias_hh_l0=torch.zeros(4 * WIDTH),
    )
    h, c = some_state(cell)
    outputs, (h_last, c_last) = cell.scan(x, (h, c))
    expected, (h_expected, c_expected) = layer(x, (h[None], c[None]))
    same(outputs, expected)
    same(h_last, h_expected[0])
    same(c_last, c_expected[0])


def test_mingru_equation(x: Tensor) -> None:
    cell = MinGRUCell(IN, WIDTH)
    shaken(cell)
    state = some_state(cell)
    outputs, _ = cell.scan(x, state)
    weight, bias = (cell.get_parameter(f"inputs.{name}") for name in ("weight", "bias"))
    s = state[0]
    for t in range(TIME):
        gate, new = (x[:, t] @ weight.T + bias).chunk(2, -1)
        z = 1 / (1 + torch.exp(-gate))
        s = (1 - z) * s + z * new
        same(outputs[:, t], s)


@pytest.mark.parametrize("name", CELLS)
def test_scan_equals_single_steps(name: str, x: Tensor) -> None:
    cell = shaken(CELLS[name](IN, WIDTH))
    whole, last = cell.scan(x, cell.zeros(BATCH, x))
    state = cell.zeros(BATCH, x)
    for t in range(TIME):
        projected = cell.project(x[:, t])
        state = cell(projected, state)
        same(cell.output(projected, state), whole[:, t])
    for stepped, scanned in zip(state, last, strict=True):
        same(stepped, scanned)


@pytest.mark.parametrize("name", CELLS)
def test_scan_in_pieces_equals_one_scan(name: str, x: Tensor) -> None:
    cell = shaken(CELLS[name](IN, WIDTH))
    whole, last = cell.scan(x, cell.zeros(BATCH, x))
    first, state = cell.scan(x[:, :3], cell.zeros(BATCH, x))
    second, state = cell.scan(x[:, 3:], state)
    same(torch.cat([first, second], 1), whole)
    for ours, expected in zip(state, last, strict=True):
        same(ours, expected)


@pytest.mark.parametrize("name", CELLS)
def test_rows_do_not_change_each_other(name: str, x: Tensor) -> None:
    cell = shaken(CELLS[name](IN, WIDTH))
    whole, _ = cell.scan(x, cell.zeros(BATCH, x))
    alone, _ = cell.scan(x[1:2], cell.zeros(1, x))
    same(alone, whole[1:2])


@pytest.mark.parametrize("name", CELLS)
def test_sizes(name: str, x: Tensor) -> None:
    cell = CELLS[name](IN, WIDTH)
    state = cell.zeros(BATCH, x)
    assert [tuple(each.shape) for each in state] == [
        (BATCH, width) for width in cell.state_sizes.values()
    ]
    assert not any(each.any() for each in state)
    outputs, _ = cell.scan(x, state)
    assert outputs.shape == (BATCH, TIME, cell.output_size)


@pytest.mark.parametrize("name", CELLS)
def test_recurrent_weights_start_orthogonal(name: str) -> None:
    cell = CELLS[name](IN, WIDTH)
    for parameter, value in cell.named_parameters():
        if parameter in ("U", "recurrent.weight"):
            for gate in value.detach().chunk(len(value) // WIDTH):
                same(gate @ gate.T, torch.eye(WIDTH))


def test_cell_without_forward_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract method '?forward"):
        Cell(IN, {"s": WIDTH})  # type: ignore[abstract]
