"""The pool: many streams in one batch, each draws the same text as alone."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnn_infer import CharLM, OptionError, UnknownCharacterError
from rnn_infer.pooling.tick import MAX_TICK

OPTIONS: list[dict[str, Any]] = [
    {"temperature": 1.0},
    {"temperature": 0.0},
    {"temperature": 0.7, "top_k": 4},
    {"temperature": 1.3, "top_p": 0.8},
    {"temperature": 0.9, "top_k": 12, "top_p": 0.6},
]
PROMPTS = ["the fox", "", "a", "DEED\ncafé", "one two three four"]


@pytest.fixture(params=["lm", "step_lm", "one_lm", "wide"])
def any_lm(request: pytest.FixtureRequest) -> CharLM:
    found: CharLM = request.getfixturevalue(request.param)
    return found


def alone(lm: CharLM, index: int, length: int) -> str:
    return lm.generate(PROMPTS[index], length=length, seed=index, **OPTIONS[index])


def test_each_stream_draws_as_if_alone(any_lm: CharLM) -> None:
    with any_lm.pool() as pool:
        streams = [pool.open(PROMPTS[i], seed=i, **options) for i, options in enumerate(OPTIONS)]
        texts = pool.tick(70)
        assert [texts[each] for each in streams] == [alone(any_lm, i, 70) for i in range(5)]


def test_ticks_of_any_length(lm: CharLM) -> None:
    pool = lm.pool()
    streams = [pool.open(PROMPTS[i], seed=i, **OPTIONS[i]) for i in range(5)]
    texts = [""] * 5
    for length in (1, 1, 3, MAX_TICK, MAX_TICK + 1, 2):
        for stream, text in pool.tick(length).items():
            texts[streams.index(stream)] += text
    assert texts == [alone(lm, i, 6 + 2 * MAX_TICK + 2) for i in range(5)]


def test_streams_join_and_leave(lm: CharLM) -> None:
    """More streams than the pool has rows at first. Rows are reused and start from zero."""
    pool = lm.pool()
    expected = lm.generate("the", length=20, seed=5)
    for _ in range(3):
        streams = [pool.open("the", seed=5) for _ in range(40)]
        pool.tick(7, streams[::2])
        for stream in streams[::3]:
            stream.close()
        left = [each for i, each in enumerate(streams) if i % 3]
        assert len(pool) == len(left)
        rest = pool.tick(13, left)
        assert {rest[each] for each in left if streams.index(each) % 2} == {expected[:13]}
        assert {rest[each] for each in left if not streams.index(each) % 2} == {expected[7:]}
        pool.close()
        assert len(pool) == 0


def test_feeding_between_draws_is_the_same_as_in_a_session(any_lm: CharLM) -> None:
    pool = any_lm.pool()
    pool.open("noise", seed=9)
    stream, session = pool.open("the", seed=4), any_lm.session(seed=4)
    session.feed("the")
    for text, length in (("", 5), (" cat", 1), ("s", 40), ("a" * 50, 3)):
        stream.feed(text)
        session.feed(text)
        assert stream.draw(length) == session.generate(length)


def test_two_feeds_equal_one(lm: CharLM) -> None:
    pool = lm.pool()
    one, two = pool.open("the ", seed=1), pool.open("the ", seed=1)
    one.feed("cat")
    one.feed("s and")
    two.feed("cats and")
    assert one.draw(20) == two.draw(20)


EVENTS = st.tuples(st.sampled_from(["open", "tick", "feed", "close"]), st.integers(0, 7))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, max_size=40))
def test_any_order_of_events(lm: CharLM, events: list[tuple[str, int]]) -> None:
    pool = lm.pool()
    streams: dict[int, Any] = {}
    sessions: dict[int, Any] = {}
    for number, (event, index) in enumerate(events):
        if event == "open" and index not in streams:
            streams[index] = pool.open("ab", seed=number)
            sessions[index] = lm.session(seed=number)
            sessions[index].feed("ab")
        elif event == "feed" and index in streams:
            streams[index].feed("cd" * index)
            sessions[index].feed("cd" * index)
        elif event == "close" and index in streams:
            streams.pop(index).close()
        elif event == "tick" and streams:
            texts = pool.tick(1 + index)
            for key, stream in streams.items():
                assert texts[stream] == sessions[key].generate(1 + index)


def test_threads_share_batches(lm: CharLM) -> None:
    pool = lm.pool()
    lengths = [1 + 7 * i % 50 for i in range(48)]
    expected = [lm.generate("so", length=2 * n, seed=i) for i, n in enumerate(lengths)]
    together = threading.Barrier(16)

    def work(index: int) -> str:
        if index < 16:
            together.wait(timeout=30)
        with pool.open("so", seed=index) as stream:
            return stream.draw(lengths[index]) + stream.draw(lengths[index])

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(work, range(48))) == expected
    assert len(pool) == 0


def test_only_waiting_streams_are_in_a_batch(lm: CharLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that does not wait is not in the batch of a tick."""
    pool = lm.pool()
    streams = [pool.open("x", seed=i) for i in range(20)]
    pool.tick(1)
    sizes: list[int] = []
    draw = pool._stepper.draw

    def watched(tokens: Any, *rest: Any) -> Any:
        sizes.append(len(tokens))
        return draw(tokens, *rest)

    monkeypatch.setattr(pool._stepper, "draw", watched)
    pool.tick(3, streams[4:7])
    streams[2].draw(1)
    assert sizes == [3, 1]


def test_pool_is_usable_after_a_failed_tick(lm: CharLM, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = lm.pool()
    stream = pool.open("x", seed=1)
    with monkeypatch.context() as patch:
        patch.setattr(pool._stepper, "draw", lambda *_: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            stream.draw(5)
    assert stream.wanted == 0
    other = pool.open("the", seed=2)
    assert other.draw(9) == lm.generate("the", length=9, seed=2)


@pytest.mark.parametrize("fails", ["draw", "consume"])
def test_failed_tick_takes_nothing_from_its_streams(
    lm: CharLM, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """No fed text and no random numbers are lost: the text is the same as without the failure."""
    pool = lm.pool()
    streams = [pool.open(PROMPTS[i], seed=i, **OPTIONS[i]) for i in range(5)]
    first = pool.tick(6)
    for stream in streams[:3]:
        stream.feed("fed and not read yet")
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(pool._stepper, fails, lambda *_: (_ for _ in ()).throw(MemoryError))
            with pytest.raises(MemoryError):
                pool.tick(9)
        streams[0].feed(" and more")
    second = pool.tick(9)
    for i, stream in enumerate(streams):
        session = lm.session(seed=i)
        session.feed(PROMPTS[i])
        assert first[stream] == session.generate(6, **OPTIONS[i])
        session.feed("fed and not read yet" * (i < 3) + " and more" * 2 * (i == 0))
        assert second[stream] == session.generate(9, **OPTIONS[i])


def test_text_drawn_before_a_failure_is_returned_later(
    lm: CharLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = lm.pool()
    stream, draw, calls = pool.open("the", seed=2), pool._stepper.draw, []

    def second_fails(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise MemoryError
        return draw(*arguments)

    monkeypatch.setattr(pool._stepper, "draw", second_fails)
    with pytest.raises(MemoryError):
        stream.draw(2 * MAX_TICK)
    expected = lm.generate("the", length=100 + MAX_TICK, seed=2)
    assert stream.draw(3) == expected[:3]
    assert pool.tick(MAX_TICK) == {stream: expected[3 : 3 + MAX_TICK]}
    assert stream.draw(60) == expected[3 + MAX_TICK : 63 + MAX_TICK]


def test_closed_stream_does_not_disturb_a_tick(lm: CharLM) -> None:
    pool = lm.pool()
    stream, closed = pool.open("the", seed=2), pool.open("the", seed=3)
    closed.close()
    expected = lm.generate("the", length=9, seed=2)
    assert pool.tick(5, [stream, closed]) == {stream: expected[:5]}
    assert stream.draw(4) == expected[5:]


def test_stream_that_is_closed_during_a_tick(lm: CharLM, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = lm.pool()
    streams = [pool.open("the", seed=i) for i in range(4)]
    draw = pool._stepper.draw

    def closing(*arguments: Any) -> Any:
        streams[1].close()
        return draw(*arguments)

    monkeypatch.setattr(pool._stepper, "draw", closing)
    texts = pool.tick(2 * MAX_TICK, streams)
    monkeypatch.undo()
    left = (0, 2, 3)
    assert texts == {streams[i]: lm.generate("the", length=2 * MAX_TICK, seed=i) for i in left}
    assert len(pool) == 3


def test_closed_streams_are_refused(lm: CharLM) -> None:
    pool = lm.pool()
    stream = pool.open("a", seed=1)
    stream.close()
    stream.close()
    for use in (lambda: stream.draw(1), lambda: stream.feed("a")):
        with pytest.raises(OptionError, match="closed"):
            use()
    assert pool.tick(1, [stream]) == {}
    with pytest.raises(OptionError, match="another pool"):
        lm.pool().tick(1, [pool.open("a", seed=1)])


def test_bad_arguments(lm: CharLM) -> None:
    pool = lm.pool()
    with pytest.raises(OptionError):
        pool.open("a", seed=-1)
    with pytest.raises(OptionError):
        pool.open("a", seed=1, top_p=2.0)
    with pytest.raises(UnknownCharacterError):
        pool.open("漢", seed=1)
    stream = pool.open("a", seed=1)
    for bad in (-1, 1.5, True):
        with pytest.raises(OptionError):
            stream.draw(bad)  # type: ignore[arg-type]
    assert stream.draw(0) == ""
    assert pool.tick(0) == {stream: ""}
    assert len(pool) == 1
