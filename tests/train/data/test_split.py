"""Split of rows, and the warnings about repeated texts."""

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_train.data.rows import Rows
from rnn_train.data.split import (
    best_possible_accuracy,
    describe,
    held_out_side,
    repetitions,
    split_rows,
)

PAIRS = st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("xyz")), max_size=60)


def rows_of(*pairs: tuple[str, str]) -> Rows:
    return Rows(tuple(text for text, _ in pairs), tuple(label for _, label in pairs))


# --- split_rows -----------------------------------------------------------------------


@given(PAIRS, st.floats(0, 0.5), st.integers(0, 2**63 - 1))
def test_every_row_is_on_one_side_and_no_text_is_on_both(
    pairs: list[tuple[str, str]], fraction: float, seed: int
) -> None:
    rows = rows_of(*pairs)
    train, held_out = split_rows(rows, fraction, seed)
    together = [*zip(train.texts, train.labels, strict=True)]
    together += zip(held_out.texts, held_out.labels, strict=True)
    assert Counter(together) == Counter(pairs)
    assert not set(train.texts) & set(held_out.texts)
    assert split_rows(rows, fraction, seed) == (train, held_out)
    if fraction == 0:
        assert len(held_out) == 0


def test_each_label_has_its_share() -> None:
    pairs = [(f"{label}{i}", label) for label, n in (("a", 100), ("b", 30)) for i in range(n)]
    train, held_out = split_rows(rows_of(*pairs), 0.2, seed=0)
    assert Counter(held_out.labels) == {"a": 20, "b": 6}
    assert Counter(train.labels) == {"a": 80, "b": 24}


def test_rows_keep_their_order() -> None:
    rows = rows_of(*((f"{i:03}", "ab"[i % 2]) for i in range(100)))
    train, held_out = split_rows(rows, 0.3, seed=0)
    assert list(train.texts) == sorted(train.texts)
    assert list(held_out.texts) == sorted(held_out.texts)


def test_split_depends_on_the_seed() -> None:
    rows = rows_of(*((f"{i}", "ab"[i % 2]) for i in range(100)))
    assert split_rows(rows, 0.2, seed=0) != split_rows(rows, 0.2, seed=1)


def test_unicode_forms_of_a_text_stay_together() -> None:
    """A composed and a decomposed "é" are the same text to the model."""
    pairs = [(f"é{i}", "ab"[i % 2]) for i in range(50)]
    pairs += [(unicodedata.normalize("NFD", text), label) for text, label in pairs]
    sides = [
        {unicodedata.normalize("NFC", text) for text in side.texts}
        for side in split_rows(rows_of(*pairs), 0.3, seed=0)
    ]
    assert not sides[0] & sides[1]


# --- describe -------------------------------------------------------------------------


def warned(*pairs: tuple[str, str]) -> list[str]:
    """The warnings about rows; each character is its own key."""
    keys = np.array([ord(text) for text, _ in pairs])
    labels = np.array([ord(label) for _, label in pairs])
    repeated, several = repetitions(keys, labels)
    return describe(repeated, len(several), [pairs[i][0] for i in several[:3]])


def test_no_warnings() -> None:
    assert warned(("a", "x"), ("b", "y"), ("c", "x")) == []


def test_repeated_and_contradictory_texts() -> None:
    repeats, contradictions = warned(
        ("a", "x"), ("a", "x"), ("b", "x"), ("b", "y"), ("c", "y"), ("b", "x")
    )
    assert repeats.startswith("3 rows repeat a text")
    assert contradictions == (
        "1 text carries more than one label ('b'): training learns how often each label comes, and "
        "each held-out row counts alone"
    )


@pytest.mark.parametrize("split", [True, False])
def test_sides_of_a_split(split: bool) -> None:
    """Held-out rows of a file of their own are on the side where the user put them."""
    (warning,) = describe(2, 0, [], split=split)
    assert ("one side of the split" in warning) == split


def test_three_contradictory_texts_are_named() -> None:
    lines = warned(*((text, label) for text in "dabc" for label in "xy"))
    assert lines[1].startswith("4 texts carry more than one label ('d', 'a', 'b', …): ")


def test_thousands_and_the_best_possible_accuracy() -> None:
    repeats, contradictions = describe(12_345, 1_234, ["a"], 0.98765)
    assert repeats.startswith("12,345 rows repeat")
    assert contradictions.startswith("1,234 texts carry")
    assert contradictions.endswith("counts alone; so no accuracy above 0.9877 is possible")
    _, contradictions = describe(2, 1, ["a"], 0.99996)
    assert contradictions.endswith("counts alone")  # a bound of 1.0000 says nothing


def test_best_possible_accuracy() -> None:
    """Text 7 has labels 0, 0 and 1, text 9 has 1 and 2, and text 8 has one row."""
    keys, labels = np.array([7, 8, 7, 9, 9, 7]), np.array([0, 2, 1, 2, 1, 0])
    assert best_possible_accuracy(keys, labels) == pytest.approx((2 + 1 + 1) / 6)
    assert best_possible_accuracy(np.arange(4), np.array([0, 0, 1, 1])) == 1


# --- held_out_side --------------------------------------------------------------------


def by_hand(keys: list[int], labels: list[int], fraction: float, seed: int) -> list[bool]:
    """The same choice, a row at a time."""
    groups: dict[int, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    by_label: dict[int, list[list[int]]] = {}
    for group in groups.values():
        label = Counter(labels[row] for row in group).most_common(1)[0][0]
        by_label.setdefault(label, []).append(group)
    random, held_out = np.random.default_rng(seed), [False] * len(keys)
    for label in sorted(by_label):
        texts = by_label[label]
        for i in random.permutation(len(texts))[: round(len(texts) * fraction)]:
            for row in texts[i]:
                held_out[row] = True
    return held_out


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), min_size=1, max_size=60),
    st.floats(0, 0.5),
    st.integers(0, 5),
)
def test_whole_arrays_give_the_choice_of_single_rows(
    rows: list[tuple[int, int]], fraction: float, seed: int
) -> None:
    keys, labels = [key for key, _ in rows], [label for _, label in rows]
    found = held_out_side(np.array(keys), np.array(labels), fraction, seed)
    assert found.tolist() == by_hand(keys, labels, fraction, seed)
