"""What is decided for a character model, and how `config.json` keeps it."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnn_train.data.corpus import build_corpus
from rnn_train.data.sources import TextFile
from rnn_train.distillation.teacher_plan import TeacherPlan
from rnn_train.distillation.warm_start import WarmStart
from rnn_train.models.charlm import CharLSTMConfig
from rnn_train.tasks.charlm import recipe
from rnn_train.tasks.charlm.plan import CharLMPlan, decide
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import CharLMRequest

SETTINGS = Settings(device="cpu", threads=2, out="x.onnx", sources={"a.txt": "0" * 64})
CHARACTERS = 4000


@pytest.fixture
def decided(story: Path, tmp_path: Path) -> Callable[..., CharLMPlan]:
    """`decided(warm=None, **fields)`: the plan of a request for 4,000 characters."""
    corpus = build_corpus([TextFile(story)], tmp_path / "corpus.bin")

    def of(
        warm: WarmStart | None = None, settings: Settings = SETTINGS, **fields: Any
    ) -> CharLMPlan:
        return decide(CharLMRequest(**fields), ("a.txt",), corpus, warm, settings)

    return of


Decided = Callable[..., CharLMPlan]


def test_plan_is_read_back(decided: Decided) -> None:
    for fields in ({}, {"ensemble": 2, "epochs": 3.0}, {"teachers": (Path("a.onnx"),)}):
        plan = decided(**fields)
        kept = json.loads(json.dumps(plan.to_config()))
        assert CharLMPlan.from_config(kept) == plan


def test_keys_of_the_config(decided: Decided) -> None:
    """Run folders of all versions have these keys."""
    config = decided(ensemble=1).to_config()
    assert config["lesson"] == dataclasses.asdict(decided(ensemble=1).teacher_plan)
    assert config["teachers_say"] == recipe.TEACHER_WEIGHT
    assert not {"teacher_plan", "teacher_weight"} & set(config)
    assert (config["device"], config["threads"], config["out"]) == ("cpu", 2, "x.onnx")
    assert config["sources"] == SETTINGS.sources


def test_config_of_an_older_version(decided: Decided) -> None:
    config = decided().to_config()
    for key in ("lesson", "teachers_say", "teachers", "temperature"):
        del config[key]
    plan = CharLMPlan.from_config(config)
    assert (plan.temperature, plan.teachers, plan.teacher_weight) == (1.0, (), 0.0)
    assert plan.teacher_plan == TeacherPlan()


def test_key_of_a_newer_version_is_ignored(decided: Decided) -> None:
    plan = decided()
    assert CharLMPlan.from_config(plan.to_config() | {"later": 1}) == plan


@pytest.mark.parametrize("key", ["command", "vocabulary", "sha256", "model", "training", "minutes"])
def test_missing_key(decided: Decided, key: str) -> None:
    config = decided().to_config()
    del config[key]
    with pytest.raises(KeyError, match=key):
        CharLMPlan.from_config(config)


def test_recipe_fills_in_what_is_open(decided: Decided) -> None:
    plan = decided()
    minutes = recipe.charlm_minutes(CHARACTERS, "cpu")
    speed = recipe.operations_a_second("cpu")
    vocabulary = len(plan.vocabulary)
    assert (plan.command, plan.data, plan.characters) == ("charlm", ("a.txt",), CHARACTERS)
    assert (plan.minutes, plan.epochs) == (minutes, None)
    assert plan.model == recipe.charlm_model(vocabulary, CHARACTERS, speed, minutes=minutes)
    assert plan.training == recipe.charlm_training(CHARACTERS, minutes, speed, 0)


def test_request_comes_before_the_recipe(decided: Decided) -> None:
    plan = decided(model={"hidden": 9}, training={"batch": 3}, seed=5, val_fraction=0.2)
    default = decided(seed=5)
    assert plan.model == dataclasses.replace(default.model, hidden=9)
    assert plan.training == dataclasses.replace(default.training, batch=3)
    assert (plan.training.seed, plan.val_fraction) == (5, 0.2)


@pytest.mark.parametrize(
    ("minutes", "epochs"), [(0.5, None), (None, 3.0)], ids=["minutes", "epochs"]
)
def test_budget_that_was_asked_for(
    decided: Decided, minutes: float | None, epochs: float | None
) -> None:
    plan = decided(minutes=minutes, epochs=epochs)
    assert (plan.minutes, plan.epochs) == (minutes, epochs)


def test_default_budget_is_for_each_network(decided: Decided) -> None:
    plan, each = decided(ensemble=2), recipe.charlm_minutes(CHARACTERS, "cpu")
    assert (plan.minutes, plan.teacher_plan.minutes) == (3 * each, each)
    speed = recipe.operations_a_second("cpu")
    assert plan.training == recipe.charlm_training(CHARACTERS, each, speed, 0)


def test_processes_that_share_the_steps_count_as_threads(
    decided: Decided, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []

    def operations(_: str, processes: int) -> float:
        counted.append(processes)
        return 6e10

    monkeypatch.setattr(recipe, "operations_a_second", operations)
    three = dataclasses.replace(SETTINGS, processes=3)
    decided(settings=three)
    decided(settings=three, ensemble=6)  # each network has one process
    assert counted == [3, 1]


def test_minutes_are_shared_among_the_networks(decided: Decided) -> None:
    plan = decided(ensemble=2, minutes=6.0)
    assert (plan.minutes, plan.teacher_plan.minutes) == (6.0, 2.0)
    assert decided(ensemble=2, epochs=4.0).teacher_plan.epochs == 4.0


def test_teachers_have_more_dropout_than_their_student(decided: Decided) -> None:
    plan = decided(ensemble=1, epochs=100.0)
    teacher = CharLSTMConfig(**plan.teacher_plan.model)
    assert teacher == decided(epochs=100.0).model
    assert plan.model.dropout_output < teacher.dropout_output


def test_model_of_a_warm_start(decided: Decided) -> None:
    earlier = CharLSTMConfig(vocabulary=30, embedding=4, hidden=7, layers=1, dropout_output=0.4)
    warm = WarmStart(("a", "b"), None, earlier, {}, Path("runs/a"))
    plan = decided(warm, init_from=Path("runs/a"), model={"dropout_output": 0.0})
    assert plan.model == dataclasses.replace(
        earlier, dropout_output=0.0, vocabulary=plan.model.vocabulary
    )
    assert plan.init_from == "runs/a"
    rate = decided().training.learning_rate
    assert plan.training.learning_rate == rate * recipe.FINE_TUNING
