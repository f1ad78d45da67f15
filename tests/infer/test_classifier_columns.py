"""Columns in, columns out: `Classifier.classify_columns`, and lists with missing values."""

import math
from typing import Any

import numpy as np
import pytest

from rnn_infer import Classifier, OptionError, UnknownCharacterError

NAMES = ["Rossi", "O'Neill", "Nakamura", "Ek", "von der Lühe", "X"]


def test_columns_are_the_predictions(classifier: Classifier) -> None:
    for top in (1, 2, 5, 9):
        labels, probabilities = classifier.classify_columns(NAMES, top, prior=0.5)
        assert labels.shape == probabilities.shape == (len(NAMES), min(top, 5))
        assert (str(labels.dtype), str(probabilities.dtype)) == ("object", "float32")
        for row, each in enumerate(classifier.classify(NAMES, top=top, prior=0.5)):
            assert tuple(labels[row]) == each.labels
            assert tuple(probabilities[row].tolist()) == each.probabilities
        assert all(type(each) is str for each in labels.ravel())


def test_columns_of_libraries(classifier: Classifier) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    expected = classifier.classify_columns(NAMES)[0].tolist()
    columns = [
        np.array(NAMES),
        pandas.Series(NAMES),
        pyarrow.chunked_array([NAMES[:2], NAMES[2:]]),
        polars.Series(NAMES),
    ]
    for column in columns:
        assert classifier.classify_columns(column)[0].tolist() == expected
        assert [[each.label] for each in classifier.classify(column)] == expected


@pytest.mark.parametrize("hole", ["", None, math.nan])
def test_rows_with_nothing(classifier: Classifier, hole: Any) -> None:
    texts = [hole, "Rossi", hole, "Ng", hole]
    labels, probabilities = classifier.classify_columns(texts, top=2, on_empty="none")
    assert [row[0] is None for row in labels] == [True, False, True, False, True]
    assert np.isnan(probabilities[[0, 2, 4]]).all()
    expected = classifier.classify_columns(["Rossi", "Ng"], top=2)
    assert labels[[1, 3]].tolist() == expected[0].tolist()
    np.testing.assert_allclose(probabilities[[1, 3]], expected[1], atol=1e-6)
    with pytest.raises(OptionError, match='text 0 is .*; give on_empty="none"'):
        classifier.classify_columns(texts)


def test_rows_without_known_characters(classifier: Classifier) -> None:
    texts = ["Rossi", "ЖЖ", "Ng"]
    labels, probabilities = classifier.classify_columns(texts, on_empty="none", unknown="skip")
    assert labels[1, 0] is None
    assert np.isnan(probabilities[1, 0])
    assert labels[[0, 2]].tolist() == classifier.classify_columns(["Rossi", "Ng"])[0].tolist()
    with pytest.raises(OptionError, match=r"text 1 \('ЖЖ'\) has no character the model knows"):
        classifier.classify_columns(texts, unknown="skip")
    with pytest.raises(UnknownCharacterError, match=r"U\+0416"):
        classifier.classify_columns(texts, unknown="error", on_empty="none")


def test_nothing_at_all(classifier: Classifier) -> None:
    for texts in ([], [None, ""]):
        labels, probabilities = classifier.classify_columns(texts, top=3, on_empty="none")
        assert labels.shape == probabilities.shape == (len(texts), 3)
        assert all(each is None for each in labels.ravel())
    assert classifier.classify_columns([])[0].shape == (0, 1)


@pytest.mark.parametrize(
    "options", [{"top": 0}, {"prior": 2.0}, {"unknown": "drop"}, {"on_empty": "skip"}]
)
def test_option_out_of_range(classifier: Classifier, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        classifier.classify_columns(NAMES, **options)


@pytest.mark.parametrize("hole", [None, math.nan])
def test_list_with_a_missing_text(classifier: Classifier, hole: Any) -> None:
    with pytest.raises(OptionError, match=r"text 1 is missing .*; there is nothing to classify"):
        classifier.classify(["Rossi", hole])
    with pytest.raises(OptionError, match="missing"):
        classifier.trace(hole)
