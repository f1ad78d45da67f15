"""The command `evaluate`."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rnn_train import evaluator
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.training_session import TrainingReport

Call = Callable[..., Result]
ErrorOf = Callable[..., str]


def test_character_model(call: Call, finished: TrainingReport, story: Path) -> None:
    result = call("evaluate", str(finished.run), "--data", str(story), "--dynamic", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert list(shown["protocols"]) == ["windows", "stateful", "dynamic"]
    assert re.search(r"dynamic evaluation: 100%", result.stderr)
    plain = call("evaluate", str(finished.out), "--data", str(story), "--threads", "1")
    nats = shown["protocols"]["stateful"]["nats_per_char"]
    (printed,) = re.findall(r"^stateful +(\S+) nats/char", plain.stdout, re.MULTILINE)
    assert float(printed) == pytest.approx(nats, abs=2e-4)


@pytest.mark.parametrize(
    "options",
    [
        ("--plots", "plots"),
        ("--per-label", "plots/labels.csv"),
        ("--prior", "best"),
        ("--coverage", "0.9"),
        ("--label-column", "7"),
        ("--text-column", "text"),
        ("--format", "csv"),
        ("--delimiter", ";"),
        ("--encoding", "cp1252"),
    ],
)
@pytest.mark.parametrize("from_run", [True, False])
def test_options_of_a_classifier_are_refused_before_the_scoring(
    error_of: ErrorOf,
    finished: TrainingReport,
    story: Path,
    options: tuple[str, str],
    from_run: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(CharLMTask, "measure")
    monkeypatch.delattr(evaluator, "_losses")
    target = str(finished.run if from_run else finished.out)
    message = error_of("evaluate", target, "--data", str(story), *options)
    assert message == f"Error: {target}: a character model, which has no labels; drop {options[0]}"
    assert not Path("plots/labels.csv").exists()


def test_classifier(call: Call, finished_classifier: TrainingReport, table: Path) -> None:
    result = call(
        "evaluate", str(finished_classifier.out), "--data", str(table), "--plots", "new/plots"
    )
    assert result.exit_code == 0, result.output
    for name in ("confusion", "reliability"):
        assert (Path("new/plots") / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "accuracy: " in result.stdout
    assert "north" in result.stdout


def test_per_label(call: Call, finished_classifier: TrainingReport, table: Path) -> None:
    options = ("--data", str(table), "--per-label", "new/labels.csv", "--prior", "best", "--json")
    result = call("evaluate", str(finished_classifier.out), *options)
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert {"top_5_accuracy", "weighted_f1", "prior", "priors", "confusions"} <= set(shown)
    head, *lines = Path("new/labels.csv").read_text("utf-8").splitlines()
    assert head == "label,rows,precision,recall,f1,share_predicted,most_confused_with"
    assert [line.split(",")[0] for line in lines] == ["east", "north"]


def test_per_label_is_checked_first(error_of: ErrorOf, finished_classifier: TrainingReport) -> None:
    Path("folder").mkdir()
    Path("file").touch()
    options = ("evaluate", str(finished_classifier.out), "--data", "gone.csv", "--per-label")
    assert "folder" in error_of(*options, "folder")
    assert "cannot write file/labels.csv" in error_of(*options, "file/labels.csv")


@pytest.mark.parametrize("prior", ["2", "-0.1", "nan", "most"])
def test_wrong_prior(call: Call, finished_classifier: TrainingReport, prior: str) -> None:
    result = call("evaluate", str(finished_classifier.out), "--data", "x.csv", "--prior", prior)
    assert result.exit_code == 2
    assert "prior" in result.stderr


@pytest.mark.parametrize("content", [None, b"", b"\0" * 2000])
def test_bad_data(
    error_of: ErrorOf, finished: TrainingReport, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "data.txt").write_bytes(content)
    for target in (finished.run, finished.out):
        assert "data.txt" in error_of("evaluate", str(target), "--data", "data.txt")


def test_data_is_required(call: Call, finished: TrainingReport) -> None:
    result = call("evaluate", str(finished.run))
    assert (result.exit_code, "Missing option '--data'" in result.output) == (2, True)


def test_plots_that_cannot_be_written_are_refused_before_the_scoring(
    error_of: ErrorOf,
    finished_classifier: TrainingReport,
    table: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(evaluator, "evaluate")
    target = str(finished_classifier.out)
    message = error_of("evaluate", target, "--data", str(table), "--plots", f"{table}/plots")
    assert message == (
        f"Error: cannot write {table}/plots/confusion.png: {table} is no folder; name another "
        "--plots"
    )
