"""Prediction sets of a file, in the library and on the command line."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rnn_infer import Classifier, ModelFileError, OptionError
from rnn_infer.cli.commands import main

Documented = Callable[..., Path]
NAMES = ["Rossi", "Meyer", "O'Neill", "Nakamura", "x", "Kowalczyk"]


def with_scores(rows: int, scores: list[float]) -> Callable[[dict[str, Any]], None]:
    def edit(document: dict[str, Any]) -> None:
        document["format_version"] = 2
        document["classifier"]["held_out"] = {"rows": rows, "scores": scores}

    return edit


@pytest.fixture
def path(documented: Documented) -> Path:
    """Half of the right labels had a probability of 0.7 or more, nine tenths 0.2 or more."""
    return documented(with_scores(19, [0.3] * 10 + [0.8] * 8 + [1.0]), of="gru")


def test_sets(path: Path) -> None:
    classifier = Classifier.load(path, device="cpu")
    everything = classifier.classify(NAMES, top=len(classifier.labels))
    for coverage, least in ((0.5, 0.7), (0.9, 0.2), (0.95, 0.0)):
        found = classifier.classify(NAMES, coverage=coverage, top=1)
        for whole, prediction in zip(everything, found, strict=True):
            expected = [each.label for each in whole.top if each.probability >= least]
            assert prediction.labels == (tuple(expected) or whole.labels[:1])
            assert prediction.label == whole.label
            assert len(prediction.probabilities) == len(prediction.labels)
    assert classifier.classify("Rossi", coverage=0.95).labels == everything[0].labels


def test_a_set_of_a_prediction_that_abstains(path: Path) -> None:
    found = Classifier.load(path, device="cpu").classify("x", coverage=0.95, min_probability=1.0)
    assert (found.label, found.abstains) == (None, True)
    assert len(found.labels) > 1


def test_a_row_with_nothing_has_an_empty_set(path: Path) -> None:
    found = Classifier.load(path, device="cpu").classify(["", "x"], on_empty="none", coverage=0.9)
    assert [len(each.labels) > 0 for each in found] == [False, True]
    assert (found[0].reason, found[0].known) == ("empty", 0.0)


def test_refusals(path: Path, classifier: Classifier) -> None:
    with pytest.raises(OptionError, match="this file has none: nothing was held out"):
        classifier.classify("Rossi", coverage=0.9)
    mine = Classifier.load(path, device="cpu")
    with pytest.raises(OptionError, match="needs 99 held-out rows"):
        mine.classify("Rossi", coverage=0.99)
    with pytest.raises(OptionError, match="prior 0"):
        mine.classify("Rossi", coverage=0.9, prior=1.0)
    with pytest.raises(OptionError, match="a trace has none"):
        mine.trace("Rossi", coverage=0.9)


def test_command(path: Path) -> None:
    def run(*options: str) -> Any:
        return CliRunner().invoke(main, ["classify", "--model", str(path), *NAMES, *options])

    classifier = Classifier.load(path, device="cpu")
    expected = classifier.classify(NAMES, coverage=0.9)
    printed = run("--coverage", "0.9", "--json")
    rows = [json.loads(line) for line in printed.output.splitlines()]
    assert [tuple(row["labels"]) for row in rows] == [each.labels for each in expected]
    assert all([each["label"] for each in row["top"]] == row["labels"] for row in rows)
    assert "labels" not in json.loads(run("--json").output.splitlines()[0])
    lines = run("--coverage", "0.9").output.splitlines()
    for line, prediction in zip(lines, expected, strict=True):
        assert all(label in line for label in prediction.labels)
        assert not any(label in line for label in {*classifier.labels} - {*prediction.labels})
    table = list(csv.DictReader(io.StringIO(run("--coverage", "0.9", "--output", "csv").output)))
    assert [tuple(json.loads(row["labels"])) for row in table] == [each.labels for each in expected]
    for options, message in (
        (("--coverage", "0.99"), "needs 99 held-out rows"),
        (("--coverage", "2"), "below 1"),
        (("--coverage", "0.9", "--prior", "1"), "prior 0"),
        (("--coverage", "0.9", "--trace"), "a trace has none"),
    ):
        refused = run(*options)
        assert refused.exit_code != 0
        assert message in refused.output


@pytest.mark.parametrize(
    ("rows", "scores"),
    [(0, []), (3, []), (2, [0.1, 0.2, 0.3]), (3, [0.3, 0.2]), (3, [-0.1]), (3, [1.2]), (-1, [0.5])],
)
def test_file_with_bad_scores(documented: Documented, rows: int, scores: list[float]) -> None:
    with pytest.raises(ModelFileError, match="bad metadata: held_out"):
        Classifier.load(documented(with_scores(rows, scores), of="gru"), device="cpu")
