"""What is decided for a classifier, and how `config.json` keeps it."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnn_train.models.classifier import ClassifierConfig
from rnn_train.tasks.classifier import recipe
from rnn_train.tasks.classifier.data import store_data
from rnn_train.tasks.classifier.plan import ClassifierPlan, decide
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training.run import Run

SETTINGS = Settings(device="cpu", threads=2, out="x.onnx", sources={"a.csv": "0" * 64})
ROWS = 72
"""Of the 80 rows, 72 are for training."""

Decided = Callable[..., ClassifierPlan]


@pytest.fixture
def decided(table: Path, run: Run) -> Decided:
    """`decided(**fields)`: the plan of a request for `table`."""
    data = store_data(run, ClassifierRequest(data=(str(table),)))

    def of(**fields: Any) -> ClassifierPlan:
        return decide(ClassifierRequest(**fields), ("a.csv",), data, SETTINGS)

    return of


def test_plan_is_read_back(decided: Decided) -> None:
    for fields in ({}, {"ensemble": 2, "minutes": 3.0}, {"balance": 0.5, "val_data": "b.csv"}):
        plan = decided(**fields)
        kept = json.loads(json.dumps(plan.to_config()))
        assert ClassifierPlan.from_config(kept) == plan


def test_config_of_an_older_version(decided: Decided) -> None:
    config = decided(temperature=1.5).to_config()
    assert ClassifierPlan.from_config(config).temperature == 1.5
    del config["temperature"]
    assert ClassifierPlan.from_config(config).temperature == 1.0


@pytest.mark.parametrize("key", ["ensemble", "teacher", "balance", "model", "training", "epochs"])
def test_missing_key(decided: Decided, key: str) -> None:
    config = decided().to_config()
    del config[key]
    with pytest.raises(KeyError, match=key):
        ClassifierPlan.from_config(config)


def test_model_of_another_version(decided: Decided) -> None:
    config = decided().to_config()
    config["model"] = config["model"] | {"later": 1}
    with pytest.raises(TypeError, match="later"):
        ClassifierPlan.from_config(config)


def test_recipe_fills_in_what_is_open(decided: Decided) -> None:
    plan = decided()
    assert (plan.command, plan.data, plan.ensemble) == ("classifier", ("a.csv",), 0)
    assert (plan.minutes, plan.epochs) == (None, recipe.classifier_epochs(ROWS))
    assert plan.model == recipe.classifier_model(plan.model.vocabulary, 2, ROWS)
    assert plan.training == recipe.classifier_training(ROWS, 0)
    assert (plan.balance, plan.character_dropout) == (recipe.BALANCE, recipe.CHARACTER_DROPOUT)


def test_request_comes_before_the_recipe(decided: Decided) -> None:
    plan = decided(model={"hidden": 9}, training={"batch": 3}, seed=5, balance=0.0)
    default = decided(seed=5)
    assert plan.model == dataclasses.replace(default.model, hidden=9)
    assert plan.training == dataclasses.replace(default.training, batch=3)
    assert (plan.training.seed, plan.balance) == (5, 0.0)


@pytest.mark.parametrize(
    ("minutes", "epochs"), [(0.5, None), (None, 3.0)], ids=["minutes", "epochs"]
)
def test_budget_that_was_asked_for(
    decided: Decided, minutes: float | None, epochs: float | None
) -> None:
    for ensemble in (0, 2):
        plan = decided(minutes=minutes, epochs=epochs, ensemble=ensemble)
        assert (plan.minutes, plan.epochs) == (minutes, epochs)
        assert "epochs" not in plan.teacher


def test_student_of_an_ensemble(decided: Decided) -> None:
    """It is narrower than its teachers, and trains for more epochs."""
    plan, alone = decided(ensemble=2), decided()
    assert ClassifierConfig(**plan.teacher["model"]) == alone.model
    assert plan.model == recipe.student_model(alone.model)
    assert plan.teacher["epochs"] == alone.epochs
    assert plan.epochs == recipe.STUDENT_EPOCHS * recipe.classifier_epochs(ROWS)


def test_width_that_was_asked_for_is_the_students_too(decided: Decided) -> None:
    plan = decided(ensemble=2, model={"hidden": 30})
    assert plan.model.hidden == plan.teacher["model"]["hidden"] == 30
