"""A character model's task that starts from the weights of an earlier run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rnn_train import pipeline
from rnn_train.errors import RunError
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training import checkpoint
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

Create = Callable[..., CharLMTask]


@pytest.fixture
def sequel(tmp_path: Path) -> Path:
    path = tmp_path / "sequel.txt"
    path.write_text("my dog likes the moon.\n" * 60)
    return path


def test_weights_and_vocabulary_are_those_of_the_earlier_run(
    run: Run, create: Create, finished: TrainingReport, sequel: Path
) -> None:
    task = create(sequel, model={"dropout_output": 0.0}, init_from=finished.run)
    state, _ = checkpoint.load_latest(finished.run / "checkpoints")
    earlier = checkpoint.averaged_weights(state)
    for name, value in task.model.state_dict().items():
        assert torch.equal(value, earlier[name]), name
    before = json.loads((finished.run / "config.json").read_text())
    config = run.config()
    assert config["vocabulary"] == before["vocabulary"], "a token stands for the same character"
    assert config["model"] == before["model"] | {"dropout_output": 0.0}
    assert config["init_from"] == str(finished.run)
    assert config["training"]["learning_rate"] < before["training"]["learning_rate"]
    assert (
        "".join(task.data.corpus.vocabulary[t] for t in task.data.corpus.tokens)
        == sequel.read_text()
    )


def test_earlier_run_is_no_longer_needed(
    run: Run, create: Create, finished: TrainingReport, sequel: Path, tmp_path: Path
) -> None:
    earlier = Path(shutil.copytree(finished.run, tmp_path / "earlier"))
    task = create(sequel, init_from=earlier)
    shutil.rmtree(earlier)
    again = CharLMTask(run)
    for name, value in task.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def test_training_goes_on_where_it_was(finished: TrainingReport, story: Path) -> None:
    """On the same text the first loss of a fine-tuned run is about the last loss of the earlier
    run."""
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


def test_shape_that_was_asked_for_is_checked(
    create: Create, finished: TrainingReport, sequel: Path
) -> None:
    with pytest.raises(RunError, match="hidden 12, which cannot change; drop --hidden"):
        create(sequel, init_from=finished.run, model={"hidden": 24})


def test_warm_start_with_a_teacher(
    finished: TrainingReport, second_teacher: Path, story: Path
) -> None:
    request = CharLMRequest(
        data=(str(story),), epochs=1.0, init_from=finished.run, teachers=(second_teacher,)
    )
    report = pipeline.train(request, Path("tuned.onnx"), device="cpu", log=lambda _: None)
    assert report.finished
    config = json.loads((report.run / "config.json").read_text())
    assert (config["init_from"], config["teachers"]) == (str(finished.run), [str(second_teacher)])
