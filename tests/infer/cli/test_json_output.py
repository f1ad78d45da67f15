"""JSON output: the objects, and what JSON cannot express."""

import json
import math

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer import Prediction, Score
from rnn_infer.cli.json_output import prediction_heads, prediction_row, print_json, score_row
from rnn_infer.predictions import nothing_to_label


def test_one_line_without_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": "é\n中", "top": []})
    printed = capsys.readouterr().out
    assert printed == '{"text": "é\\n中", "top": []}\n'
    assert json.loads(printed) == {"text": "é\n中", "top": []}


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_infinite_number(value: float) -> None:
    with pytest.raises(click.ClickException, match="JSON cannot express"):
        print_json({"perplexity": value})


def test_row_of_a_prediction() -> None:
    prediction = Prediction("Ng", ("A", "B"), (0.75, 0.25))
    assert prediction_row(prediction) == {
        "text": "Ng",
        "label": "A",
        "probability": 0.75,
        "top": [{"label": "A", "probability": 0.75}, {"label": "B", "probability": 0.25}],
        "known": 1.0,
    }
    assert prediction_row(prediction._replace(abstains=True))["label"] is None


LABELS = st.lists(st.text(min_size=1), min_size=2, max_size=2)
SHARES = st.lists(st.floats(0, 1, width=32), min_size=2, max_size=2)


@given(st.lists(st.tuples(st.text(), LABELS, SHARES, st.sampled_from("paeu")), max_size=5))
def test_heads_are_what_json_writes(rows: list[tuple[str, list[str], list[float], str]]) -> None:
    """Plain predictions, abstaining ones, and those without a label, among each other."""
    predictions = [
        nothing_to_label(text if kind == "u" else None)
        if kind in "eu"
        else Prediction(text, tuple(labels), tuple(shares), kind == "a", None, shares[0])
        for text, labels, shares, kind in rows
    ]
    expected = [json.dumps(prediction_row(each), ensure_ascii=False) for each in predictions]
    assert [head + "}" for head in prediction_heads(predictions)] == expected


def test_heads_of_sets() -> None:
    prediction = Prediction("Ng", ("A", "B"), (0.75, 0.25))
    (set_, nothing) = prediction_heads([prediction, nothing_to_label("")], sets=True)
    assert json.loads(set_ + "}") == prediction_row(prediction) | {"labels": ["A", "B"]}
    assert "labels" not in json.loads(nothing + "}")


def test_row_of_a_score() -> None:
    assert score_row(Score(math.log(2), 10)) == {
        "nats_per_char": math.log(2),
        "bits_per_char": 1.0,
        "perplexity": pytest.approx(2),
        "characters": 10,
    }
