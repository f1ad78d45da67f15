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
from rnn_train.training.config import TrainingConfig
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
    assert (plan.balance, plan.character_dropout) == (0.2, recipe.CHARACTER_DROPOUT)


def test_rare_labels_are_favoured_more_in_many_rows(
    decided: Decided, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "MANY_ROWS", 1)
    assert decided().balance == 0.3
    assert decided(balance=0.1).balance == 0.1


def test_many_kinds_of_characters_are_read_by_the_whole_network(
    decided: Decided, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "MANY_ROWS", 1)
    assert decided().ngrams_alone == recipe.NGRAMS_ALONE
    monkeypatch.setattr(recipe, "_FEW_CHARACTERS", 2.0)
    assert decided().ngrams_alone == 0
    assert decided(ngrams_alone=0.5).ngrams_alone == 0.5


def test_more_ngrams_are_dropped_of_rows_that_are_read_often(
    decided: Decided, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dropped(**fields: Any) -> float:
        return float(decided(**fields).teacher["model"]["ngram_dropout"])

    monkeypatch.setattr(recipe, "MANY_ROWS", 1)
    shares = [dropped(epochs=epochs) for epochs in (4.0, 6.0, 8.0)]
    assert shares == sorted(set(shares))
    monkeypatch.setattr(recipe, "readings", lambda _, minutes: 4 * minutes)
    assert [dropped(minutes=minutes) for minutes in (1.0, 1.5, 2.0)] == shares
    # Two teachers and the student share the minutes.
    assert [dropped(minutes=minutes, ensemble=2) for minutes in (3.0, 4.5, 6.0)] == shares


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
    """It is narrower than its teachers, and trains for more epochs, on synthetic texts too."""
    plan, alone = decided(ensemble=2), decided()
    assert alone.synthetic == 0
    assert plan.synthetic == recipe.synthetic_count(ROWS, 2, 8.0) > ROWS
    assert plan.repeats == recipe.REPEATS
    assert plan.model == recipe.student_model(alone.model, plan.synthetic)
    assert plan.epochs == recipe.SYNTHETIC_EPOCHS * recipe.classifier_epochs(ROWS)
    assert (plan.balance, plan.character_dropout) == (
        recipe.STUDENT_BALANCE,
        recipe.STUDENT_CHARACTER_DROPOUT,
    )
    assert plan.training == recipe.student_training(alone.training)


def test_teachers_are_as_networks_without_teachers(decided: Decided) -> None:
    plan, alone = decided(ensemble=2), decided()
    assert ClassifierConfig(**plan.teacher["model"]) == alone.model
    assert TrainingConfig(**plan.teacher["training"]) == alone.training
    assert plan.teacher["epochs"] == alone.epochs
    assert plan.teacher["balance"] == alone.balance
    assert plan.teacher["character_dropout"] == alone.character_dropout


def test_balance_and_training_that_were_asked_for_are_the_students_too(decided: Decided) -> None:
    plan = decided(ensemble=2, balance=0.4, training={"batch": 3})
    assert plan.balance == plan.teacher["balance"] == 0.4
    assert plan.training.batch == plan.teacher["training"]["batch"] == 3


def test_student_of_long_texts(tmp_path: Path, run: Run) -> None:
    """It reads no synthetic texts, and learns as older versions did."""
    path = tmp_path / "long.csv"
    path.write_text("".join(f"{'abcdefgh' * 10}{i},{'xy'[i % 2]}\n" for i in range(40)))
    data = store_data(run, ClassifierRequest(data=(str(path),)))
    plan = decide(ClassifierRequest(ensemble=1), ("long.csv",), data, SETTINGS)
    assert (plan.synthetic, plan.repeats) == (0, 1)
    alone = decide(ClassifierRequest(), ("long.csv",), data, SETTINGS)
    assert plan.model == recipe.student_model(alone.model)
    assert (plan.training, plan.balance) == (alone.training, alone.balance)
    assert alone.epochs
    assert plan.epochs == recipe.STUDENT_EPOCHS * alone.epochs


def test_ensemble_of_an_older_version(decided: Decided) -> None:
    config = decided(ensemble=2).to_config()
    for key in ("synthetic", "repeats"):
        del config[key]
    plan = ClassifierPlan.from_config(config)
    assert (plan.synthetic, plan.repeats) == (0, 1)


def test_width_that_was_asked_for_is_the_students_too(decided: Decided) -> None:
    plan = decided(ensemble=2, model={"hidden": 30})
    assert plan.model.hidden == plan.teacher["model"]["hidden"] == 30
