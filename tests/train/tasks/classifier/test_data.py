"""A classifier's rows: read, split, written into the run folder and opened again."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from rnn_infer.classifier import Classifier
from rnn_train.data.row_store import ROW_FILES
from rnn_train.data.rows import Rows
from rnn_train.errors import DataError
from rnn_train.tasks.classifier.data import open_data, sources_of, store_data
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

Create = Callable[..., ClassifierTask]


def test_held_out_rows_of_their_own(create: Create, table: Path, tmp_path: Path) -> None:
    (tmp_path / "held.csv").write_text("bako,east\nbason,north\n" * 10)
    task = create(table, val_data=str(tmp_path / "held.csv"))
    assert len(task.data.train) == 80, "all rows of the table are for training"
    assert task.measure(task.model).metrics["held_out_rows"] == 20


@pytest.mark.parametrize(("shared", "new"), [(0, 20), (5, 15), (20, 0)])
def test_held_out_rows_that_are_trained_on(
    create: Create, table: Path, tmp_path: Path, shared: int, new: int
) -> None:
    """Their share is a figure of the run and of its file, and a warning."""
    known = table.read_text().splitlines()[1:]
    fresh = [f"new {'abcdefghijklmnopqrst'[i]},{'east' if i % 2 else 'north'}" for i in range(new)]
    (tmp_path / "held.csv").write_text("\n".join(known[:shared] + fresh) + "\n")
    task = create(table, val_data=str(tmp_path / "held.csv"))
    metrics = task.measure(task.model).metrics
    assert metrics.get("held_out_share_trained", 0.0) == shared / 20
    warned = [each for each in task.warnings if "stands in the training data too" in each]
    assert [f"about {shared / 20:.0%} of " in each for each in warned] == [True] * bool(shared)
    assert not any("one side of the split" in each for each in task.warnings)


def test_no_text_is_on_both_sides_of_a_split(create: Create, table: Path) -> None:
    header, *rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join([header, *rows, *rows]))
    task = create(table, val_fraction=0.25)
    assert task.data.overlap == 0
    assert any("one side of the split" in each for each in task.warnings)


def test_rows_of_one_text_are_refused(create: Create, tmp_path: Path) -> None:
    path = tmp_path / "equal.csv"
    path.write_text("name,group\n" + "same,a\nsame,b\n" * 20)
    with pytest.raises(DataError, match=r"all rows have the text 'same'; .*--text-column"):
        create(path)


def test_label_of_held_out_rows_only(run: Run, create: Create, table: Path, tmp_path: Path) -> None:
    (tmp_path / "held.csv").write_text("bako,east\nbason,west\n" * 10)
    with pytest.raises(DataError, match=r"only held-out rows have the label 'west'"):
        create(table, val_data=str(tmp_path / "held.csv"))
    assert not (run.folder / "config.json").exists()


def test_rows_are_opened_as_they_were_read(run: Run, table: Path) -> None:
    table.write_text(table.read_text() + "Ж e\u0301,north\n", "utf-8")
    data = store_data(run, ClassifierRequest(data=(str(table),), val_fraction=0.25))
    again = open_data(run)
    for name in ("train", "held_out"):
        one, other = getattr(data, name), getattr(again, name)
        assert (one.texts, one.labels) == (other.texts, other.labels)
        assert one.sha256() == other.sha256() == Rows(one.texts, one.labels).sha256()
    assert len(again.train) + len(again.held_out) == 81
    assert "Ж \u00e9" in again.train.texts + again.held_out.texts
    assert again.alphabet == data.alphabet


def test_folder_of_an_older_version(run: Run, table: Path) -> None:
    data = store_data(run, ClassifierRequest(data=(str(table),), val_fraction=0.25))
    lines = [
        json.dumps({"side": side, "text": text, "label": label})
        for side, rows in (("train", data.train), ("held_out", data.held_out))
        for text, label in zip(rows.texts, rows.labels, strict=True)
    ]
    for name in ROW_FILES:
        (run.folder / name).unlink()
    (run.folder / "rows.jsonl").write_text("\n".join(lines), "utf-8")
    old = open_data(run)
    assert old.alphabet == data.alphabet
    assert (old.train.texts, old.held_out.labels) == (data.train.texts, data.held_out.labels)


def test_split_depends_on_the_seed(tmp_path: Path, table: Path) -> None:
    sides = []
    for number, seed in enumerate((1, 1, 2)):
        run = Run.create("classifier", tmp_path / f"run{number}")
        request = ClassifierRequest(data=(str(table),), seed=seed)
        sides.append(store_data(run, request).held_out.texts)
        run.close()
    assert sides[0] == sides[1] != sides[2]


@pytest.mark.parametrize("balance", [0.0, 0.2, 1.0])
def test_balance_is_taken_out_of_the_log_prior(run: Run, letters: Path, balance: float) -> None:
    data = store_data(run, ClassifierRequest(data=(str(letters),), val_fraction=0.0))
    shares = [data.train.labels.count(label) / len(data.train) for label in ("a", "b")]
    expected = [(1 - balance) * math.log(share) for share in shares]
    assert data.log_prior(balance) == pytest.approx(expected)


def test_default_source() -> None:
    assert sources_of(ClassifierRequest()) == ("surnames",)
    assert sources_of(ClassifierRequest(data=("a.csv",))) == ("a.csv",)


def test_rows_are_cut(create: Create, start: Callable[..., TrainingReport], table: Path) -> None:
    """A row and its held-out copy are cut alike; the warning counts, and the file says it."""
    table.write_text(table.read_text() + "bakae\u0301ba,east\nbakae\u0301baba,east\n", "utf-8")
    lines: list[str] = []
    report = start("classifier", table, "cut", log=lines.append, max_length=6)
    assert any(
        "cut to their first 6 characters: 82 of 82 rows (100.0%; the longest has 9)" in line
        for line in lines
    )
    task = create(table, max_length=7)
    texts = task.data.train.texts + task.data.held_out.texts
    assert max(map(len, texts)) == 7
    assert texts.count("bakaéba") == 2
    assert any("row repeats" in each or "rows repeat" in each for each in task.warnings)
    assert Classifier.load(report.out).metadata.training["max_length"] == 6


def test_rows_that_are_not_cut(create: Create, table: Path) -> None:
    task = create(table, max_length=100)
    assert not any("cut" in each for each in task.warnings)


def test_contradictions_bound_the_accuracy(run: Run, tmp_path: Path, table: Path) -> None:
    held = tmp_path / "held.csv"
    held.write_text("text,label\n" + "bakaka,east\nbakaka,east\nbakaka,north\nbamu,north\n" * 9)
    data = store_data(run, ClassifierRequest(data=(str(table),), val_data=str(held)))
    assert data.best_possible_accuracy == pytest.approx(0.75)
    assert any(line.endswith("no accuracy above 0.7500 is possible") for line in data.warnings)
    facts = json.loads((run.folder / "rows.json").read_text("utf-8"))
    del facts["best"]  # as in a folder of an older version
    (run.folder / "rows.json").write_text(json.dumps(facts), "utf-8")
    old = open_data(run)
    assert old.best_possible_accuracy is None
    assert any(line.endswith("each held-out row counts alone") for line in old.warnings)


def test_warnings_about_labels(create: Create, table: Path) -> None:
    """Labels that are alike, and a label with one row."""
    table.write_text(
        table.read_text() + "bamuso,East\n" + "".join(f"x{i},east\n" for i in range(9))
    )
    alike, unmeasured = create(table).data.warnings
    assert "'East' and 'east'" in alike
    assert unmeasured.startswith("labels without a held-out row: 1 of 3;")
    assert unmeasured.endswith("'East' with 1)")


def test_nothing_to_worry_about(create: Create, table: Path) -> None:
    data = create(table).data
    assert data.warnings == ()
    assert data.best_possible_accuracy is None
