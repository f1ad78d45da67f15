"""What the plans of both kinds share."""

from typing import Any

import pytest

from rnn_train.errors import RunError
from rnn_train.tasks.plan import Plan, with_fields
from rnn_train.training.config import TrainingConfig

PLAN: dict[str, Any] = {
    "command": "charlm",
    "data": ("a.txt", "b.txt"),
    "val_data": None,
    "val_fraction": 0.1,
    "minutes": None,
    "epochs": 2.0,
    "temperature": 1.5,
    "device": "cpu",
    "threads": 1,
    "out": "x.onnx",
    "sources": {"a.txt": "0" * 64, "b.txt": None},
    "training": TrainingConfig(batch=7),
}


def test_config_has_plain_values() -> None:
    config = Plan(**PLAN).to_config()
    assert config["training"]["batch"] == 7
    assert config["sources"] == PLAN["sources"]
    assert Plan.from_config(config | {"data": list(config["data"])}) == Plan(**PLAN)


def test_temperature_of_an_older_version() -> None:
    config = Plan(**PLAN).to_config()
    del config["temperature"]
    assert Plan.from_config(config).temperature == 1.0


@pytest.mark.parametrize("key", [name for name in PLAN if name != "temperature"])
def test_missing_key(key: str) -> None:
    config = Plan(**PLAN).to_config()
    del config[key]
    with pytest.raises(KeyError, match=key):
        Plan.from_config(config)


def test_training_of_another_version() -> None:
    config = Plan(**PLAN).to_config()
    with pytest.raises(TypeError, match="later"):
        Plan.from_config(config | {"training": {"later": 1}})


def test_field_that_a_config_does_not_have() -> None:
    with pytest.raises(RunError, match="TrainingConfig has no field 'bach'; it has batch, window"):
        with_fields(TrainingConfig(), {"bach": 3})
    assert with_fields(TrainingConfig(), {"batch": 3}).batch == 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"batch": "8"}, "TrainingConfig.batch must be int, got '8'"),
        ({"batch": True}, "batch must be int"),
        ({"batch": 1.5}, "batch must be int"),
        ({"learning_rate": "x"}, "learning_rate must be float"),
        ({"capture": 1}, "capture must be bool"),
    ],
)
def test_field_of_another_type(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(RunError, match=said):
        with_fields(TrainingConfig(), fields)


def test_whole_number_for_a_float() -> None:
    assert with_fields(TrainingConfig(), {"learning_rate": 1}).learning_rate == 1
