"""A classifier that starts from an earlier run: rows that stay, rows that are new, forgetting."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import rnn_infer
from rnn_train import api
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.errors import RunError
from rnn_train.evaluation.classification import logits_of
from rnn_train.run_task import finished_task
from rnn_train.tasks.classifier.earlier_rows import read_rows
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.classifier.teaching import new_network
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training_session import TrainingReport

Start = Callable[..., TrainingReport]
Create = Callable[..., ClassifierTask]
MODEL = {
    "hidden": 8,
    "embedding": 4,
    "ngrams": 3,
    "evidence": 3,
    "ngram_rows": 64,
    "ngram_width": 4,
}


def rows(path: Path, labels: tuple[str, ...], extra: str = "", count: int = 60) -> Path:
    lines = [
        f"{extra}{label[:2]}{i % 7}{label[0]},{label}" for i in range(count) for label in labels
    ]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the labels "east" and "north". Read only."""
    folder = tmp_path_factory.mktemp("earlier")
    data = rows(folder / "rows.csv", ("east", "north"))
    request = ClassifierRequest(data=(str(data),), epochs=2, model=MODEL)
    out = folder / "model.onnx"
    run = folder / "run"
    return api.train_classifier(request, out=out, run=run, device="cpu", log=lambda _: None).run


def logits(model: torch.nn.Module, task: ClassifierTask, texts: list[str]) -> torch.Tensor:
    return logits_of(model.eval(), task.data.alphabet, texts)  # type: ignore[arg-type]


@pytest.mark.usefixtures("no_export")
@pytest.mark.parametrize(
    ("cell", "pool"), [("elman", True), ("gru", False), ("lstm", True), ("mingru", False)]
)
def test_known_rows_stay(
    start: Start, create: Create, tmp_path: Path, cell: str, pool: bool
) -> None:
    """Without evidence, which counts the new rows too, known labels get the same logits."""
    data = rows(tmp_path / "old.csv", ("east", "north"), count=20)
    model = MODEL | {"cell": cell, "pool": pool, "evidence": 1}
    start("classifier", data, "old", model=model, epochs=0.5)
    more = rows(tmp_path / "more.csv", ("east", "south", "west"), "é", 20)
    task = create(more, init_from=Path("old"), model={})
    with finished_task(Path("old"), lambda _: None) as old:
        assert isinstance(old, ClassifierTask)
        known = len(old.data.alphabet.vocabulary)
        assert task.data.alphabet.vocabulary[:known] == old.data.alphabet.vocabulary
        assert (
            task.data.alphabet.vocabulary[known:] == tuple("swé")
            or "é" in (task.data.alphabet.vocabulary[known:])
        )
        assert task.data.alphabet.labels == ("east", "north", "south", "west")
        texts = ["ea1e", "no2n", "xx"]
        before, after = logits(old.model, old, texts), logits(task.model, task, texts)
        torch.testing.assert_close(after[:, :2], before, rtol=1e-4, atol=1e-4)


def test_new_characters_and_labels(earlier: Path, tmp_path: Path) -> None:
    more = rows(tmp_path / "more.csv", ("east", "south"), "é")
    lines: list[str] = []
    request = ClassifierRequest(data=(str(more),), epochs=2, init_from=earlier)
    report = api.train_classifier(
        request, out="more.onnx", run="more", device="cpu", log=lines.append
    )
    shown = "\n".join(lines)
    assert "2 known labels keep their weights, 1 new labels get new ones" in shown
    assert "new characters get new ones" in shown
    model = rnn_infer.Classifier.load("more.onnx")
    assert model.labels == ("east", "north", "south")
    assert model.metadata.training["warm_start"] is True
    for name in ("earlier_data_nats_per_text", "earlier_data_accuracy"):
        assert name in report.metrics
        assert f"{name}_before" in report.metrics
    config = json.loads(Path("more/config.json").read_text())
    assert config["known"]["labels"] == 2
    assert config["training"]["learning_rate"] < 3e-3 * (16 / 256) ** 0.5
    again = api.resume("more", out="again.onnx", log=lambda _: None)
    assert again.out.read_bytes() == report.out.read_bytes(), "it is resumed as it was"


@pytest.mark.usefixtures("no_export")
def test_forgetting_is_seen(earlier: Path, tmp_path: Path) -> None:
    more = rows(tmp_path / "more.csv", ("south", "west"))
    request = ClassifierRequest(
        data=(str(more),), epochs=30, init_from=earlier, training={"learning_rate": 0.02}
    )
    report = api.train_classifier(
        request, out="more.onnx", run="more", device="cpu", log=lambda _: None
    )
    name = "earlier_data_nats_per_text"
    assert report.metrics[name] > report.metrics[f"{name}_before"] + 0.1


def test_earlier_run_is_no_longer_needed(
    create: Create, earlier: Path, tmp_path: Path, run: Any
) -> None:
    copy = Path(shutil.copytree(earlier, tmp_path / "copy"))
    more = rows(tmp_path / "more.csv", ("east", "south"), count=20)
    task = create(more, init_from=copy, model={})
    shutil.rmtree(copy)
    again = ClassifierTask(run)
    for name, value in task.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


@pytest.mark.parametrize("labels", [("east", "north"), ("north", "west")])
def test_same_or_fewer_labels(
    create: Create, earlier: Path, tmp_path: Path, labels: tuple[str, ...]
) -> None:
    more = rows(tmp_path / "more.csv", labels, count=20)
    task = create(more, init_from=earlier, model={"dropout": 0.1})
    assert task.data.alphabet.labels[:2] == ("east", "north")
    prior = task.data.log_prior(0.0)
    assert all(-10 < each < 0 for each in prior)
    assert task.plan.model.dropout == 0.1
    loss, _ = task.objective(torch.device("cpu")).loss(0)
    assert torch.isfinite(loss)


def test_evidence_counts_earlier_rows_too(create: Create, earlier: Path, tmp_path: Path) -> None:
    more = rows(tmp_path / "more.csv", ("south", "west"), "q", 20)
    task = create(more, init_from=earlier, model={})
    alone = new_network(task.plan.model, task.data, 0)
    ours, without = (dict(m.named_parameters())["layers.0.evidence"] for m in (task.model, alone))
    assert ours.shape == without.shape
    assert not torch.equal(ours, without)
    train = EncodedRows.of(task.data.train.plus(read_rows(task._run)["train"]))
    both = dataclasses.replace(task.data, train=train)
    counted = dict(new_network(task.plan.model, both, 0).named_parameters())
    torch.testing.assert_close(ours, counted["layers.0.evidence"])


@pytest.mark.usefixtures("no_export")
def test_a_third_run_counts_the_rows_of_both(create: Create, earlier: Path, tmp_path: Path) -> None:
    second = rows(tmp_path / "second.csv", ("south", "west"), count=20)
    request = ClassifierRequest(data=(str(second),), epochs=0.2, init_from=earlier)
    api.train_classifier(request, out="b.onnx", run="second", device="cpu", log=lambda _: None)
    third = rows(tmp_path / "third.csv", ("up", "west"), count=20)
    task = create(third, init_from=Path("second"), model={})
    assert task.data.alphabet.labels == ("east", "north", "south", "west", "up")
    assert {"east", "south"} <= set(read_rows(task._run)["train"].labels)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"hidden": 9}, "has hidden 8, which cannot change; drop --hidden, or train a new model"),
        ({"cell": "gru"}, "has cell elman, which cannot change; drop --cell"),
        ({"cell": "gru", "hidden": 9}, "has cell elman, hidden 8, which cannot change"),
        ({"ngrams": 2}, "has ngrams 3"),
        ({"pool": False}, "has pool True"),
    ],
)
def test_other_shape_is_refused(
    create: Create, earlier: Path, table: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        create(table, init_from=earlier, model=asked)


def test_other_sources_of_weights_are_refused(
    create: Create, earlier: Path, finished: TrainingReport, table: Path
) -> None:
    with pytest.raises(RunError, match="is a model file.*run folder that it came from"):
        create(table, init_from=earlier.parent / "model.onnx", model={})
    with pytest.raises(RunError, match="is no classifier run"):
        create(table, init_from=finished.run, model={})
    with pytest.raises(RunError, match="no run folder"):
        create(table, init_from=Path("gone"), model={})
    with pytest.raises(RunError, match="takes no --ensemble"):
        create(table, init_from=earlier, model={}, ensemble=2)


@pytest.mark.usefixtures("no_export")
def test_student_of_an_ensemble_is_a_start(start: Start, create: Create, table: Path) -> None:
    start("classifier", table, "old", ensemble=1, epochs=0.5)
    task = create(table, init_from=Path("old"), model={})
    assert task.plan.ensemble == 0
    assert (
        task.plan.model.hidden == json.loads(Path("old/config.json").read_text())["model"]["hidden"]
    )


@pytest.mark.usefixtures("no_export")
def test_rows_that_the_earlier_run_has_learnt(
    earlier: Path, tmp_path: Path, create: Create, run: Any
) -> None:
    """They are counted once as evidence, and a warning says that some are held out now."""
    again = rows(tmp_path / "again.csv", ("east", "north"))
    task = create(again, init_from=earlier, model={}, seed=5)
    learnt = set(task.data.train.texts) & set(read_rows(run)["train"].texts)
    assert not learnt
    share = task.plan.earlier["held_out_share_seen_before"]
    assert 0 < share <= 1
    assert any(f"about {share:.0%} of the held-out data" in line for line in task.warnings)
    metrics = task.measure(task.model.eval()).metrics
    assert metrics["held_out_share_seen_before"] == share


@pytest.mark.usefixtures("no_export")
def test_texts_with_line_ends_of_unicode(
    create: Create, tmp_path: Path, start: Start, run: Any
) -> None:
    data = tmp_path / "rows.jsonl"
    each = [{"text": f"a\u2028{'xy'[i % 2]}\x85{i}", "label": "xy"[i % 2]} for i in range(40)]
    data.write_text("\n".join(map(json.dumps, each)) + "\n")
    old = start("classifier", data, "old", model=MODEL, epochs=0.5).run
    more = rows(tmp_path / "more.csv", ("x", "y"), count=20)
    create(more, init_from=old, model={})
    kept = read_rows(run)
    assert all("\u2028" in text for side in kept.values() for text in side.texts)
