"""The first row: a header by its name or by its looks, a row, or unclear."""

import pytest

from rnn_infer.tables.header import is_header

SENTENCES = [[f"this is text number {i} of many", ("yes", "no")[i % 2]] for i in range(30)]
NAMES = [[f"Name{chr(97 + i)}", ("Irish", "Polish")[i % 2]] for i in range(26)]
FEW = [["Rossi", "Italian"], ["Ng", "Chinese"]]


@pytest.mark.parametrize(
    ("first", "body", "found"),
    [
        (["text", "label"], SENTENCES, True),
        (["review", "sentiment"], SENTENCES, True),
        (["v2", "v1"], SENTENCES, True),
        (["document_body", "verdict"], SENTENCES, True),
        (["nom", "origine"], NAMES, True),
        (["Text"], [["Rossi"], ["Ng"]], True),
        (["name", "city"], FEW, True),
        (["id", "words"], [["1", "a"], ["2", "b"]], True),
        (["text", "label"], [], True),
        (["word", "label"], [["word", "a"], ["other", "b"]], True),
        (["this is another text", "no"], SENTENCES, False),
        (["Rossi", "Irish"], NAMES, False),
        (["Rossi", "Italian"], FEW, False),
        (["hello", "text"], [["a cat", "image"], ["bye", "text"]], False),
        (["Great product!", "label"], SENTENCES, False),
        (["1", "a"], [["2", "b"]], False),
        (["text", "label"], [*NAMES, ["text", "label"], *NAMES], True),
        (["Rossi"], [["Ng"], ["Kim"]], False),
        (["", ""], FEW, False),
        (["Rossi", "Italian"], NAMES, None),
        (["Nom", "Origine"], NAMES, None),
    ],
)
def test_first_row(first: list[str], body: list[list[str]], found: bool | None) -> None:
    assert is_header([first, *body], len(first)) is found
