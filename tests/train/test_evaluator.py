"""Evaluation of a run and of its exported file: both give the same figures."""

import math
from pathlib import Path
from typing import Any

import pytest

import rnn_infer
from rnn_infer.errors import ModelFileError, OptionError, UnknownCharacterError
from rnn_infer.tables.options import TableOptions
from rnn_train.errors import DataError, EvaluationError, RunError
from rnn_train.evaluation.figures import CharLMFigures, ClassifierFigures
from rnn_train.evaluator import evaluate
from rnn_train.tasks.classifier import evaluated_rows
from rnn_train.training_session import TrainingReport

# --- a run and its file ---------------------------------------------------------------


def text_figures(target: Path, data: Path, **options: Any) -> CharLMFigures:
    figures = evaluate(target, [str(data)], device="cpu", log=print, **options)
    assert isinstance(figures, CharLMFigures)
    return figures


def test_run_and_file_agree(finished: TrainingReport, story: Path) -> None:
    of_run = text_figures(finished.run, story, dynamic=True)
    of_file = text_figures(finished.out, story)
    assert list(of_run.nats_per_char) == ["windows", "stateful", "dynamic"]
    assert list(of_file.nats_per_char) == ["windows", "stateful"]
    assert of_run.characters == of_file.characters == 3999
    for name, nats in of_file.nats_per_char.items():
        assert nats == pytest.approx(of_run.nats_per_char[name], abs=1e-4)
    score = rnn_infer.CharLM.load(finished.out).score(story.read_text())
    assert score.nats_per_char == pytest.approx(of_file.nats_per_char["stateful"], abs=1e-6)


def test_text_figures_as_json(finished: TrainingReport, story: Path) -> None:
    figures = text_figures(finished.out, story)
    shown = figures.as_json()
    assert (shown["kind"], shown["characters"]) == ("charlm", 3999)
    for name, nats in figures.nats_per_char.items():
        each = shown["protocols"][name]
        assert each == {"nats_per_char": nats, "bits_per_char": pytest.approx(nats / math.log(2))}
        assert f"{name:10}{nats:.4f} nats/char" in figures.as_text()


@pytest.mark.parametrize("content", ["", "t"])
def test_too_short(finished: TrainingReport, tmp_path: Path, content: str) -> None:
    (tmp_path / "short.txt").write_text(content)
    for target in (finished.run, finished.out):
        with pytest.raises(DataError, match=rf"short\.txt: {len(content)} characters? .*least 2"):
            text_figures(target, tmp_path / "short.txt")


def test_foreign_characters(finished: TrainingReport, tmp_path: Path) -> None:
    (tmp_path / "foreign.txt").write_text("the fox Ж sees a tree")
    with pytest.raises(DataError, match=r"foreign\.txt: 1 character .*'Ж'"):
        text_figures(finished.run, tmp_path / "foreign.txt")
    with pytest.raises(UnknownCharacterError, match="'Ж'"):
        text_figures(finished.out, tmp_path / "foreign.txt")


def test_no_target(story: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.onnx"):
        text_figures(Path("gone.onnx"), story)
    with pytest.raises(RunError, match="no run folder"):
        text_figures(tmp_path, story)


def warnings_of(target: Path, data: Path) -> list[str]:
    lines: list[str] = []
    evaluate(target, [str(data)], device="cpu", log=lines.append)
    return [line for line in lines if "training data of the run" in line]


def test_text_that_the_run_has_learnt(
    finished: TrainingReport, story: Path, tmp_path: Path
) -> None:
    (warning,) = warnings_of(finished.run, story)
    assert warning.startswith("warning: about 100% of the data stands in")
    (tmp_path / "new.txt").write_text(story.read_text()[::-1])
    assert warnings_of(finished.run, tmp_path / "new.txt") == []


# --- classifiers ----------------------------------------------------------------------


def table_figures(target: Path, data: Path) -> ClassifierFigures:
    figures = evaluate(target, [str(data)], device="cpu")
    assert isinstance(figures, ClassifierFigures)
    return figures


def test_classifier_run_and_file_agree(finished_classifier: TrainingReport, table: Path) -> None:
    of_run = table_figures(finished_classifier.run, table)
    of_file = table_figures(finished_classifier.out, table)
    assert of_run.rows == of_file.rows == 80
    assert of_run.labels == of_file.labels
    assert of_run.metrics == pytest.approx(of_file.metrics, abs=1e-4)


def test_rows_that_the_run_has_learnt(
    finished_classifier: TrainingReport, table: Path, tmp_path: Path
) -> None:
    (warning,) = warnings_of(finished_classifier.run, table)
    assert "about 90% of the data stands in" in warning, "a tenth is held out"
    (tmp_path / "new.csv").write_text("zyx,east\nyxz,north\n" * 10)
    assert warnings_of(finished_classifier.run, tmp_path / "new.csv") == []


def test_blocks_of_rows_change_nothing(
    finished_classifier: TrainingReport, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory does not grow with rows × labels."""
    targets = finished_classifier.run, finished_classifier.out
    whole = [table_figures(target, table) for target in targets]
    monkeypatch.setattr(evaluated_rows, "_BLOCK", 7)
    for target, expected in zip(targets, whole, strict=True):
        found = table_figures(target, table)
        assert found.metrics == pytest.approx(expected.metrics, abs=1e-6)
        assert found.predictions.tolist() == expected.predictions.tolist()


def test_labels_are_counted(finished_classifier: TrainingReport, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("badoka,east\nbadoson,north\nbadoka,north\n")
    figures = table_figures(finished_classifier.out, tmp_path / "few.csv")
    model = rnn_infer.Classifier.load(finished_classifier.out)
    given = [model.classify(text).label for text in ("badoka", "badoson", "badoka")]
    truth = ["east", "north", "north"]
    for each in figures.labels:
        hits = sum(a == t == each.label for a, t in zip(given, truth, strict=True))
        assert each.rows == truth.count(each.label)
        assert each.recall == pytest.approx(hits / each.rows)
        assert each.precision == pytest.approx(hits / max(1, given.count(each.label)))
    right = sum(a == t for a, t in zip(given, truth, strict=True))
    assert figures.metrics["accuracy"] == pytest.approx(right / 3)


def test_table_figures_as_json(finished_classifier: TrainingReport, table: Path) -> None:
    figures = table_figures(finished_classifier.out, table)
    shown = figures.as_json()
    assert (shown["kind"], shown["rows"]) == ("classifier", 80)
    assert set(shown) >= {"accuracy", "macro_f1", "top_3_accuracy", "calibration_error"}
    assert [each["label"] for each in shown["labels"]] == ["east", "north"]
    assert set(shown["labels"][0]) == {
        "label",
        "rows",
        "precision",
        "recall",
        "f1",
        "share_predicted",
        "most_confused_with",
    }
    assert "precision  recall" in figures.as_text()
    assert figures.as_text().count("\n") > 6


def test_prior(finished_classifier: TrainingReport, table: Path) -> None:
    run, file = (
        evaluate(target, [str(table)], prior=0.5, device="cpu")
        for target in (finished_classifier.run, finished_classifier.out)
    )
    assert isinstance(run, ClassifierFigures)
    assert isinstance(file, ClassifierFigures)
    assert run.metrics == pytest.approx(file.metrics, abs=1e-4)
    assert file.prior == 0.5
    for name in ("accuracy", "macro_f1"):
        assert file.metrics[name] == pytest.approx(file.priors[0.5][name])


def test_best_prior_is_that_of_the_file(finished_classifier: TrainingReport, table: Path) -> None:
    best = rnn_infer.load(finished_classifier.out).metadata.training["best_prior"]
    for target in (finished_classifier.run, finished_classifier.out):
        figures = evaluate(target, [str(table)], prior="best", device="cpu")
        assert isinstance(figures, ClassifierFigures)
        assert figures.prior == best


def test_texts_with_several_labels(finished_classifier: TrainingReport, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("badoka,east\nbadoka,north\ntelik,north\n")
    figures = table_figures(finished_classifier.out, tmp_path / "rows.csv")
    assert figures.contradictions is not None
    assert (figures.contradictions.texts, figures.contradictions.rows) == (1, 2)
    assert figures.contradictions.best_possible_accuracy == pytest.approx(2 / 3)


def test_wrong_priors(
    finished_classifier: TrainingReport, finished: TrainingReport, table: Path, story: Path
) -> None:
    wrong: Any
    for wrong in (2, "most", None, float("nan")):
        with pytest.raises(OptionError, match="prior must be from 0 to 1"):
            evaluate(finished_classifier.out, [str(table)], prior=wrong)
    prior: Any
    for prior in (0.5, "best"):
        with pytest.raises(OptionError, match="coverage is for prior 0"):
            evaluate(finished_classifier.out, [str(table)], prior=prior, coverage=0.8)
        for target in (finished.run, finished.out):
            with pytest.raises(EvaluationError, match="has no labels; drop --prior"):
                evaluate(target, [str(story)], prior=prior)
    shipped = Path(__file__).parents[2] / "exported" / "classifier.onnx"
    if rnn_infer.load(shipped).metadata.training.get("best_prior") is None:
        with pytest.raises(EvaluationError, match="has no best prior"):
            evaluate(shipped, [str(table)], prior="best")


def test_unknown_label(finished_classifier: TrainingReport, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("badoka,east\nbadoka,west\n")
    for target in (finished_classifier.run, finished_classifier.out):
        with pytest.raises(DataError, match=r"rows\.csv: labels .*'west'"):
            table_figures(target, tmp_path / "rows.csv")


def test_dynamic_is_for_runs_of_character_models(
    finished: TrainingReport, finished_classifier: TrainingReport, story: Path, table: Path
) -> None:
    with pytest.raises(EvaluationError, match="name its run folder"):
        evaluate(finished.out, [str(story)], dynamic=True)
    with pytest.raises(EvaluationError, match="for character models"):
        evaluate(finished_classifier.run, [str(table)], dynamic=True, device="cpu")


def test_options_of_a_table(finished_classifier: TrainingReport, tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text("east|x|badoka\nnorth|y|badoson\n")
    options = TableOptions(delimiter="|", text_column=3)
    said: list[str] = []
    for target in (finished_classifier.run, finished_classifier.out):
        figures = evaluate(target, ["a.dat"], table=options, log=said.append)
        assert isinstance(figures, ClassifierFigures)
        assert said[-1] == "a.dat: '|' between cells, no header, text: '3', label: '1'"


@pytest.mark.parametrize("unknown", ["skip", "fold"])
def test_unknown_characters(
    finished: TrainingReport, finished_classifier: TrainingReport, tmp_path: Path, unknown: Any
) -> None:
    """A run reads them as its exported file does."""
    (tmp_path / "a.txt").write_text("thë fox Ж sees")
    # Without its unknown character, the first text would be the last one.
    (tmp_path / "a.csv").write_text("badoЖka,east\nbádoson,north\nbadoka,north\n")
    with pytest.raises(UnknownCharacterError):
        evaluate(finished.out, ["a.txt"])
    run, file = (
        evaluate(target, ["a.txt"], unknown=unknown, device="cpu")
        for target in (finished.run, finished.out)
    )
    assert isinstance(run, CharLMFigures)
    assert isinstance(file, CharLMFigures)
    assert run.characters == file.characters
    assert run.nats_per_char == pytest.approx(file.nats_per_char, abs=1e-4)
    of_run, of_file = (
        evaluate(target, ["a.csv"], unknown=unknown, device="cpu")
        for target in (finished_classifier.run, finished_classifier.out)
    )
    assert isinstance(of_run, ClassifierFigures)
    assert isinstance(of_file, ClassifierFigures)
    assert of_run.metrics == pytest.approx(of_file.metrics, abs=1e-4)
    assert (of_run.contradictions, of_file.contradictions) == (None, None)


def test_unknown_characters_are_an_error(
    finished: TrainingReport, finished_classifier: TrainingReport, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("the fox Ж sees")
    (tmp_path / "a.csv").write_text("badoЖ,east\n")
    (tmp_path / "b.csv").write_text("ЖЖ,east\n")
    for target, name in ((finished.run, "a.txt"), (finished_classifier.run, "a.csv")):
        with pytest.raises(UnknownCharacterError, match="'Ж'"):
            evaluate(target, [name], unknown="error")
    with pytest.raises(DataError, match="has no character the model knows"):
        evaluate(finished_classifier.run, ["b.csv"], unknown="skip")
