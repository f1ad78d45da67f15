"""A character model's text: written into the run folder, opened again, and split."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnn_train.errors import DataError, RunError
from rnn_train.tasks.charlm.data import open_data, sources_of
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

Create = Callable[..., CharLMTask]


def test_held_out_text_of_its_own(create: Create, story: Path, tmp_path: Path) -> None:
    held = tmp_path / "held.txt"
    held.write_text("the fox sees a tree.\n" * 3)
    task = create(story, val_data=str(held))
    assert len(task.data.train) == 4000, "the whole text is for training"
    assert task.measure(task.model).metrics["held_out_characters"] == 63


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "0 characters"), ("t", "1 character "), ("the Ж", "'Ж'")],
)
def test_held_out_text_is_refused(
    run: Run, create: Create, story: Path, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "held.txt").write_text(content)
    with pytest.raises(DataError, match=rf"held\.txt: .*{message}"):
        create(story, val_data=str(tmp_path / "held.txt"))
    assert not (run.folder / "config.json").exists()


@pytest.mark.parametrize(("text", "start"), [("ab\n" * 500, "\n"), ("ba" * 600, "b")])
def test_token_of_an_empty_prompt(create: Create, tmp_path: Path, text: str, start: str) -> None:
    (tmp_path / "text.txt").write_text(text)
    task = create(tmp_path / "text.txt")
    assert task.card(task.measure(task.model)).start == start


def test_rare_characters_become_the_unknown_token(run: Run, create: Create, story: Path) -> None:
    story.write_text(story.read_text() + "Ж")
    task = create(story, min_count=2)
    assert task.data.corpus.unknown == run.config()["unknown"] is not None


def test_text_is_opened_as_it_was_written(run: Run, create: Create, story: Path) -> None:
    task = create(story, val_fraction=0.25)
    data = open_data(run, task.plan)
    vocabulary = data.corpus.vocabulary
    text = story.read_text()
    assert "".join(vocabulary[token] for token in data.corpus.tokens) == text
    assert (len(data.train), len(data.held_out), data.pieces) == (3000, 1000, 2)
    held_out = "".join(vocabulary[token] for token in data.held_out)
    assert held_out == text[750:1250] + text[2750:3250]
    assert "".join(vocabulary[token] for token in data.train) == (
        text[:750] + text[1250:2750] + text[3250:]
    )


def test_older_run_holds_out_its_end(run: Run, create: Create, story: Path) -> None:
    plan = dataclasses.replace(create(story, val_fraction=0.25).plan, spread=False)
    data = open_data(run, plan)
    assert np.array_equal(data.train, data.corpus.tokens[:3000])
    assert np.array_equal(data.held_out, data.corpus.tokens[3000:])
    assert data.pieces == 0, "it is never learnt"


@pytest.mark.parametrize("val_data", [False, True])
def test_documents(create: Create, tmp_path: Path, val_data: bool) -> None:
    names = [f"{a}{b}{c}" for a in "klmnp" for b in "aeiou" for c in ("ra", "ton", "fik", "bu")]
    text, held = tmp_path / "names.txt", tmp_path / "held.txt"
    text.write_text("\n".join(names * 4))
    held.write_text("\n\nkara\nleton\n")
    own = {"val_data": str(held)} if val_data else {"val_fraction": 0.3}
    data = create(text, documents="line", **own).data
    vocabulary = data.corpus.vocabulary
    assert data.start == data.mark == vocabulary.index("\n")
    rows = [data.corpus.tokens[a + 1 : b] for a, b in data.parts]
    train = {"".join(vocabulary[t] for t in row) for row in rows}
    held_out = "".join(vocabulary[t] for t in data.held_out).split("\n")
    assert train <= set(names)
    if val_data:
        assert held_out == ["", "kara", "leton", ""]
        assert train == set(names)
    else:
        assert not train & set(held_out)
        assert len(data.whole().parts) == len(names) * 4


@pytest.mark.parametrize(("fraction", "expected"), [(0.0, False), (0.0005, True)])
def test_two_held_out_characters_are_enough(
    create: Create, story: Path, fraction: float, expected: bool
) -> None:
    assert create(story, val_fraction=fraction).data.has_held_out is expected


def test_default_source() -> None:
    assert sources_of(CharLMRequest()) == ("python",)
    assert sources_of(CharLMRequest(data=("a.txt", "b.txt"))) == ("a.txt", "b.txt")


# --- a vocabulary that is kept ---------------------------------------------------------


def test_vocabulary_is_the_teachers(
    run: Run, create: Create, finished: TrainingReport, tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a fox\n" * 200)
    create(text, teachers=(finished.out,))
    config = json.loads((finished.run / "config.json").read_text())
    assert run.config()["vocabulary"] == config["vocabulary"]
    text.write_text("a fox Ж\n" * 200)
    with pytest.raises(DataError, match="outside the model's vocabulary: 'Ж'"):
        create(text, teachers=(finished.out,))


def test_rare_characters_of_a_teacher_are_kept(
    create: Create, finished: TrainingReport, story: Path
) -> None:
    with pytest.raises(RunError, match="--teacher keeps the vocabulary as it is; drop --min-count"):
        create(story, teachers=(finished.out,), min_count=2)
    with pytest.raises(RunError, match="--init-from keeps the vocabulary .*; drop --min-count"):
        create(story, init_from=finished.run, min_count=2)


def test_warm_start_and_teacher_of_different_vocabularies(
    create: Create, finished: TrainingReport, foreign: TrainingReport, story: Path
) -> None:
    with pytest.raises(RunError, match=r"foreign.* and .*model\.onnx have different vocabularies"):
        create(story, teachers=(finished.out,), init_from=foreign.run)


def test_text_that_does_not_fit_a_warm_start(
    run: Run, create: Create, finished: TrainingReport, tmp_path: Path
) -> None:
    sequel = tmp_path / "sequel.txt"
    sequel.write_text("my dog")
    with pytest.raises(DataError, match=r"sequel\.txt: 6 characters of text; at least 1000"):
        create(sequel, init_from=finished.run)
    sequel.write_text("Жz\n" + "my dog " * 200)
    with pytest.raises(DataError, match=r"2 characters outside .*: 'z' 'Ж';"):
        create(sequel, init_from=finished.run, teachers=(finished.out,))
    assert not (run.folder / "config.json").exists()
