"""Cells against their equations and against PyTorch's own layers."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rnn_train.errors import CellError
from rnn_train.models.bptt import ElmanScan
from rnn_train.models.cells import CELLS, Cell, ElmanCell, GRUCell, LSTMCell, MinGRUCell, State
from rnn_train.models.custom_cell import find_cell
from rnn_train.models.ngrams import MAX_NGRAM_ROWS, NGramCell
from rnn_train.models.pooling import PassThrough, RunningPool

BATCH, TIME, IN, WIDTH = 3, 7, 5, 4
MAKERS: dict[str, Callable[[], Cell]] = {
    **{name: partial(make, IN, WIDTH) for name, make in CELLS.items()},
    "pool": lambda: RunningPool(IN, 2),
}


@pytest.fixture
def x() -> Tensor:
    return torch.randn(BATCH, TIME, IN)


def shaken(cell: Cell) -> Cell:
    """With no weight left at a value that hides a mistake, such as a bias of zero."""
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


def test_elman_is_its_equation(x: Tensor) -> None:
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


def test_elman_is_torch_rnn(x: Tensor) -> None:
    cell = shaken(ElmanCell(IN, WIDTH))
    W, U, b = (cell.get_parameter(name).detach() for name in "WUb")
    layer = nn.RNN(IN, WIDTH, batch_first=True)
    fill(layer, weight_ih_l0=W.T, weight_hh_l0=U.T, bias_ih_l0=b, bias_hh_l0=torch.zeros_like(b))
    state = some_state(cell)
    outputs, (last,) = cell.scan(x, state)
    expected, expected_last = layer(x, state[0][None])
    same(outputs, expected)
    same(last, expected_last[0])


def test_gradients_of_elman_are_those_of_its_steps() -> None:
    cell = shaken(ElmanCell(IN, WIDTH)).double()
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
def test_gradients_of_elman_by_differences(time: int) -> None:
    inputs = [
        torch.randn(*shape, dtype=torch.double, requires_grad=True)
        for shape in ((time, BATCH, WIDTH), (BATCH, WIDTH), (WIDTH, WIDTH))
    ]
    assert torch.autograd.gradcheck(ElmanScan.apply, inputs)


def test_elman_in_bfloat16_is_near() -> None:
    cell, x = shaken(ElmanCell(IN, WIDTH)), torch.randn(BATCH, TIME, IN)
    exact, _ = cell.scan(x, cell.zeros(BATCH, x))
    with torch.autocast("cpu", torch.bfloat16):
        rounded, (last,) = cell.scan(x, cell.zeros(BATCH, x))
        rounded.float().sum().backward()  # type: ignore[no-untyped-call]
    assert last.dtype == torch.bfloat16
    assert all(each.grad is not None and each.grad.isfinite().all() for each in cell.parameters())
    torch.testing.assert_close(rounded.float(), exact, rtol=0, atol=0.1)


def test_cell_made_of_elman_has_its_own_equation(x: Tensor) -> None:
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


def test_gru_is_torch_gru(x: Tensor) -> None:
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


def test_lstm_is_torch_lstm(x: Tensor) -> None:
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


def test_pool_is_running_mean_and_maximum(x: Tensor) -> None:
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


@pytest.mark.parametrize("name", MAKERS)
def test_scan_is_stepping(name: str, x: Tensor) -> None:
    cell = shaken(MAKERS[name]())
    whole, last = cell.scan(x, cell.zeros(BATCH, x))
    state = cell.zeros(BATCH, x)
    for t in range(TIME):
        projected = cell.project(x[:, t])
        state = cell(projected, state)
        same(cell.output(projected, state), whole[:, t])
    for stepped, scanned in zip(state, last, strict=True):
        same(stepped, scanned)


@pytest.mark.parametrize("name", MAKERS)
def test_scan_in_pieces_is_the_whole(name: str, x: Tensor) -> None:
    cell = shaken(MAKERS[name]())
    whole, last = cell.scan(x, cell.zeros(BATCH, x))
    first, state = cell.scan(x[:, :3], cell.zeros(BATCH, x))
    second, state = cell.scan(x[:, 3:], state)
    same(torch.cat([first, second], 1), whole)
    for ours, expected in zip(state, last, strict=True):
        same(ours, expected)


@pytest.mark.parametrize("name", MAKERS)
def test_rows_are_streams_of_their_own(name: str, x: Tensor) -> None:
    cell = shaken(MAKERS[name]())
    whole, _ = cell.scan(x, cell.zeros(BATCH, x))
    alone, _ = cell.scan(x[1:2], cell.zeros(1, x))
    same(alone, whole[1:2])


@pytest.mark.parametrize("name", MAKERS)
def test_sizes(name: str, x: Tensor) -> None:
    cell = MAKERS[name]()
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


def test_cell_without_a_step_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract method '?forward"):
        Cell(IN, {"s": WIDTH})  # type: ignore[abstract]


# --- n-grams --------------------------------------------------------------------------


def coded(batch: int = BATCH, time: int = TIME, codes: int = 3) -> Tensor:
    """Inputs of which the last column is a code from 1."""
    vectors = torch.randn(batch, time, IN - 1)
    return torch.cat([vectors, torch.randint(1, codes + 1, (batch, time, 1)).float()], -1)


def test_ngrams_have_one_vector_each() -> None:
    cell, x = NGramCell(IN, (50, 101), (3, 1), width=6), coded(batch=20)
    outputs, _ = cell.scan(x, cell.zeros(len(x), x))
    torch.testing.assert_close(outputs[..., : IN - 1], x[..., :-1])
    for place, order in enumerate((2, 3)):
        begin = IN - 1 + 6 * place
        found: dict[tuple[float, ...], Tensor] = {}
        for row, vectors in zip(x[..., -1].tolist(), outputs[..., begin : begin + 6], strict=True):
            for end in range(TIME):
                ngram = tuple([0.0] * order + row[: end + 1])[-order:]
                same(vectors[end], found.setdefault(ngram, vectors[end]))
        distinct = {tuple(vector.tolist()) for vector in found.values()}
        assert 0.6 * len(found) < len(distinct) <= len(found)


def test_ngrams_of_the_largest_codes_stay_within_the_table() -> None:
    cell = NGramCell(2, (20, 30, MAX_NGRAM_ROWS), (4, 1), width=2)
    x = torch.tensor([[[0.0, code] for code in (100_000.0, 99_999.0, 100_000.0, 1.0)]])
    outputs, _ = cell.scan(x, cell.zeros(1, x))
    code, row = [int(each) for each in x[0, :, 1]], 0
    for each in code:
        row = (row * 257 + each % MAX_NGRAM_ROWS) % MAX_NGRAM_ROWS
    same(outputs[0, -1, -2:], cell.vectors[50 + row])


@pytest.mark.parametrize("longest", [(4, 1), (3, 4), (1, 4), (4, 4)])
def test_ngrams_stepped_and_in_pieces(longest: tuple[int, int]) -> None:
    cell, x = NGramCell(IN, (31, 97, 89), longest, width=3, labels=2), coded()
    cell.count(x[..., -1], torch.full((BATCH,), TIME), torch.tensor([0, 1, 0]))
    whole, last = cell.scan(x, cell.zeros(BATCH, x))
    stepped, after = Cell.scan(cell, x, cell.zeros(BATCH, x))
    same(stepped, whole)
    same(after[0], last[0])
    first, state = cell.scan(x[:, :2], cell.zeros(BATCH, x))
    second, state = cell.scan(x[:, 2:], state)
    same(torch.cat([first, second], 1), whole)
    same(state[0], last[0])
    assert whole.shape[-1] == cell.output_size


def test_evidence_is_naive_bayes() -> None:
    """Texts "ab" and "aab" of label 0, "ba" of label 1; codes a 1, b 2, and 0 before a text."""
    cell = NGramCell(3, (40,), (2, 2), width=1, labels=2)
    codes = torch.tensor([[1.0, 2, 9], [1, 1, 2], [2, 1, 9]])
    cell.count(codes, torch.tensor([2, 3, 2]), torch.tensor([0, 0, 1]))
    pairs = {(0, 1): (2, 0), (1, 2): (2, 0), (1, 1): (1, 0), (0, 2): (0, 1), (2, 1): (0, 1)}
    for (first, second), (in_0, in_1) in pairs.items():
        x = torch.tensor([[[0.0, 0.0, first], [0.0, 0.0, second]]])
        outputs, _ = cell.scan(x, cell.zeros(1, x))
        logs = [np.log((in_0 + 0.1) / (5 + 4)), np.log((in_1 + 0.1) / (2 + 4))]
        expected = [0.1 * (each - np.mean(logs)) for each in logs]
        np.testing.assert_allclose(outputs[0, 1, -2:].detach(), expected, atol=1e-6)


def test_evidence_leaves_a_text_of_its_own_out() -> None:
    """As above; "aab" alone has "aa", and so must not learn from it what it is."""
    cell = NGramCell(3, (40,), (2, 2), width=1, labels=2)
    codes = torch.tensor([[1.0, 2, 9], [1, 1, 2], [2, 1, 9]])
    cell.count(codes, torch.tensor([2, 3, 2]), torch.tensor([0, 0, 1]))
    x = torch.tensor([[[0.0, 0.0, code] for code in (1.0, 1.0, 2.0)]])
    cell.own = torch.tensor([0])
    outputs, _ = cell.scan(x, cell.zeros(1, x))
    for place, (in_0, in_1) in enumerate([(2 - 1, 0), (1 - 1, 0), (2 - 1, 0)]):
        logs = [np.log((in_0 + 0.1) / (5 + 4)), np.log((in_1 + 0.1) / (2 + 4))]
        expected = [0.1 * (each - np.mean(logs)) for each in logs]
        np.testing.assert_allclose(outputs[0, place, -2:].detach(), expected, atol=1e-6)
    # What was never counted has nothing to leave out: a character dropped makes such n-grams.
    cell.own = torch.tensor([1])
    with_own, _ = cell.scan(x, cell.zeros(1, x))
    cell.own = None
    same(with_own, cell.scan(x, cell.zeros(1, x))[0])


@pytest.mark.parametrize("name", CELLS)
def test_passing_is_the_cell_and_the_columns(name: str, x: Tensor) -> None:
    cell = shaken(CELLS[name](IN, WIDTH))
    passing = PassThrough(cell, 2)
    plain, _ = cell.scan(x, cell.zeros(BATCH, x))
    whole, last = passing.scan(x, passing.zeros(BATCH, x))
    same(whole, torch.cat([plain, x[..., -2:]], -1))
    stepped, after = Cell.scan(passing, x, passing.zeros(BATCH, x))
    same(stepped, whole)
    for a, b in zip(after, last, strict=True):
        same(a, b)


def test_mingru_is_its_equation(x: Tensor) -> None:
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


# --- a cell of one's own --------------------------------------------------------------

LEAKY = """
import torch
from torch import nn
from rnn_train import Cell

class Leaky(Cell):
    def __init__(self, input_size, width):
        super().__init__(input_size, {"fast": width, "slow": 2})
        self.mix = nn.Linear(input_size + width + 2, width)

    def forward(self, x, state):
        fast, slow = state
        new = torch.tanh(self.mix(torch.cat([x, fast, slow], -1)))
        return 0.5 * fast + 0.5 * new, 0.9 * slow + 0.1 * new[:, :2]

class Plain(nn.Module):
    pass

class Raises(Leaky):
    def __init__(self, input_size, width):
        raise ValueError("no such\\nthing")

class Narrow(Leaky):
    def forward(self, x, state):
        return tuple(each[:, :1] for each in super().forward(x, state))

class Lone(Leaky):
    def forward(self, x, state):
        return super().forward(x, state)[0]

class Wide(Leaky):
    def output(self, x, state):
        return torch.cat(state, -1)

make = lambda input_size, width: Leaky(input_size, width)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module that lies in the current folder."""
    name = f"cells_of_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(LEAKY)
    (tmp_path / f"{name}_broken.py").write_text("import nothing_of_that_name")
    monkeypatch.chdir(tmp_path)
    return name


def test_cells_are_found(module: str) -> None:
    assert find_cell("gru") is GRUCell
    before = list(sys.path)
    cell = find_cell(f"{module}:Leaky")(IN, WIDTH)
    assert cell.state_sizes == {"fast": WIDTH, "slow": 2}
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("grru", "elman, gru, lstm, mingru, or your own"),
        (":Leaky", "is not known"),
        ("MODULE:", "is not known"),
        ("no_such_module:Leaky", "no_such_module cannot be imported: ModuleNotFoundError"),
        ("MODULE_broken:Leaky", "cannot be imported: ModuleNotFoundError: .*nothing_of_that_name"),
        ("MODULE:Leeky", "is not a class derived from rnn_train.Cell"),
        ("MODULE:Plain", "is not a class derived"),
        ("MODULE:make", "is not a class derived"),
        ("MODULE:Raises", "cannot be made and stepped: ValueError: no such$"),
        ("MODULE:Narrow", r"states of shapes \[\(2, 1\), \(2, 1\)\]; it declares \[\(2, 5\)"),
        ("MODULE:Lone", r"give its states as a tuple of 2 tensors"),
        ("MODULE:Wide", r"outputs of shape \(2, 7\); it declares \(2, 5\)"),
    ],
)
def test_cells_that_cannot_be_used(module: str, name: str, message: str) -> None:
    with pytest.raises(CellError, match=message) as raised:
        find_cell(name.replace("MODULE", module))
    assert "\n" not in str(raised.value)
