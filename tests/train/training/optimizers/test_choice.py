"""Which optimizer trains which parameters."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rnn_train.training.config import TrainingConfig
from rnn_train.training.optimizers.choice import make_optimizers
from rnn_train.training.optimizers.muon import Muon
from rnn_train.training.optimizers.row_adagrad import RowAdagrad

CONFIG = TrainingConfig(learning_rate=0.05, weight_decay=0.3, muon=2.0)


class TwoLayers:
    """An objective whose first layer has gate matrices."""

    unit = "points"
    bfloat16 = False

    def __init__(self) -> None:
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5))

        self.tables: Sequence[nn.Parameter] = ()

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        return [self.model.get_parameter("0.weight")]

    def loss(self, step: int) -> tuple[Tensor, int]:
        raise NotImplementedError(step)

    def around_step(self) -> AbstractContextManager[None]:
        return nullcontext()

    def validate(self, model: nn.Module) -> dict[str, Any]:
        raise NotImplementedError(model)

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        raise NotImplementedError(state)


def shapes(parameters: Sequence[Tensor]) -> list[tuple[int, ...]]:
    return [tuple(each.shape) for each in parameters]


def test_muon_trains_the_gates_only() -> None:
    adam, muon = make_optimizers(TwoLayers(), CONFIG)
    assert isinstance(adam, torch.optim.AdamW)
    assert isinstance(muon, Muon)
    matrices, vectors = adam.param_groups
    (gates,) = muon.param_groups
    assert shapes(matrices["params"]) == [(5, 4)]
    assert shapes(vectors["params"]) == [(4,), (5,)]
    assert shapes(gates["params"]) == [(4, 3)]


def test_only_matrices_have_weight_decay() -> None:
    adam, muon = make_optimizers(TwoLayers(), CONFIG)
    matrices, vectors = adam.param_groups
    assert muon.param_groups[0]["weight_decay"] == matrices["weight_decay"] == 0.3
    assert vectors["weight_decay"] == 0


def test_each_group_has_its_share_of_the_learning_rate() -> None:
    adam, muon = make_optimizers(TwoLayers(), CONFIG)
    assert muon.param_groups[0]["share"] == 2.0
    assert [group["share"] for group in adam.param_groups] == [1.0, 1.0]


def test_without_muon_adam_trains_all() -> None:
    (adam,) = make_optimizers(TwoLayers(), TrainingConfig(muon=0.0))
    found = [shapes(group["params"]) for group in adam.param_groups]
    assert found == [[(4, 3), (5, 4)], [(4,), (5,)]]


@pytest.mark.parametrize("rate", [0.0, 50.0])
def test_row_adagrad_trains_the_tables_if_it_has_a_rate(rate: float) -> None:
    objective = TwoLayers()
    objective.tables = [objective.model.get_parameter("1.weight")]
    adam, *others = make_optimizers(objective, TrainingConfig(tables=rate))
    of_adam = [shape for group in adam.param_groups for shape in shapes(group["params"])]
    assert ((5, 4) in of_adam) == (not rate)
    assert [type(each) for each in others] == ([RowAdagrad] if rate else [])
    for each in others:
        (group,) = each.param_groups
        assert shapes(group["params"]) == [(5, 4)]
        assert group["share"] == rate


def test_an_empty_table_takes_no_optimizer_of_its_own() -> None:
    objective = TwoLayers()
    objective.tables = [nn.Parameter(torch.zeros(0, 16))]
    assert len(make_optimizers(objective, TrainingConfig(tables=50.0))) == 1
