"""The linear model of hashed n-grams."""

import numpy as np
import pytest
import torch

from rnn_train.data.alphabet import Alphabet
from rnn_train.data.encoded_rows import EncodedRows
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
