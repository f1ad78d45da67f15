"""The prefix tree: its levels against the texts themselves."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer.text import prefix_tree
from rnn_infer.text.prefix_tree import DEPTH, PrefixTree
from rnn_infer.text.ragged import Ragged

Rows = list[list[int]]
TEXTS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=2 * DEPTH), min_size=1)


def tree_of(rows: Rows) -> PrefixTree:
    return PrefixTree(Ragged.of([np.array(row) for row in rows]), np.arange(len(rows)))


def walk(rows: Rows) -> tuple[PrefixTree, list[list[list[int]]]]:
    """Return the tree, and for each level the prefix of each node, found through the parents."""
    tree = tree_of(rows)
    levels: list[list[list[int]]] = [[[]]]
    for level in tree.levels():
        depth = len(levels)
        above = levels[-1]
        levels.append(
            [
                [*above[parent], int(token)]
                for parent, token in zip(level.parents, level.tokens, strict=True)
            ]
        )
        for place, row in enumerate(tree.rows):
            if len(rows[row]) >= depth:
                assert levels[-1][level.nodes[place]] == rows[row][:depth]
        ended = [place for place, row in enumerate(tree.rows) if len(rows[row]) == depth]
        assert level.ended.tolist() == ended
    return tree, levels[1:]


@pytest.fixture
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tree yield every level, even if it saves no step."""
    monkeypatch.setattr(prefix_tree, "_LEAST_ROWS", -1)
    monkeypatch.setattr(prefix_tree, "_LEAST_SHARE", -1.0)


@pytest.mark.usefixtures("_always")
@given(rows=TEXTS)
def test_each_prefix_is_one_node(rows: Rows) -> None:
    _, levels = walk(rows)
    assert len(levels) == min(DEPTH, max(map(len, rows)))
    for depth, level in enumerate(levels, 1):
        distinct = {tuple(row[:depth]) for row in rows if len(row) >= depth}
        assert sorted(map(tuple, level)) == sorted(distinct)


@given(rows=TEXTS)
def test_equal_texts_are_merged(rows: Rows) -> None:
    tree = tree_of(rows)
    copies, places = tree.copies
    assert sorted(copies.tolist()) == list(range(len(rows)))
    for copy, place in zip(copies, places, strict=True):
        assert rows[copy] == rows[tree.rows[place]]
    short = [tuple(row) for row in rows if len(row) <= DEPTH]
    assert len(tree.rows) == len(set(short)) + len(rows) - len(short)
    assert tree.lengths.tolist() == [len(rows[row]) for row in tree.rows]


def test_tokens_of_any_size() -> None:
    chance = random.Random(0)
    some = [0, 1, 254, 255, 256, 65_534, 65_535, 65_536, 1_114_110]
    rows = [[chance.choice(some) for _ in range(chance.randrange(1, 5))] for _ in range(500)]
    tree, levels = walk(rows)
    assert levels
    assert len(tree.rows) == len({tuple(row) for row in rows})


def test_levels_that_save_little_are_left_out() -> None:
    """200 texts of ten tokens have their first three tokens in common."""
    rows = [[7, 7, 7, i % 100, i // 100, *range(5)] for i in range(200)]
    _, levels = walk(rows)
    assert [len(level) for level in levels] == [1, 1, 1, 100]
    assert not walk(rows[:50])[1], "so few texts save nothing"
