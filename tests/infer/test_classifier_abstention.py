"""Abstention: predictions below `min_probability` have no label."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnn_infer import Classifier
from rnn_infer.cli.commands import main
from rnn_infer.errors import OptionError

MODEL = Path(__file__).parents[1] / "data" / "classifier.onnx"
NAMES = ["Rossi", "Meyer", "O'Neill", "Nakamura", "x", "Kowalczyk"]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(MODEL, device="cpu")


def test_abstains_below_the_limit_and_not_at_it(classifier: Classifier) -> None:
    sure = [each.probability for each in classifier.classify(NAMES)]
    limit = sorted(sure)[2]
    predictions = classifier.classify(NAMES, min_probability=limit)
    assert [each.label is None for each in predictions] == [p < limit for p in sure]
    assert [each.abstains for each in predictions] == [p < limit for p in sure]
    assert [each.top for each in predictions] == [each.top for each in classifier.classify(NAMES)]
    assert [each.probability for each in predictions] == sure


def test_no_prediction_abstains_by_default(classifier: Classifier) -> None:
    assert all(each.label for each in classifier.classify(NAMES))


def test_abstention_follows_the_prior(classifier: Classifier) -> None:
    (plain,), (even,) = (classifier.classify(["Rossi"], prior=prior) for prior in (0.0, 1.0))
    limit = (plain.probability + even.probability) / 2
    found = [
        classifier.classify("Rossi", prior=p, min_probability=limit).abstains for p in (0.0, 1.0)
    ]
    assert found == [plain.probability < limit, even.probability < limit]
    assert len(set(found)) == 2


def test_trace_abstains(classifier: Classifier) -> None:
    trace = classifier.trace("Nakamura", min_probability=0.5)
    assert [each.abstains for each in trace] == [each.probability < 0.5 for each in trace]
    assert len({each.abstains for each in trace}) == 2


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_out_of_range(classifier: Classifier, value: float) -> None:
    with pytest.raises(OptionError, match="min_probability must be from 0 to 1"):
        classifier.classify("a", min_probability=value)


def run(*options: str) -> str:
    result = CliRunner().invoke(main, ["classify", "--model", str(MODEL), *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_command_line() -> None:
    (row,) = run("Rossi", "--min-probability", "1").splitlines()
    assert row.split()[:2] == ["Rossi", "–"]
    answer = json.loads(run("Rossi", "--json", "--min-probability", "1"))
    assert answer["label"] is None
    # The most likely label is still in `top`.
    assert answer["top"][0]["probability"] == answer["probability"] < 1
    assert answer["top"][0]["label"] in row
    assert "–" in run("Rossi", "--trace", "--min-probability", "1")
