"""What exported character models expect, and a run that learns it."""

import json
import os
import shutil
import signal
from collections import namedtuple
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from rnn_infer.runtime import streams
from rnn_infer.runtime.stepper import Stepper
from rnn_train import pipeline
from rnn_train.data.corpus import build_corpus
from rnn_train.data.sources import TextFile
from rnn_train.data.streams import ArrayRing
from rnn_train.distillation.teachers import Teachers, open_soft_targets
from rnn_train.errors import DataError, RunError
from rnn_train.tasks.charlm import recipe
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training import checkpoint
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def other(finished: TrainingReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second teacher, of another shape, of the text of `finished`."""
    folder = tmp_path_factory.mktemp("other")
    return learn(finished.run.parent / "story.txt", folder / "run", seed=1).out


def learn(data: Path, folder: Path, *files: Path, **more: Any) -> TrainingReport:
    options: dict[str, Any] = {"epochs": 1.0, **more}
    log = options.pop("log", lambda _: None)
    request = CharLMRequest(
        data=(str(data),),
        model={"hidden": 16, "embedding": 4},
        training={"batch": 4, "window": 16},
        teachers=files,
        **options,
    )
    out = folder.parent / f"{folder.name}.onnx"
    return pipeline.train(request, out, folder=folder, device="cpu", threads=1, log=log)


def create(folder: Path, data: Path, *files: Path, **more: Any) -> CharLMTask:
    run = Run.create("charlm", folder)
    try:
        request = CharLMRequest(data=(str(data),), teachers=files, **({"epochs": 1.0} | more))
        return CharLMTask.create(run, request, Settings(device="cpu"))
    finally:
        run.close()


# --- answers --------------------------------------------------------------------------


def expected(file: Path, tokens: np.ndarray) -> np.ndarray:
    """Probabilities after each token of a ring, all read in one go."""
    stepper = Stepper.open(file)
    before = tokens[-256:]
    read = np.concatenate([before, tokens])[None].astype(np.int64)
    logits, _ = stepper.forward(read, stepper.zeros(1))
    return torch.softmax(torch.from_numpy(logits[0, len(before) :]), -1).numpy()


@pytest.mark.parametrize("length", [1000, 1023, 3600])
def test_answers_are_the_geometric_mean_of_what_is_expected(
    finished: TrainingReport, other: Path, story: Path, tmp_path: Path, length: int
) -> None:
    tokens = build_corpus([TextFile(story)], tmp_path / "corpus.bin").tokens[:length]
    path = tmp_path / "answers.bin"
    asked = Teachers([finished.out, other])
    asked.write_soft_targets(tokens, path)
    answers = open_soft_targets(path, len(asked.vocabulary))
    assert answers.shape == (length, len(asked.vocabulary))
    product = expected(finished.out, tokens) * expected(other, tokens)
    mean = product**0.5 / (product**0.5).sum(-1, keepdims=True)
    # What stands a few hundred characters back moves these models little, but it does.
    assert np.abs(answers - mean).max() < 2e-3
    assert np.abs(answers.astype(np.float64).sum(-1) - 1).max() < 2e-3


@pytest.mark.parametrize("numbers", [1, 7 * 19, 2**22])
def test_answers_do_not_depend_on_how_much_is_read_at_once(
    finished: TrainingReport,
    story: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    numbers: int,
) -> None:
    tokens = build_corpus([TextFile(story)], tmp_path / "corpus.bin").tokens[:1200]
    asked = Teachers([finished.out])
    asked.write_soft_targets(tokens, tmp_path / "whole.bin")
    monkeypatch.setattr(streams, "_CHUNK_LOGITS", numbers * 4)
    asked.write_soft_targets(tokens, tmp_path / "parts.bin")
    assert (tmp_path / "parts.bin").read_bytes() == (tmp_path / "whole.bin").read_bytes()


def test_ring_of_a_mapped_table(tmp_path: Path) -> None:
    table = np.arange(60, dtype=np.float16).reshape(20, 3)
    table.tofile(tmp_path / "table.bin")
    mapped = open_soft_targets(tmp_path / "table.bin", 3)
    assert isinstance(mapped, np.memmap)
    starts = np.array([0, 7, 15, 18])
    rows = ArrayRing(mapped).rows(starts, 5)
    assert np.array_equal(rows, ArrayRing(table).rows(starts, 5))
    assert np.array_equal(rows[3], table[[18, 19, 0, 1, 2]])


def test_teachers_that_cannot_teach(
    finished: TrainingReport, finished_classifier: TrainingReport, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no character model"):
        Teachers([finished_classifier.out])
    (tmp_path / "text.txt").write_text("abc\n" * 500)
    foreign = learn(tmp_path / "text.txt", tmp_path / "foreign").out
    with pytest.raises(DataError, match=r"foreign\.onnx has another vocabulary than .*model\.onnx"):
        Teachers([finished.out, foreign])


def test_no_room(
    finished: TrainingReport, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = create(tmp_path / "run", story, finished.out)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(RunError, match=r"take 0\.0 GB, and 0\.0 GB are free; give a --run folder"):
        task.prepare(CPU, lambda _: None)
    assert not (tmp_path / "run" / "answers.bin").exists()


# --- a run that learns them -----------------------------------------------------------


def test_run_has_its_teachers_with_it(
    finished: TrainingReport, story: Path, tmp_path: Path
) -> None:
    file = Path(shutil.copy(finished.out, tmp_path / "teacher.onnx"))
    create(tmp_path / "run", story, file)
    file.unlink()
    run = Run.open(tmp_path / "run")
    task = CharLMTask(run)
    task.prepare(CPU, lambda _: None)
    answers = open_soft_targets(run.folder / "answers.bin", len(task.data.corpus.vocabulary))
    assert len(answers) == len(task.data.train) == 3600, "held-out text is not asked about"
    assert run.config()["teachers"] == [str(file)]
    assert task.card(task.measure(task.model.eval())).training["teachers"] == 1
    run.close()


def test_vocabulary_is_the_teachers(finished: TrainingReport, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a fox\n" * 200)
    task = create(tmp_path / "run", text, finished.out)
    known = json.loads((finished.run / "config.json").read_text())["vocabulary"]
    assert "".join(task.data.corpus.vocabulary) == known
    text.write_text("a fox Ж\n" * 200)
    with pytest.raises(DataError, match="not in the model's vocabulary: 'Ж'"):
        create(tmp_path / "foreign", text, finished.out)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_loss(finished: TrainingReport, story: Path, tmp_path: Path, weight: float) -> None:
    task = create(tmp_path / "run", story, finished.out, model={"dropout_output": 0.0})
    task.prepare(CPU, lambda _: None)
    objective = task.objective(CPU)
    assert isinstance(objective, CharLMObjective)
    objective._teacher_weight = weight
    loss, _ = objective.loss(5)
    cut = task._streams
    tokens = torch.from_numpy(cut.window(5)[0]).long()
    places = torch.from_numpy(cut.aligned(ArrayRing(np.arange(3600)), 5))
    assert np.array_equal(task.data.train[places], tokens[:, :-1])
    table = open_soft_targets(tmp_path / "run" / "answers.bin", len(task.data.corpus.vocabulary))
    goals = torch.from_numpy(np.array(table[places])).float()
    with torch.no_grad():
        logits, _ = task.model(tokens[:, :-1], task.model.zeros(len(tokens)))
    hard = cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    soft = -(goals * torch.log_softmax(logits, -1)).sum(-1).mean()
    assert loss.item() == pytest.approx((weight * soft + (1 - weight) * hard).item(), abs=1e-4)


def test_student_takes_after_its_teacher(
    other: Path, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is nearer to it than one that learns from the text alone."""
    monkeypatch.setattr(recipe, "TEACHER_WEIGHT", 1.0)
    report = learn(story, tmp_path / "student", other, epochs=15.0)
    tokens = build_corpus([TextFile(story)], tmp_path / "corpus.bin").tokens[:2000]
    student, teacher = expected(report.out, tokens), expected(other, tokens)
    alone = learn(story, tmp_path / "alone", epochs=15.0)
    distances = [np.abs(each - teacher).mean() for each in (student, expected(alone.out, tokens))]
    assert distances[0] < distances[1] / 2


def test_interrupted_run_ends_the_same(
    finished: TrainingReport,
    other: Path,
    story: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = learn(story, tmp_path / "whole", finished.out, other)
    plain = CharLMObjective.loss

    def die(own: CharLMObjective, step: int) -> tuple[torch.Tensor, int]:
        if step == 20:
            raise KeyboardInterrupt
        return plain(own, step)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CharLMObjective, "loss", die)
        learn(story, tmp_path / "run", finished.out, other)
    again = pipeline.resume(tmp_path / "run", log=lambda _: None)
    assert again.out.read_bytes() == whole.out.read_bytes()


def test_interrupted_while_they_read(
    finished: TrainingReport, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = learn(story, tmp_path / "whole", finished.out)
    plain = Stepper.forward

    def die(own: Stepper, tokens: Any, state: Any) -> Any:
        if tokens.shape[1] < streams.MAX_CHUNK:  # the last
            raise KeyboardInterrupt
        return plain(own, tokens, state)

    said: list[str] = []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(streams, "MAX_CHUNK", 128)
        patch.setattr(Stepper, "forward", die)
        learn(story, tmp_path / "run", finished.out, log=said.append)
    assert said[-1] == f"interrupted; go on with: rnn-train charlm --resume {tmp_path / 'run'}"
    assert not (tmp_path / "run" / "answers.bin").exists()
    again = pipeline.resume(tmp_path / "run", log=lambda _: None)
    assert again.out.read_bytes() == whole.out.read_bytes()


def test_other_answers_are_refused(finished: TrainingReport, story: Path, tmp_path: Path) -> None:
    report = learn(story, tmp_path / "run", finished.out)
    path = report.run / "answers.bin"
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(RunError, match=r"changed since the last checkpoint: answers\.bin"):
        pipeline.resume(report.run, log=lambda _: None)


def test_left_answers_are_not_taken(finished: TrainingReport, story: Path, tmp_path: Path) -> None:
    whole = learn(story, tmp_path / "whole", finished.out)
    (tmp_path / "run" / "teachers").mkdir(parents=True)
    (tmp_path / "run" / "teachers" / "2.onnx").write_bytes(b"another's")
    path = whole.run / "answers.bin"
    (tmp_path / "run" / "answers.bin").write_bytes(path.read_bytes()[::-1])
    learn(story, tmp_path / "run", finished.out)
    assert (tmp_path / "run" / "answers.bin").read_bytes() == path.read_bytes()
    assert not (tmp_path / "run" / "teachers" / "2.onnx").exists()


def test_options_that_do_not_fit(finished: TrainingReport, story: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="drop --min-count"):
        create(tmp_path / "run", story, finished.out, min_count=2)
    (tmp_path / "text.txt").write_text("abc\n" * 500)
    foreign = learn(tmp_path / "text.txt", tmp_path / "foreign")
    with pytest.raises(RunError, match="foreign and .* have different vocabularies"):
        create(tmp_path / "other", story, finished.out, init_from=foreign.run)


def test_fine_tuned_by_a_teacher(finished: TrainingReport, other: Path, story: Path) -> None:
    request = CharLMRequest(
        data=(str(story),), epochs=1.0, init_from=finished.run, teachers=(other,)
    )
    report = pipeline.train(request, Path("tuned.onnx"), device="cpu", log=lambda _: None)
    assert report.finished


# --- an ensemble of its own -----------------------------------------------------------


def test_ensemble(finished: TrainingReport, story: Path, tmp_path: Path) -> None:
    """Teachers of its own beside one that is given; they are trained apart, with dropout."""
    said: list[str] = []
    report = learn(story, tmp_path / "run", finished.out, ensemble=2, epochs=8.0, log=said.append)
    assert [line for line in said if "teacher" in line] == [
        "teacher 1 of 2",
        "teacher 2 of 2",
        "3 teachers read the text (3,600 characters)",
    ]
    folder = report.run / "teachers"
    assert (folder / "1.onnx").read_bytes() == finished.out.read_bytes()
    own = [Stepper.open(folder / f"{n}.onnx").file.metadata.training for n in (2, 3)]
    student = Stepper.open(report.out).file.metadata.training
    assert student["teachers"] == 3
    assert "teachers" not in own[0]
    assert (own[0]["model.dropout_input"], student["model.dropout_input"]) == (0.06, 0)
    assert own[0]["model.hidden"] == student["model.hidden"] == 16
    assert own[0]["held_out_nats_per_char"] != own[1]["held_out_nats_per_char"]


@pytest.mark.parametrize("step", [5, 61, 130])
def test_interrupted_ensemble_ends_the_same(
    story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """In its first teacher, its second, and itself: 56 steps each."""
    whole = learn(story, tmp_path / "whole", ensemble=2)
    plain, steps = CharLMObjective.loss, iter(range(1000))

    def die(own: CharLMObjective, number: int) -> tuple[torch.Tensor, int]:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(own, number)

    said: list[str] = []
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(CharLMObjective, "loss", die)
        assert not learn(story, tmp_path / "run", ensemble=2, log=said.append).finished
    assert "interrupted; go on with: rnn-train charlm --resume" in said[-1]
    again = pipeline.resume(tmp_path / "run", log=lambda _: None)
    assert again.finished
    assert again.out.read_bytes() == whole.out.read_bytes()


def test_minutes_hold_the_ensemble(story: Path, tmp_path: Path) -> None:
    report = learn(story, tmp_path / "run", ensemble=2, epochs=None, minutes=0.15)
    runs = [report.run, report.run / "teachers" / "1", report.run / "teachers" / "2"]
    states = [checkpoint.load_latest(run / "checkpoints")[0] for run in runs]
    planned = [state["plan"]["minutes"] for state in states]
    assert planned[1:] == pytest.approx([0.05, 0.05])
    assert 0 < planned[0] < 0.05


def test_duration_that_is_chosen_is_for_each_network(story: Path, tmp_path: Path) -> None:
    task = create(tmp_path / "run", story, ensemble=2, epochs=None)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    each = recipe.charlm_minutes(4000, "cpu")
    assert (config["minutes"], config["lesson"]["minutes"]) == (3 * each, each)
    assert task.plan.training == recipe.charlm_training(
        4000, each, recipe.operations_a_second("cpu"), 0
    )


def test_teachers_hold_out_where_nothing_is(story: Path, tmp_path: Path) -> None:
    """They know how sure they may be, so that their student need not be told."""
    said: list[str] = []
    report = learn(story, tmp_path / "run", ensemble=1, val_fraction=0.0, log=said.append)
    facts = Stepper.open(report.run / "teachers" / "1.onnx").file.metadata.training
    assert facts["held_out_characters"] == 200
    assert facts["temperature"] != 1
    answers = open_soft_targets(report.run / "answers.bin", len(job_vocabulary(report)))
    assert len(answers) == 4000
    assert not report.metrics
    assert not any("warning" in line for line in said)


def job_vocabulary(report: TrainingReport) -> str:
    vocabulary: str = json.loads((report.run / "config.json").read_text())["vocabulary"]
    return vocabulary


def test_fine_tuned_ensemble_is_refused(
    finished: TrainingReport, story: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="takes no --ensemble; give it the models as --teacher"):
        create(tmp_path / "run", story, init_from=finished.run, ensemble=1)
