"""Finding a recurrent cell by its name."""

import sys
from pathlib import Path

import pytest

from rnn_train.errors import CellError
from rnn_train.models.cells import GRUCell
from rnn_train.models.custom_cell import find_cell

IN, WIDTH = 5, 4
SOURCE = """
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
    """Write a module with cells into the current folder, and return its name."""
    name = f"cells_of_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    (tmp_path / f"{name}_broken.py").write_text("import nothing_of_that_name")
    monkeypatch.chdir(tmp_path)
    return name


def test_built_in_and_user_cells_are_found(module: str) -> None:
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
