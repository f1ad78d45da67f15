"""Numbers in sentences."""

import pytest

from rnn_train.wording import counted, percent


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (12_345, "12,345 rows"), (0.5, "0.5 rows")],
)
def test_counted(count: float, expected: str) -> None:
    assert counted(count, "row") == expected


def test_other_words() -> None:
    assert counted(1, "row has", "rows have") == "1 row has"
    assert counted(3, "row has", "rows have") == "3 rows have"
    assert counted(1.0, "minute") == "1 minute"


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (1.0, "about 100%"),
        (0.126, "about 13%"),
        (0.01, "about 1%"),
        (0.0099, "less than 1%"),
        (1e-9, "less than 1%"),
    ],
)
def test_percent(share: float, expected: str) -> None:
    assert percent(share) == expected
