"""JSON output: the objects, and what JSON cannot express."""

import json
import math

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer import Prediction, Score
from rnn_infer.cli.json_output import prediction_lines, prediction_row, print_json, score_row


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


@given(
    text=st.text(min_size=1),
    labels=st.lists(st.text(min_size=1), min_size=1, max_size=4),
    share=st.floats(0, 1, width=32),
    abstains=st.booleans(),
)
def test_lines_of_predictions(text: str, labels: list[str], share: float, abstains: bool) -> None:
    prediction = Prediction(text, tuple(labels), (share,) * len(labels), abstains)
    line = json.dumps(prediction_row(prediction), ensure_ascii=False)
    assert prediction_lines([prediction] * 3) == "\n".join([line] * 3)


def test_row_of_a_score() -> None:
    assert score_row(Score(math.log(2), 10)) == {
        "nats_per_char": math.log(2),
        "bits_per_char": 1.0,
        "perplexity": pytest.approx(2),
        "characters": 10,
    }
