"""One tick: what it takes from streams, what it gives back, and how far each stream goes."""

from typing import Any

import numpy as np
import pytest

from rnn_infer import CharLM, StreamPool
from rnn_infer.pooling.pool_stream import PoolStream
from rnn_infer.pooling.tick import MAX_READ, MAX_READ_ALONE, MAX_TICK, Tick, reading_length


def started(pool: StreamPool, length: int, prompt: str = "the", **options: Any) -> PoolStream:
    """A stream with a draw in progress."""
    stream = pool.open(prompt, seed=1, **options)
    stream._begin(length, ())
    return stream


def tick(pool: StreamPool, *streams: PoolStream) -> Tick:
    return Tick(streams, pool._batch._table, None, reading_length(streams))


def run(pool: StreamPool, one: Tick) -> None:
    one.compute(pool._stepper, pool._vocabulary)
    one.write(pool._batch._table)


def test_tick_ends_with_the_stream_that_wants_least(lm: CharLM) -> None:
    pool = lm.pool()
    for lengths, steps in (([5, 9], 5), ([500, 90], MAX_TICK)):
        streams = [started(pool, length) for length in lengths]
        run(pool, tick(pool, *streams))
        assert ["".join(each.drawn) for each in streams] == [
            lm.generate("the", length=steps, seed=1)
        ] * 2
        assert [each.wanted for each in streams] == [length - steps for length in lengths]


def test_undone_tick_has_changed_nothing(lm: CharLM) -> None:
    pool = lm.pool()
    stream = started(pool, 20)
    tick(pool, stream).undo()
    assert stream.uniforms.position == 0
    run(pool, tick(pool, stream))
    assert stream._end() == lm.generate("the", length=20, seed=1)


@pytest.mark.parametrize("beside", [True, False])
def test_long_text_is_read_in_parts(lm: CharLM, beside: bool) -> None:
    pool = lm.pool()
    text = "the cat and " * 60
    late, soon = started(pool, 30, text), started(pool, 2000)
    for _ in range(len(text) // (MAX_READ if beside else MAX_READ_ALONE)):
        run(pool, tick(pool, late, *[soon] * beside))
        assert not late.drawn
        assert late.uniforms.position == 0
    run(pool, tick(pool, late))
    assert late._end() == lm.generate(text, length=30, seed=1)
    drawn = len("".join(soon.drawn))
    assert drawn == (len(text) // MAX_READ * MAX_TICK if beside else 0)
    assert "".join(soon.drawn) == lm.generate("the", length=drawn, seed=1)


def test_row_of_a_stream_that_was_closed_meanwhile(lm: CharLM) -> None:
    """Its row may be another's by then."""
    pool = lm.pool()
    gone, here = started(pool, 9), started(pool, 9)
    one = tick(pool, gone, here)
    gone.close()
    other = pool.open("cat", seed=2)
    run(pool, one)
    assert here._end() == lm.generate("the", length=9, seed=1)
    assert not gone.drawn
    assert other.draw(9) == lm.generate("cat", length=9, seed=2)


@pytest.mark.parametrize("options", [{}, {"repetition_penalty": 9.0, "temperature": 0.1}])
def test_draw_that_began_meanwhile_with_stop_texts(lm: CharLM, options: dict[str, Any]) -> None:
    """The tick counts for nothing: the new draw must see its characters in order."""
    pool = lm.pool()
    stream = started(pool, 20, **options)
    one = tick(pool, stream)
    stream._give_up()
    stream._begin(30, ["qqq"])
    run(pool, one)
    assert not stream.drawn
    assert len(stream.recent) == 0
    run(pool, tick(pool, stream))
    assert stream._end() == lm.generate("the", length=30, seed=1, **options)


def test_stream_goes_back_to_its_stop_text(lm: CharLM) -> None:
    pool = lm.pool()
    free = lm.generate("the", length=40, seed=1)
    stream = pool.open("the", seed=1)
    stream._begin(30, [free[4:7]])
    run(pool, tick(pool, stream))
    assert stream._end() == free[: free.index(free[4:7])]
    used = free.index(free[4:7]) + 3
    assert stream.uniforms.position == used
    np.testing.assert_array_equal(stream.unread[0], pool._vocabulary.encode(free[:used]))
    assert stream.draw(20) == free[used : used + 20]
