"""Reports about data that was read."""

import numpy as np

from rnn_train.data.reports import row_report, text_report


def test_rows() -> None:
    pairs = [("Rossi", "Italian"), ("Ng", "Chinese"), ("O'Neill", "Irish"), ("Russo", "Italian")]
    assert row_report(pairs) == [
        "rows: 4",
        "labels: 3: 'Italian' 2, 'Chinese' 1, 'Irish' 1",
        "characters: 11 distinct",
        "lengths: 2 to 7 characters, half of the texts up to 5",
        "row 1: \"Rossi\" → 'Italian'",
        "row 2: \"Ng\" → 'Chinese'",
        "row 3: \"O'Neill\" → 'Irish'",
    ]


def test_many_labels_and_long_texts() -> None:
    lines = row_report((f"{'x' * 100}\n{i}", str(i)) for i in range(50))
    assert lines[1].startswith("labels: 50: '0' 1, ")
    assert lines[1].endswith(" and 30 more")
    assert lines[-1] == f"row 3: \"{'x' * 79}…\" → '2'"
    assert row_report([]) == ["rows: 0", "labels: 0: ", "characters: 0 distinct"]


def test_text() -> None:
    text = "ab\n\nabba\nb\na"
    vocabulary = ("\n", "a", "b")
    tokens = np.array([vocabulary.index(char) for char in text], np.uint8)
    assert text_report(tokens, vocabulary) == [
        "text: 12 characters, 3 distinct",
        "lines: 4, the longest of 4 characters",
        'line 1: "ab"',
        'line 2: "abba"',
        'line 3: "b"',
    ]
    assert text_report(tokens[:2] - 1, ("a", "b"))[1] == 'line 1: "ab"'


def test_documents() -> None:
    """Their mark is no character of theirs, and a line end in one ends no document."""
    vocabulary = ("\x03", "\n", "a", "b")
    tokens = np.array([vocabulary.index(char) for char in "\x03ab\nb\x03a\x03"], np.uint8)
    assert text_report(tokens, vocabulary, 0)[1:] == [
        "documents: 2, the longest of 4 characters",
        'document 1: "ab\\nb"',
        'document 2: "a"',
    ]
