"""How much of a text the model knows: in a prediction, in JSON and in a terminal."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnn_infer import Classifier
from rnn_infer.cli.commands import main
from rnn_infer.text.vocabulary import Unknown

MODEL = Path(__file__).parents[1] / "data" / "gru.onnx"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(MODEL, device="cpu")


@pytest.mark.parametrize(
    ("text", "unknown", "share"),
    [
        ("Rossi", "default", 1.0),
        ("Ross中", "default", 0.8),
        ("中国", "default", 0.0),
        ("Ross\ufffd", "default", 0.8),
        ("Ross中", "skip", 0.8),
        ("Ross中", "fold", 0.8),
        ("Rossị", "fold", 1.0),
        ("Rossị", "default", 0.8),
    ],
)
def test_share(classifier: Classifier, text: str, unknown: Unknown, share: float) -> None:
    assert classifier.classify(text, unknown=unknown).known == pytest.approx(share)
    both = classifier.classify(["Rossi", text, "Rossi"], unknown=unknown)
    assert [each.known for each in both] == pytest.approx([1.0, share, 1.0])
    assert classifier.trace(text, unknown=unknown)[-1].known == pytest.approx(share)


def test_trace_counts_what_was_read(classifier: Classifier) -> None:
    trace = classifier.trace("中Ro")
    assert [each.known for each in trace] == pytest.approx([0, 1 / 2, 2 / 3])


def test_command() -> None:
    def run(*options: str) -> list[str]:
        result = CliRunner().invoke(main, ["classify", "--model", str(MODEL), *options])
        assert result.exit_code == 0, result.output
        return result.output.splitlines()

    plain, half, none = run("Rossi", "Ro中国", "中国")
    assert "known" not in plain
    assert half.endswith("(50% known)")
    assert none.endswith("(0% known)")
    assert [json.loads(each)["known"] for each in run("Rossi", "Ro中国", "--json")] == [1.0, 0.5]
    (row,) = map(json.loads, run("中Ro", "--trace", "--json"))
    assert [each["known"] for each in row["trace"]] == pytest.approx([0, 1 / 2, 2 / 3])
    assert run("中Ro", "--trace")[1].endswith("(0% known)")
