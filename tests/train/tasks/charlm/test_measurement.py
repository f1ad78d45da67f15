"""How good a character model is on its held-out text, and what its file says about that."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnn_infer.runtime.stepper import Stepper
from rnn_train.evaluation.language_model import held_out_loss
from rnn_train.run_task import finished_task
from rnn_train.tasks.charlm import measurement
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.task import HeldOutResult
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

Create = Callable[..., CharLMTask]


def test_loss_is_that_at_the_fitted_temperature(run: Run, create: Create, story: Path) -> None:
    task = create(story)
    result = task.measure(task.model.eval())
    nats = result.metrics["held_out_nats_per_char"]
    assert result.metrics["held_out_bits_per_char"] == pytest.approx(nats / np.log(2))
    plain = held_out_loss(task.model, task.data.held_out)
    assert nats < plain, "the temperature is fitted"
    assert nats == held_out_loss(task.model, task.data.held_out, temperature=result.temperature)
    card = task.card(result)
    assert card.training["data_sha256"] == run.config()["sha256"]
    assert card.training["held_out_nats_per_char"] == round(nats, 4)


def test_frequencies_of_the_characters(create: Create, tmp_path: Path) -> None:
    """A model that has learnt nothing is told so. Here "a" is three times as frequent as "b"."""
    (tmp_path / "text.txt").write_text("aaab" * 500)
    (tmp_path / "held.txt").write_text("b" + "aaab" * 50)
    task = create(tmp_path / "text.txt", val_data=str(tmp_path / "held.txt"))
    result = task.measure(task.model.eval())
    shares = np.array([1501, 501]) / 2002
    expected = -(shares * np.log(shares)).sum()
    found = result.metrics["character_frequencies_nats_per_char"]
    assert found == pytest.approx(expected, abs=1e-3)
    assert sum("no better than the frequencies" in each for each in result.warnings) == 1


def test_trained_model_is_better_than_the_frequencies(finished: TrainingReport) -> None:
    metrics = finished.metrics
    assert metrics["held_out_nats_per_char"] < metrics["character_frequencies_nats_per_char"]


@pytest.mark.parametrize("teachers", [0, 2])
def test_model_card(create: Create, story: Path, teachers: int) -> None:
    data = create(story).data
    result = HeldOutResult({"held_out_nats_per_char": 1.23456}, 0.9)
    card = measurement.model_card(data, result, teachers)
    assert (card.vocabulary, card.start, card.temperature) == (data.corpus.vocabulary, "\n", 0.9)
    assert card.training["held_out_nats_per_char"] == 1.2346
    assert card.training.get("teachers") == (teachers or None)


def test_loss_of_a_file(finished: TrainingReport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the training text if too little is held out: here 400 characters are, in one piece."""
    stepper = Stepper.open(finished.out)
    with finished_task(finished.run) as task:
        assert isinstance(task, CharLMTask)
        data, result = task.data, task.measure(task.model)
        train, nats = (
            held_out_loss(task.model, text, 1, result.temperature)
            for text in (data.corpus.tokens[:1800], data.held_out)
        )
        assert measurement.loss_of_file(stepper, data) == pytest.approx(train, abs=0.05)
        monkeypatch.setattr(measurement, "_LOSS_CHARACTERS", 3000)
        assert measurement.loss_of_file(stepper, data) == pytest.approx(nats, abs=1e-4)
        assert abs(train - nats) > 1e-3
