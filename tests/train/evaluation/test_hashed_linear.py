"""The linear model of hashed n-grams."""

import numpy as np
import pytest
import torch

from rnn_train.data.alphabet import Alphabet
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.row_reader import RowReader
from rnn_train.data.rows import Rows
from rnn_train.evaluation import hashed_linear
from rnn_train.evaluation.hashed_linear import HashedLinear, seconds_for

RANDOM = np.random.default_rng(0)
LABELS = tuple("ab" * 200)
ROWS = EncodedRows.of(
    Rows(
        tuple(
            "".join(chr(97 + i + 5 * (label == "b")) for i in RANDOM.integers(9, size=6))
            for label in LABELS
        ),
        LABELS,
    )
)
ALPHABET = Alphabet.of(ROWS)


def test_it_learns_the_labels() -> None:
    model = HashedLinear(ALPHABET, 0).fit(ROWS, 60)
    assert model.trained == 3 * len(ROWS)
    assert model.parameters == model._weights.shape[0] * len(ALPHABET.labels)
    predicted = model.scores(ROWS).argmax(-1)
    assert (predicted == torch.from_numpy(ROWS.indices)).float().mean() > 0.9


def test_its_time_is_limited() -> None:
    model = HashedLinear(ALPHABET, 0).fit(ROWS, 0)
    assert model.trained == 0
    assert (model.scores(ROWS) == 0).all()


def test_order_and_batch_do_not_change_scores() -> None:
    model = HashedLinear(ALPHABET, 0).fit(ROWS, 60)
    whole = model.scores(ROWS)
    torch.testing.assert_close(model.scores(ROWS.take([7, 3])), whole[[7, 3]])


def test_predictions_are_those_of_the_scores() -> None:
    model = HashedLinear(ALPHABET, 0).fit(ROWS, 60)
    assert torch.equal(model.predictions(ROWS), model.scores(ROWS).argmax(-1))


def test_seconds_beside_a_run() -> None:
    assert seconds_for(None) == 30
    assert seconds_for(2.0) == pytest.approx(6)
    assert seconds_for(60.0) == 30


def test_many_labels_have_a_smaller_table(monkeypatch: pytest.MonkeyPatch) -> None:
    assert HashedLinear(ALPHABET, 0).name == "hashed linear, letter 1–4-grams"
    monkeypatch.setattr(hashed_linear, "_CELLS", 10_000)
    model = HashedLinear(ALPHABET, 0).fit(ROWS, 60)
    assert model.title == "hashed linear, letter 1–4-grams in 4,096 entries (1,200 rows read)"
    predicted = model.scores(ROWS).argmax(-1)
    assert (predicted == torch.from_numpy(ROWS.indices)).float().mean() > 0.9


def test_a_step_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = HashedLinear(ALPHABET, 0).fit(ROWS, 60).scores(ROWS)
    monkeypatch.setattr(hashed_linear, "_CHANGED", 14)
    torch.testing.assert_close(HashedLinear(ALPHABET, 0).fit(ROWS, 60).scores(ROWS), whole)


def hashed(texts: list[str]) -> list[list[int]]:
    """Hashes of the words and pairs of words of texts, with the alphabet of `texts`."""
    rows = EncodedRows.of(Rows(tuple(texts), ("x",) * len(texts)))
    alphabet = Alphabet.of(rows)
    reader = RowReader(rows, alphabet)
    kinds = hashed_linear._kinds(alphabet.vocabulary)
    found, counts = hashed_linear._hashed_words(reader, np.arange(len(texts)), kinds)
    return [each.tolist() for each in np.split(found, np.cumsum(counts)[:-1])]


def test_words_and_pairs_of_words() -> None:
    one, again, turned, none, two = hashed(["to be", " to, be! ", "be to", " ... ", "ot b"])
    assert one == again
    assert len(one) == 3
    assert sorted(one[:2]) == sorted(turned[:2])
    assert one[2] != turned[2], "the order of a pair counts"
    assert none == []
    assert not set(one) & set(two), "the order of letters counts"


def test_ideographs_are_words() -> None:
    whole, part = hashed(["中文好", "文x"])
    assert len(whole) == 5
    assert len(set(whole) & set(part)) == 1


def test_texts_without_words() -> None:
    assert hashed(["...", "!"]) == [[], []]


def test_long_texts_are_read_by_word() -> None:
    words = {"a": "good fine", "b": "fine bad"}
    texts = tuple(f"{words[label]} {'some other words ' * 5}" for label in LABELS)
    rows = EncodedRows.of(Rows(texts, LABELS))
    model = HashedLinear.suited(rows, Alphabet.of(rows), 0).fit(rows, 60)
    assert model.name == "hashed linear, word 1–2-grams"
    assert torch.equal(model.predictions(rows), torch.from_numpy(rows.indices))
    assert HashedLinear.suited(ROWS, ALPHABET, 0).name == "hashed linear, letter 1–4-grams"
