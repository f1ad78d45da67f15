"""Soft targets of linear n-gram models, alone and mixed with those of networks."""

import numpy as np
import pytest

from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.rows import Rows
from rnn_train.distillation import linear
from rnn_train.distillation.linear import LinearTeachers, mix_soft_targets


@pytest.fixture(scope="module")
def rows() -> Rows:
    """150 texts, those with letters up to "m" labelled "a"; and one text with both labels."""
    random = np.random.default_rng(0)
    first = [index % 3 > 0 for index in range(150)]
    texts = [
        "".join(chr(97 + i + 13 * (not a)) for i in random.integers(13, size=6)) for a in first
    ]
    labels = ["a" if a else "b" for a in first]
    return Rows((*texts, "twice", "twice"), (*labels, "a", "b"))


def test_mixture_is_a_probability() -> None:
    random = np.random.default_rng(0)
    targets = [random.dirichlet(np.ones(3), 5).astype(np.float32) for _ in range(5)]
    found = mix_soft_targets(targets[:3], targets[3:])
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(
        found[2, 1],
        (1 - linear.LINEAR_WEIGHT) / 3 * sum(e[2, 1] for e in targets[:3])
        + linear.LINEAR_WEIGHT / 2 * (targets[3] + targets[4])[2, 1],
        rtol=1e-5,
    )


def test_linear_models_predict_the_labels(rows: Rows) -> None:
    alphabet = Alphabet.of(rows)
    found = LinearTeachers.fit(rows, alphabet, seed=0).soft_targets(rows)
    assert len(found) == 2
    for targets in found:
        np.testing.assert_allclose(targets.sum(1), 1, atol=1e-5)
        right = targets.argmax(1) == label_indices(rows, alphabet)
        assert right.mean() > 0.95
        twice = targets[[text == "twice" for text in rows.texts]]
        assert (twice.max(1) < 0.95).all()


def test_label_of_one_row_only(rows: Rows) -> None:
    """It may be missing from the rows that the temperatures are fitted with."""
    more = Rows((*rows.texts, "zebra"), (*rows.labels, "c"))
    for seed in range(3):
        for targets in LinearTeachers.fit(more, Alphabet.of(more), seed).soft_targets(more):
            assert targets.shape == (len(more), 3)
            assert np.isfinite(targets).all()


def test_weight_of_the_linear_models() -> None:
    networks, models = np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 1.0]], np.float32)
    mixed = mix_soft_targets([networks], [models])
    np.testing.assert_allclose(mixed, [[1 - linear.LINEAR_WEIGHT, linear.LINEAR_WEIGHT]])
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mix_soft_targets([networks], [models], 0.75), [[0.25, 0.75]])


def test_large_table_has_one_linear_model(rows: Rows) -> None:
    """Its temperature is fitted to rows that it has not read."""
    encoded = EncodedRows.of(rows)
    alphabet = Alphabet.of(encoded)
    teachers = LinearTeachers.fit_hashed(encoded, alphabet, seed=0, seconds=60)
    (model,) = teachers.models
    assert model.name.startswith("hashed linear")
    assert model.title.endswith(f"({3 * (len(rows) - 15)} rows read)")
    (targets,) = teachers.soft_targets(encoded)
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-5)
    assert (targets.argmax(1) == label_indices(encoded, alphabet)).mean() > 0.9


def test_networks_in_float16_are_mixed_in_float32() -> None:
    networks = np.array([[0.25, 0.75]], np.float16), np.array([[0.5, 0.5]], np.float16)
    mixed = mix_soft_targets(networks, [np.array([[0.0, 1.0]], np.float32)])
    np.testing.assert_allclose(mixed, [[0.6 * 0.375, 0.6 * 0.625 + 0.4]], rtol=1e-6)
    assert mixed.dtype == np.float32
