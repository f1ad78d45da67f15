"""Held-out figures as lines: numbers, counts, and what they were before."""

from rnn_train.figure_lines import figure_lines


def test_figures() -> None:
    metrics = {"held_out_rows": 1234.0, "accuracy": 0.876543, "best_prior": 1.0}
    assert list(figure_lines(metrics, 1.23456)) == [
        "held out rows: 1,234",
        "accuracy: 0.8765",
        "best prior: 1",
        "temperature fitted to them: 1.235",
    ]
    assert list(figure_lines({}, 1.0)) == []


def test_figures_of_a_run_that_goes_on() -> None:
    metrics = {"accuracy": 0.5, "held_out_rows": 20.0}
    before = {"accuracy": 0.25, "held_out_rows": 20.0}
    assert list(figure_lines(metrics, 1.0, before))[:2] == [
        "accuracy: 0.5   (before: 0.25)",
        "held out rows: 20",
    ]
