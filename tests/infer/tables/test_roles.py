"""Text and label told apart by what the columns hold."""

import pytest

from rnn_infer.tables.column_facts import ColumnFacts
from rnn_infer.tables.roles import find_labels, find_text, find_text_and_label, is_label

N = 40
TEXT = [f"a sentence with the number {i} in it" for i in range(N)]
OTHER = [f"another sentence, number {i} of all" for i in range(N)]
SHORT = [f"Name{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(N)]
LABEL = [("yes", "no")[i % 2] for i in range(N)]
RATING = [str(i % 5) for i in range(N)]
ID = [str(i + 1000) for i in range(N)]
EMPTY = [""] * N
SPLIT = ["train"] * N


def facts(*columns: list[str]) -> list[ColumnFacts]:
    return [ColumnFacts.of(each) for each in columns]


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ((TEXT, LABEL), (0, 1)),
        ((LABEL, TEXT), (1, 0)),
        ((LABEL, TEXT, EMPTY, EMPTY), (1, 0)),
        ((SHORT, LABEL), (0, 1)),
        ((ID, LABEL), (0, 1)),
        ((LABEL, LABEL[::-1]), (0, 1)),
        ((ID, TEXT, LABEL), (1, 2)),
        ((ID, LABEL, TEXT), (2, 1)),
        ((SHORT, TEXT, RATING), (1, 2)),
        ((TEXT, SPLIT, LABEL), (0, 2)),
        (([*TEXT[:20], *TEXT[:20]], [str(i % 15) for i in range(N)]), (0, 1)),
    ],
)
def test_text_and_label(columns: tuple[list[str], ...], found: tuple[int, int]) -> None:
    assert find_text_and_label(facts(*columns), None, None) == found


@pytest.mark.parametrize(
    ("columns", "role"),
    [
        ((TEXT, OTHER), "label"),
        ((ID, TEXT), "label"),
        (([str(i % 15) for i in range(N)], [*TEXT[:20], *TEXT[:20]]), "label"),
        ((TEXT, OTHER, LABEL), "text"),
        ((TEXT, LABEL, RATING), "label"),
        ((RATING, LABEL), "label"),
        ((LABEL, RATING, LABEL), "text"),
    ],
)
def test_unclear(columns: tuple[list[str], ...], role: str) -> None:
    with pytest.raises(LookupError, match=role):
        find_text_and_label(facts(*columns), None, None)


def test_one_is_known() -> None:
    assert find_text_and_label(facts(TEXT, OTHER, LABEL), 1, None) == (1, 2)
    assert find_text_and_label(facts(TEXT, LABEL, RATING), None, 2) == (0, 2)
    assert find_text_and_label(facts(RATING, LABEL), None, 1) == (0, 1)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ((SHORT,), 0),
        ((ID,), 0),
        ((SHORT, LABEL), 0),
        ((LABEL, SHORT), 1),
        ((ID, SHORT), 1),
        ((["Rossi", "Ng"], ["x", "y"]), 0),
        ((SHORT, SHORT), 0),
        ((EMPTY, TEXT), 1),
        ((EMPTY,), 0),
        ((TEXT, SHORT), 0),
        ((SHORT, TEXT), 1),
    ],
)
def test_text_alone(columns: tuple[list[str], ...], found: int) -> None:
    assert find_text(facts(*columns), None) == found


def test_text_beside_a_known_label() -> None:
    assert find_text(facts(["a", "b"], ["c", "d"]), 0) == 1
    assert find_text(facts(EMPTY, EMPTY), 0) == 1


def test_text_alone_is_not_clear() -> None:
    medium = [text[:14] for text in TEXT[:20]] + ["x " * 5 + str(i) for i in range(20)]
    long = [text * 5 for text in TEXT]
    longer = [text * 8 for text in OTHER]
    with pytest.raises(LookupError, match="text"):
        find_text(facts(medium, long, longer), None)


def test_labels_of_a_model() -> None:
    columns = facts(TEXT, LABEL, RATING)
    assert find_labels(columns, {"yes", "no", "perhaps"}) == 1
    assert find_labels(columns, {"yes"}) is None
    assert find_labels(facts(LABEL, LABEL), {"yes", "no"}) is None


def test_is_label() -> None:
    assert is_label(ColumnFacts.of(LABEL))
    assert not is_label(ColumnFacts.of(TEXT))
    assert is_label(ColumnFacts.of(TEXT[:5])), "too few to say"
