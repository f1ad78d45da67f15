"""Counting repetitions: against a search in the text."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer.runtime.repetition import CONTEXT, WINDOW, add, repetitions


@given(st.lists(st.integers(0, 2), max_size=60))
def test_counts_what_followed_the_same_context(tokens: list[int]) -> None:
    text = "".join(map(str, tokens))
    counts = [0, 0, 0]
    for end in range(CONTEXT, len(text)):
        if text[end - CONTEXT : end] == text[-CONTEXT:]:
            counts[int(text[end])] += 1
    assert repetitions(np.array(tokens, np.int64), 3).tolist() == counts


def test_window_keeps_the_last_tokens() -> None:
    recent = np.empty(0, np.int64)
    for token in range(WINDOW + 10):
        before, copy = recent, recent.copy()
        recent = add(recent, token)
        assert before.tolist() == copy.tolist()
    assert recent.tolist() == list(range(10, WINDOW + 10))
