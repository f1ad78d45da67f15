"""The shared batch: rows of open streams, and ticks for calls of coroutines."""

import asyncio
from typing import Any

import numpy as np
import pytest

from rnn_infer import CharLM, OptionError
from rnn_infer.batch_worker import Call
from rnn_infer.pooling.pool_stream import CLOSED, PoolStream
from rnn_infer.pooling.shared_batch import SharedBatch
from rnn_infer.pooling.tick import MAX_TICK
from rnn_infer.runtime.state_table import StateTable
from rnn_infer.sampling import Uniforms


def opened(lm: CharLM, count: int) -> tuple[SharedBatch, list[PoolStream]]:
    pool = lm.pool()
    return pool._batch, [pool.open("the", seed=seed) for seed in range(count)]


def test_rows_are_used_again(lm: CharLM) -> None:
    batch, (one, two) = opened(lm, 2)
    row = one.row
    assert row != two.row
    batch.remove(one)
    batch.remove(one)
    assert (one.row, len(batch), batch.streams) == (CLOSED, 1, [two])
    batch.add(one)
    assert one.row == row


def test_closed_stream_is_refused(lm: CharLM) -> None:
    batch, (stream,) = opened(lm, 1)
    batch.remove(stream)
    for use in (
        lambda: batch.draw(stream, 1),
        lambda: batch.take(stream),
        lambda: batch.feed(stream, np.array([1])),
    ):
        with pytest.raises(OptionError, match="closed"):
            use()
    assert batch.tick([stream], 3) == {}


def test_advance_ticks_once_for_all_calls(lm: CharLM) -> None:
    batch, streams = opened(lm, 4)
    lengths = [MAX_TICK, MAX_TICK + 8, 0, MAX_TICK]

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        calls = [
            Call(batch.request(stream, length), loop.create_future())
            for stream, length in zip(streams, lengths, strict=True)
        ]
        calls[3].future.cancel()
        batch.advance(calls)
        assert [call.done for call in calls] == [True, False, True, True]
        batch.advance([calls[1]])
        assert calls[1].done
        for call in calls:
            call.deliver()
        assert calls[3].cancelled
        return [batch.take(stream) for stream in streams[:3]]

    texts = asyncio.run(main())
    for seed in (0, 1, 2):
        assert texts[seed] == lm.generate("the", length=lengths[seed], seed=seed)
    assert not streams[3].drawn  # a cancelled call draws nothing


def test_advance_fails_the_calls_of_closed_streams(lm: CharLM) -> None:
    batch, (one, two) = opened(lm, 2)

    async def main() -> str:
        loop = asyncio.get_running_loop()
        requests = [batch.request(each, 5) for each in (one, two)]
        batch.remove(one)
        calls = [Call(request, loop.create_future()) for request in requests]
        batch.advance(calls)
        for call in calls:
            call.deliver()
        with pytest.raises(OptionError, match="closed"):
            await calls[0].future
        return batch.take(two)

    assert asyncio.run(main()) == lm.generate("the", length=5, seed=1)


def test_tick_that_cannot_begin_takes_nothing(lm: CharLM, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, streams = opened(lm, 3)

    def second_fails(function: Any) -> Any:
        calls = iter((False, True))

        def call(*arguments: Any) -> Any:
            if next(calls):
                raise MemoryError
            return function(*arguments)

        return call

    for owner, name in ((PoolStream, "_take_unread"), (Uniforms, "take")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, second_fails(getattr(owner, name)))
            with pytest.raises(MemoryError):
                batch.tick(streams, 9)
    assert list(batch.tick(streams, 9).values()) == lm.generate(["the"] * 3, length=9, seed=0)


def test_streams_that_are_half_written_are_closed(
    lm: CharLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would go on with a text that their state has not read."""
    batch, (one, other) = opened(lm, 2)
    with monkeypatch.context() as patch:
        patch.setattr(StateTable, "scatter", lambda *_: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            batch.draw(one, 5)
    with pytest.raises(OptionError, match="closed"):
        batch.draw(one, 5)
    assert batch.draw(other, 5) == lm.generate("the", length=5, seed=1)


@pytest.mark.parametrize("ahead", [True, False])
def test_a_tick_goes_on_for_streams_that_run_ahead(lm: CharLM, ahead: bool) -> None:
    """Streams at different places are not cut to the shortest request, if nothing can be fed."""
    batch, streams = opened(lm, 3)
    for stream in streams:
        stream.runs_ahead = ahead
    lengths = [5, 20, 11]

    async def main() -> list[bool]:
        loop = asyncio.get_running_loop()
        calls = [
            Call(batch.request(stream, length), loop.create_future())
            for stream, length in zip(streams, lengths, strict=True)
        ]
        batch.advance(calls)
        return [call.done for call in calls]

    assert asyncio.run(main()) == ([True] * 3 if ahead else [True, False, False])
    assert [sum(map(len, stream.drawn)) for stream in streams] == [20 if ahead else 5] * 3
    for seed, (stream, length) in enumerate(zip(streams, lengths, strict=True)):
        stream._give_up()
        text = batch.draw(stream, length) + batch.draw(stream, 40)
        assert text == lm.generate("the", length=length + 40, seed=seed)
