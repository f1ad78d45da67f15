"""Names of columns that tell what they hold."""

import pytest

from rnn_infer.tables.names import LABEL_NAMES, TEXT_NAMES, find_name, name_weight, normal


@pytest.mark.parametrize(
    ("header", "text", "label"),
    [
        (["text", "label"], 0, 1),
        (["label", "text"], 1, 0),
        (["id", " Name ", "LANGUAGE"], 1, 2),
        (["name", "text", "label"], 1, 2),
        (["review", "sentiment"], 0, 1),
        (["Review Text", "airline_sentiment"], 0, 1),
        (["text_id", "tweet"], 1, None),
        (["title", "review", "stars"], 1, 2),
        (["v1", "v2"], None, None),
        (["Rossi", "Italian"], None, None),
        ([], None, None),
    ],
)
def test_find(header: list[str], text: int | None, label: int | None) -> None:
    assert find_name(header, TEXT_NAMES) == text
    assert find_name(header, LABEL_NAMES) == label


def test_weight() -> None:
    assert [name_weight(each) for each in ("Text", "LABEL ", "id", "bad review", "Rossi")] == [
        *(3, 3, 1, 1, 0)
    ]


def test_normal() -> None:
    assert normal(" Review-Text_1 ") == "review text 1"
