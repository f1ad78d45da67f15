"""Runs written from a request and rebuilt from their folder alone."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnn_train import pipeline
from rnn_train.errors import DataError, RunError
from rnn_train.evaluation.language_model import held_out_loss
from rnn_train.tasks.charlm import recipe
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training import checkpoint
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

TINY = {"hidden": 8, "embedding": 4}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create("charlm", tmp_path / "run")
    yield run
    run.close()


SETTINGS = Settings(device="cpu", out="x.onnx")


def charlm(run: Run, data: Path, **more: Any) -> CharLMTask:
    model = {} if "init_from" in more else TINY
    options: dict[str, Any] = {"model": model, "epochs": 1.0, **more}
    return CharLMTask.create(run, CharLMRequest(data=(str(data),), **options), SETTINGS)


def test_charlm_config(run: Run, story: Path) -> None:
    task = charlm(run, story, model={"hidden": 9}, training={"batch": 3, "window": 7}, seed=5)
    config = run.config()
    assert config["command"] == "charlm"
    assert config["data"] == [str(story)]
    assert config["characters"] == 4000
    assert config["vocabulary"] == "".join(sorted(set(story.read_text())))
    assert config["model"]["hidden"] == 9
    assert (config["training"]["batch"], config["training"]["seed"]) == (3, 5)
    assert (config["minutes"], config["epochs"]) == (None, 1.0)
    assert (config["out"], config["init_from"]) == ("x.onnx", None)
    assert task.steps_per_epoch == 3600 // 3 // 7


def test_charlm_is_rebuilt_from_its_folder(run: Run, story: Path) -> None:
    task, again = charlm(run, story), CharLMTask(run)
    for left, right in ((task.data.train, again.data.train),):
        assert np.array_equal(left, right)
    assert task.data.corpus.vocabulary == again.data.corpus.vocabulary
    assert task.model.config == again.model.config
    assert task.plan.training == again.plan.training


def test_charlm_duration_is_chosen(run: Run, story: Path) -> None:
    charlm(run, story, epochs=None)
    assert run.config()["minutes"] == recipe.charlm_minutes(4000, "cpu")


def test_charlm_minutes_asked_for(run: Run, story: Path) -> None:
    charlm(run, story, epochs=None, minutes=0.5)
    assert (run.config()["minutes"], run.config()["epochs"]) == (0.5, None)


def test_charlm_held_out_text(run: Run, story: Path, tmp_path: Path) -> None:
    held = tmp_path / "held.txt"
    held.write_text("the fox sees a tree.\n" * 3)
    task = charlm(run, story, val_data=str(held))
    assert len(task.data.train) == 4000, "all of the text is trained on"
    assert task.measure(task.model).metrics["held_out_characters"] == 63


def test_leftovers_of_an_attempt_that_died_are_not_taken(run: Run, story: Path) -> None:
    (run.folder / "held_out.bin").write_bytes(b"\0" * 50)
    (run.folder / "initial.ckpt").write_bytes(b"weights")
    task = charlm(run, story)
    assert len(task.data.train) == 3600


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "0 characters"), ("t", "1 characters"), ("the Ж", "'Ж'")],
)
def test_charlm_held_out_text_is_refused(
    run: Run, story: Path, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "held.txt").write_text(content)
    with pytest.raises(DataError, match=rf"held\.txt: .*{message}"):
        charlm(run, story, val_data=str(tmp_path / "held.txt"))
    assert not (run.folder / "config.json").exists()


def test_charlm_without_held_out_text(run: Run, story: Path) -> None:
    task = charlm(run, story, val_fraction=0.0, temperature=1.2)
    result = task.measure(task.model)
    assert (result.metrics, result.temperature) == ({}, 1.2)
    assert task.card(result).temperature == 1.2
    assert not task.warnings
    objective = task.objective(torch.device("cpu"))
    assert set(objective.validate(task.model.eval())) == {"sample"}


def test_how_sure_a_model_may_be_is_unknown_without_held_out_data(run: Run, story: Path) -> None:
    assert "--temperature" in charlm(run, story, val_fraction=0.0).warnings[0]
    assert not charlm(run, story).warnings


@pytest.mark.parametrize(("text", "start"), [("ab\n" * 500, "\n"), ("ba" * 600, "b")])
def test_charlm_start(run: Run, tmp_path: Path, text: str, start: str) -> None:
    (tmp_path / "text.txt").write_text(text)
    task = charlm(run, tmp_path / "text.txt")
    assert task.card(task.measure(task.model)).start == start


def test_charlm_verdict(run: Run, story: Path) -> None:
    task = charlm(run, story)
    result = task.measure(task.model.eval())
    nats = result.metrics["held_out_nats_per_char"]
    assert result.metrics["held_out_bits_per_char"] == pytest.approx(nats / np.log(2))
    even = held_out_loss(task.model, task.data.held_out)
    assert nats < even, "the temperature is fitted"
    assert nats == held_out_loss(task.model, task.data.held_out, temperature=result.temperature)
    card = task.card(result)
    assert card.training["data_sha256"] == run.config()["sha256"]
    assert card.training["held_out_nats_per_char"] == round(nats, 4)


def test_charlm_folds_rare_characters(run: Run, story: Path) -> None:
    story.write_text(story.read_text() + "Ж")
    task = charlm(run, story, min_count=2)
    assert task.data.corpus.unknown == run.config()["unknown"] is not None


# --- fine-tuning ----------------------------------------------------------------------


@pytest.fixture
def sequel(tmp_path: Path) -> Path:
    path = tmp_path / "sequel.txt"
    path.write_text("my dog likes the moon.\n" * 60)
    return path


def test_init_from(run: Run, finished: TrainingReport, sequel: Path) -> None:
    task = charlm(run, sequel, model={"dropout_output": 0.0}, init_from=finished.run)
    state, _ = checkpoint.load_latest(finished.run / "checkpoints")
    base = checkpoint.averaged_weights(state)
    for name, value in task.model.state_dict().items():
        assert torch.equal(value, base[name]), name
    before = json.loads((finished.run / "config.json").read_text())
    config = run.config()
    assert config["vocabulary"] == before["vocabulary"], "tokens mean what they meant"
    assert config["model"] == before["model"] | {"dropout_output": 0.0}
    assert config["init_from"] == str(finished.run)
    assert config["training"]["learning_rate"] < before["training"]["learning_rate"]
    assert (
        "".join(task.data.corpus.vocabulary[t] for t in task.data.corpus.tokens)
        == sequel.read_text()
    )


def test_init_from_needs_the_other_run_no_more(
    run: Run, finished: TrainingReport, sequel: Path, tmp_path: Path
) -> None:
    base = Path(shutil.copytree(finished.run, tmp_path / "base"))
    task = charlm(run, sequel, init_from=base)
    shutil.rmtree(base)
    again = CharLMTask(run)
    for name, value in task.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def test_init_from_goes_on_where_it_was(finished: TrainingReport, story: Path) -> None:
    """On the same text the first loss of a fine-tuned run is about the last of its base."""
    report = pipeline.train(
        CharLMRequest(
            data=(str(story),),
            epochs=0.05,
            init_from=finished.run,
            training={"batch": 4, "window": 16},
        ),
        Path("tuned.onnx"),
        folder=Path("tuned"),
        device="cpu",
        log=lambda _: None,
    )
    before = finished.metrics["held_out_nats_per_char"]
    assert report.metrics["held_out_nats_per_char"] == pytest.approx(before, abs=0.1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Жz\n" + "my dog " * 200, r"sequel\.txt: 2 characters are not in .*: 'z' 'Ж';"),
        ("my dog", r"sequel\.txt: 6 characters of text; at least 1000"),
    ],
)
def test_init_from_text_that_does_not_fit(
    run: Run, finished: TrainingReport, sequel: Path, content: str, message: str
) -> None:
    sequel.write_text(content)
    with pytest.raises(DataError, match=message):
        charlm(run, sequel, init_from=finished.run)
    assert not (run.folder / "config.json").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"model": {"hidden": 24}}, "hidden 12, which stays; drop --hidden"),
        ({"model": {"skip": False}}, "skip True, which stays; drop --skip"),
        ({"model": {"layers": 3}}, "drop --layers"),
        ({"min_count": 2}, "drop --min-count"),
    ],
)
def test_init_from_options_that_do_not_fit(
    run: Run, finished: TrainingReport, sequel: Path, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        charlm(run, sequel, init_from=finished.run, **more)


def test_init_from_a_classifier(
    run: Run, finished_classifier: TrainingReport, sequel: Path
) -> None:
    with pytest.raises(RunError, match="no charlm run"):
        charlm(run, sequel, init_from=finished_classifier.run)


def test_init_from_nothing(run: Run, sequel: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        charlm(run, sequel, init_from=Path("gone"))
