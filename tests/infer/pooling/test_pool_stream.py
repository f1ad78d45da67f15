"""One stream of a pool: its text buffers, and what a failed tick gives back."""

import numpy as np
import pytest

from rnn_infer import CharLM, OptionError, PicklingError
from rnn_infer.pooling.pool_stream import CLOSED, PoolStream, refusal
from rnn_infer.runtime.draw_rule import DrawRule
from rnn_infer.sampling import Sampling, Uniforms


@pytest.fixture
def stream(lm: CharLM) -> PoolStream:
    return PoolStream(lm.pool(), CLOSED, Uniforms(1), DrawRule(Sampling(), None, None))


def test_unread_tokens_are_taken_once(stream: PoolStream) -> None:
    assert stream._take_unread(9, None).tolist() == []
    stream.unread += [np.array([1, 2]), np.array([3])]
    assert stream._take_unread(9, None).tolist() == [1, 2, 3]
    assert stream._take_unread(9, None).tolist() == []
    assert not stream.unread


def test_unread_tokens_are_taken_in_parts(stream: PoolStream) -> None:
    stream.unread += [np.array([1, 2]), np.array([3, 4, 5])]
    assert stream._take_unread(2, None).tolist() == [1, 2]
    stream.unread.append(np.array([6]))
    assert stream._take_unread(3, None).tolist() == [3, 4, 5]
    assert stream._take_unread(3, None).tolist() == [6]


def test_only_the_last_document_is_read(stream: PoolStream) -> None:
    stream.unread += [np.array([1, 7, 2]), np.array([3, 7, 4, 5])]
    assert stream._take_unread(2, 7).tolist() == [7, 4]
    assert stream._take_unread(2, 7).tolist() == [5]


def test_failed_tick_gives_back_what_it_took(stream: PoolStream) -> None:
    stream.unread.append(np.array([1, 2]))
    before = Uniforms(1).take(3)
    tokens = stream._take_unread(9, None)
    stream.uniforms.take(3)
    stream.unread.append(np.array([3]))
    stream._give_back(tokens, 0)
    assert stream._take_unread(9, None).tolist() == [1, 2, 3]
    assert stream.uniforms.take(3).tolist() == before.tolist()


def test_left_text_is_taken_in_parts(stream: PoolStream) -> None:
    stream.drawn += ["ab", "cde"]
    for length, text in ((3, "abc"), (0, ""), (2, "de")):
        stream._begin(length, ())
        assert stream.wanted == 0
        assert stream._end() == text
    stream._begin(4, ())
    assert stream.wanted == 4


@pytest.mark.parametrize("parts", [["xxstopyy"], ["xxs", "to", "pyy"], ["xxstop"], ["xxsto", "p"]])
def test_stop_text_ends_a_draw(stream: PoolStream, parts: list[str]) -> None:
    stream._begin(20, ["stop"])
    used = [stream._add(part) for part in parts]
    assert used[:-1] == list(map(len, parts[:-1]))
    assert sum(used) == 6
    assert (stream.wanted, stream.stopped) == (0, "stop")
    assert stream._end() == "xx"
    stream._begin(3, ())
    assert (stream.wanted, stream.stopped) == (3, None)


def test_stop_text_in_left_text(stream: PoolStream) -> None:
    stream.drawn.append("xxstopyystop")
    stream._begin(20, ["stop"])
    assert (stream.wanted, stream.stopped) == (0, "stop")
    assert stream._end() == "xx"
    stream._begin(5, ["stop"])
    assert (stream.wanted, stream.stopped) == (0, None)  # it ends beyond the length
    assert stream._end() == "yysto"


def test_one_draw_at_a_time(stream: PoolStream) -> None:
    stream._begin(2, ())
    with pytest.raises(OptionError, match="another thread or task"):
        stream._begin(2, ())
    stream._give_up()
    stream._begin(2, ())


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
