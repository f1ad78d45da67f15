"""Labels that are alike, and labels without held-out rows."""

import numpy as np

from rnn_train.data.label_names import alike, alike_warnings, unmeasured_warnings


def test_labels_that_are_alike() -> None:
    names = ["French", "GERMAN", "German", "Old  Norse", "french", "old Norse", "\ufb01n", "Fin"]
    assert alike(names) == [
        ["French", "french"],
        ["GERMAN", "German"],
        ["Old  Norse", "old Norse"],
        ["\ufb01n", "Fin"],
    ]
    (line,) = alike_warnings(names)
    assert "different labels: 'French' and 'french'; 'GERMAN' and 'German'; " in line
    assert line.endswith("and 1 more; make them equal if they mean the same")
    assert "more" not in alike_warnings(names[:5])[0]


def test_different_labels() -> None:
    assert alike_warnings(["a", "b", "ä", "a.", "ab"]) == []


def test_labels_without_held_out_rows() -> None:
    names, train = ["a", "b", "c", "d", "e"], np.array([1000, 4, 1, 2, 0])
    (line,) = unmeasured_warnings(names, train, np.array([100, 0, 0, 1, 0]))
    assert line == (
        "labels without a held-out row: 2 of 4; no figure says how well they are found (fewest "
        "training rows: 'c' with 1, 'b' with 4)"
    )
    assert unmeasured_warnings(names, train, np.array([9, 1, 1, 1, 0])) == []
    assert unmeasured_warnings(names, train, np.zeros(5, np.int64)) == [], "nothing is held out"
