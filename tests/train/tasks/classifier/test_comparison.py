"""What the table of models says: which is best, and whether any has learnt something."""

import pytest

from rnn_train.tasks.classifier.comparison import ALWAYS, table


def figures(network: float, bayes: float, svm: float, guess: float) -> dict[str, dict[str, float]]:
    names = "network", "naive Bayes", "linear SVM", ALWAYS
    values = zip(names, (network, bayes, svm, guess), strict=True)
    return {name: {"accuracy": value, "macro_f1": 0.1} for name, value in values}


@pytest.mark.parametrize(("network", "expected"), [(0.8, True), (0.9, False)])
def test_linear_model_that_is_as_good_is_recommended(network: float, expected: bool) -> None:
    lines = table(figures(network, 0.7, 0.8, 0.5), 1000, learnt=True)
    assert lines[1:5] == [
        f"{'network':32} {network:8.4f}    0.1000",
        f"{'naive Bayes':32}   0.7000    0.1000",
        f"{'linear SVM':32}   0.8000    0.1000",
        f"{ALWAYS:32}   0.5000    0.1000",
    ]
    assert lines[5:] == (["linear SVM: as good here as the network, and simpler"] * expected)


def test_linear_model_that_is_better_is_called_so() -> None:
    found = figures(0.33, 0.9, 0.95, 0.3)
    assert table(found, 1000, learnt=False)[5:] == [
        "linear SVM: better here than the network, and simpler; "
        "use it, or train the network for longer"
    ]
    alone = {name: found[name] for name in ("network", ALWAYS)}
    assert len(table(alone, 1000, learnt=True)) == 3


@pytest.mark.parametrize(
    ("best", "rows", "learnt", "none"),
    [
        (0.50, 1000, False, True),
        (0.52, 1000, False, True),  # by chance
        (0.52, 100_000, False, False),
        (0.60, 1000, False, False),
        (0.60, 20, False, True),  # too few to show it
        (0.45, 1000, False, True),
        (0.45, 1000, True, False),  # its probabilities are better than the shares
    ],
)
def test_models_that_are_no_better_than_a_guess(
    best: float, rows: int, learnt: bool, none: bool
) -> None:
    """None is recommended then, however they compare with each other."""
    lines = table(figures(0.3, best, 0.4, 0.5), rows, learnt=learnt)
    assert lines[5].startswith("no model is clearly better" if none else "naive Bayes: better")
    assert len(lines) == 6


def test_table_with_a_long_name() -> None:
    """All lines have the same width."""
    name = "hashed linear, letter 1–4-grams (1,153,391 rows read)"
    found = {each: {"accuracy": 0.5, "macro_f1": 0.2} for each in ("network", name, ALWAYS)}
    assert len({len(line) for line in table(found, 1000, learnt=True)[:4]}) == 1
