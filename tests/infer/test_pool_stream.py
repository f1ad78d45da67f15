"""One stream of a pool: its text buffers, and what a failed tick gives back."""

import numpy as np
import pytest

from rnn_infer import CharLM, PicklingError
from rnn_infer.pool_stream import CLOSED, PoolStream, refusal
from rnn_infer.runtime.draw_rule import DrawRule
from rnn_infer.sampling import Sampling, Uniforms


@pytest.fixture
def stream(lm: CharLM) -> PoolStream:
    return PoolStream(lm.pool(), CLOSED, Uniforms(1), DrawRule(Sampling(), None, None))


def test_unread_tokens_are_taken_once(stream: PoolStream) -> None:
    assert stream._take_unread().tolist() == []
    stream.unread += [np.array([1, 2]), np.array([3])]
    assert stream._take_unread().tolist() == [1, 2, 3]
    assert stream._take_unread().tolist() == []


def test_failed_tick_gives_back_what_it_took(stream: PoolStream) -> None:
    stream.unread.append(np.array([1, 2]))
    before = Uniforms(1).take(3)
    tokens = stream._take_unread()
    stream.uniforms.take(3)
    stream.unread.append(np.array([3]))
    stream._give_back(tokens, 0)
    assert stream._take_unread().tolist() == [1, 2, 3]
    assert stream.uniforms.take(3).tolist() == before.tolist()


def test_text_is_taken_in_parts(stream: PoolStream) -> None:
    stream.drawn += ["ab", "cde"]
    assert stream._take(3) == "abc"
    assert stream._take(0) == ""
    assert stream._take(9) == "de"


def test_streams_are_keys_by_identity(lm: CharLM) -> None:
    with lm.pool() as pool:
        one, two = pool.open("a", seed=1), pool.open("a", seed=1)
        assert one != two
        assert len({one, two}) == 2
        with one:
            pass
        assert one.row == CLOSED


def test_refusal_says_what_to_do() -> None:
    error = refusal("a pool")
    assert isinstance(error, PicklingError)
    assert "make a pool there, or use a Session" in str(error)
