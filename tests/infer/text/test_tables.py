"""The header of a table: which columns hold the text and the label."""

import pytest

from rnn_infer.text.tables import columns


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (["text", "label"], (0, 1)),
        (["label", "text"], (1, 0)),
        (["id", " Name ", "LANGUAGE"], (1, 2)),
        (["class", "id", "name"], (2, 0)),
        (["name", "text", "label"], (1, 2)),  # "text" comes before "name"
        (["text", "category"], (0, 1)),
        (["text"], (0, None)),
        (["label"], (None, 0)),
        (["Rossi", "Italian"], (None, None)),
        (["texts", "labels"], (None, None)),
        ([], (None, None)),
        (["text", "text", "label"], (0, 2)),
    ],
)
def test_columns(row: list[str], found: tuple[int | None, int | None]) -> None:
    assert columns(row) == found
