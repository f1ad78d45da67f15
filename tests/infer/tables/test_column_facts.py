"""Facts about columns: how many values, and of what kind."""

import pytest

from rnn_infer.tables.column_facts import ColumnFacts, is_figure


def test_counts() -> None:
    facts = ColumnFacts.of(["a", " a ", "", "NULL", "bb cc"])
    assert (facts.cells, facts.filled, facts.distinct) == (5, 3, 2)
    assert facts.length == pytest.approx(7 / 3)
    assert facts.words == pytest.approx(4 / 3)
    assert facts.used
    assert not ColumnFacts.of(["", "", "a"]).used
    assert ColumnFacts.of([]).length == 0


@pytest.mark.parametrize(
    ("cells", "rank"),
    [
        (["1", "2", "33"], 2),
        (["1.5", "-2", "3e4", "40%"], 2),
        (["2024-01-02", "2024-01-03 10:00"], 2),
        (["tt0012345", "tt0012346"], 1),
        (["B00-1a2f", "C11-2e3d"], 1),
        (["https://a.org/b", "https://a.org/c"], 1),
        (["Rossi", "Ng"], 0),
        (["text 1", "text 2"], 0),
        (["a1", "b2"], 0),
    ],
)
def test_rank(cells: list[str], rank: int) -> None:
    assert ColumnFacts.of(cells).rank == rank


def test_figure() -> None:
    assert is_figure("1,234.5")
    assert not is_figure("v1")
    assert not is_figure("")
