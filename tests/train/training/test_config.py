"""Training hyperparameters."""

import json
from dataclasses import FrozenInstanceError, asdict

import pytest

from rnn_train.training.config import TrainingConfig


def test_config_survives_json() -> None:
    config = TrainingConfig(batch=7, learning_rate=0.1, capture=False, seed=2**40)
    assert TrainingConfig(**json.loads(json.dumps(asdict(config)))) == config


def test_old_run_folders_name_these_fields() -> None:
    """config.json of an existing run holds all of them: a renamed field would end its resuming."""
    assert list(asdict(TrainingConfig())) == [
        "batch",
        "window",
        "learning_rate",
        "muon",
        "tables",
        "weight_decay",
        "clip",
        "average",
        "average_every",
        "held",
        "validate_every",
        "capture",
        "seed",
    ]


def test_config_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        TrainingConfig().batch = 3  # type: ignore[misc]
