"""Stop texts and ends of documents: a stream ends and goes on as a session does."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnn_infer import CharLM, OptionError
from rnn_infer.modelfile.onnx_proto import model_class
from rnn_infer.pooling.tick import MAX_READ, MAX_TICK

HOT: dict[str, Any] = {"temperature": 1.4}
OPTIONS: list[dict[str, Any]] = [
    HOT,
    {"temperature": 0.8, "logit_bias": {"e": -3.0, "a": float("-inf")}},
    {"temperature": 1.2, "repetition_penalty": 8.0},
]


def mark(document: dict[str, Any]) -> None:
    document["charlm"]["end"] = "\n"
    document["format_version"] = 2


@pytest.fixture(scope="module")
def documents(lm: CharLM, tmp_path_factory: pytest.TempPathFactory) -> CharLM:
    """The model of `lm`, said to know documents of one line each."""
    model = model_class().FromString(Path(lm._stepper.file.path).read_bytes())
    (entry,) = model.metadata_props
    document = json.loads(entry.value)
    mark(document)
    entry.value = json.dumps(document).encode()
    path = tmp_path_factory.mktemp("documents") / "documents.onnx"
    path.write_bytes(model.SerializeToString())
    return CharLM.load(path, device="cpu")


def in_thread(lm: CharLM, prompt: str, seed: int, calls: list[Any], **options: Any) -> list[Any]:
    with lm.pool() as pool, pool.open(prompt, seed=seed, **options) as stream:
        pool.open("noise", seed=9)
        return [(stream.draw(n, stop=stop), stream.stopped) for n, stop in calls]


def in_task(lm: CharLM, prompt: str, seed: int, calls: list[Any], **options: Any) -> list[Any]:
    async def main() -> list[Any]:
        with lm.pool() as pool, await pool.aopen(prompt, seed=seed, **options) as stream:
            return [(await stream.adraw(n, stop=stop), stream.stopped) for n, stop in calls]

    return asyncio.run(main())


def session(lm: CharLM, prompt: str, seed: int, calls: list[Any], **options: Any) -> list[Any]:
    one, found = lm.session(seed=seed), []
    one.feed(prompt)
    for length, stop in calls:
        found.append((one.generate(length, stop=stop, **options), one.stopped))
    return found


@pytest.mark.parametrize("draw", [in_thread, in_task])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ["lm", "documents"])
def test_draws_are_those_of_a_session(
    request: pytest.FixtureRequest, name: str, options: dict[str, Any], draw: Callable[..., Any]
) -> None:
    model = request.getfixturevalue(name)
    calls = [(40, "e"), (70, ["th", " "]), (5, ()), (200, "\n"), (3, "o"), (90, ["zzz", "s "])] * 2
    found = draw(model, "the", 5, calls, **options)
    assert found == session(model, "the", 5, calls, **options)
    assert sum(stopped is not None for _, stopped in found) > 1


EVENTS = st.one_of(
    st.tuples(st.just("draw"), st.integers(0, 2 * MAX_TICK), st.sampled_from(["", "e", "th", " "])),
    st.tuples(st.just("feed"), st.sampled_from(["", "a", "ab\ncd", "x\n", "e" * 400]), st.just("")),
)


@pytest.mark.parametrize("name", ["lm", "documents"])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, max_size=12), options=st.sampled_from(OPTIONS))
def test_any_order_of_events(
    request: pytest.FixtureRequest, name: str, events: list[Any], options: dict[str, Any]
) -> None:
    model = request.getfixturevalue(name)
    with model.pool() as pool:
        stream, one = pool.open("ab", seed=3, **options), model.session(seed=3)
        one.feed("ab")
        for kind, value, stop in events:
            if kind == "feed":
                stream.feed(value)
                one.feed(value)
            else:
                stops = [stop] if stop else []
                assert stream.draw(value, stop=stops) == one.generate(value, stop=stops, **options)
                assert stream.stopped == one.stopped


def test_stops_of_many_streams_in_one_batch(lm: CharLM, documents: CharLM) -> None:
    for model in (lm, documents):
        with model.pool() as pool:
            streams = [pool.open("the", seed=seed, **HOT) for seed in range(12)]
            found = []
            for _ in range(4):
                texts = pool.tick(70)
                found.append([texts[each] for each in streams])
        alone = [session(model, "the", seed, [(70, ())] * 4, **HOT) for seed in range(12)]
        assert found == [[calls[k][0] for calls in alone] for k in range(4)]


def test_document_ends_a_draw(documents: CharLM) -> None:
    whole = documents.generate("the", length=300, seed=1, **HOT)
    assert len(whole) < 300
    with documents.pool() as pool:
        stream = pool.open("the", seed=1, **HOT)
        assert stream.draw(300) == whole
        assert stream.stopped == "\n"
        assert "".join(pool.stream("the", seed=1, length=300, **HOT)) == whole


def test_stop_text_that_ends_with_the_end_of_the_document(documents: CharLM) -> None:
    """What follows it is a new document too."""
    free = documents.generate("the", length=300, seed=1, **HOT)
    calls = [(300, free[-1] + "\n"), (300, ())]
    alone = session(documents, "the", 1, calls, **HOT)
    assert alone[0] == (free[:-1], free[-1] + "\n")
    assert alone[1] == session(documents, "the", 1, [(300, ()), (300, ())], **HOT)[1]
    assert in_thread(documents, "the", 1, calls, **HOT) == alone


@pytest.mark.parametrize("bad", ["", ["a", ""], "漢", 7, [7], None])
def test_bad_stops_are_those_of_generate(lm: CharLM, bad: Any) -> None:
    with pytest.raises(OptionError) as expected:
        lm.generate("the", stop=bad)
    with lm.pool() as pool:
        stream = pool.open("the", seed=1)

        async def draw() -> str:
            return await stream.adraw(5, stop=bad)

        with pytest.raises(OptionError) as caught:
            stream.draw(5, stop=bad)
        assert str(caught.value) == str(expected.value)
        with pytest.raises(OptionError) as caught:
            asyncio.run(draw())
        assert str(caught.value) == str(expected.value)
        assert stream.draw(5) == lm.generate("the", length=5, seed=1)


def test_stop_is_normalised(lm: CharLM) -> None:
    free = lm.generate("the", length=300, seed=2, **HOT)
    assert "\n" in free
    with lm.pool() as pool:
        assert pool.open("the", seed=2, **HOT).draw(300, stop="\r\n") == free[: free.index("\n")]


# --- cancelled and failed draws --------------------------------------------------------


def test_stop_text_in_what_a_cancelled_draw_has_left(lm: CharLM) -> None:
    free = lm.generate("the", length=3000, seed=4)

    async def main() -> None:
        with lm.pool() as pool:
            stream = pool.open("the", seed=4)
            task = asyncio.create_task(stream.adraw(10**6))
            while sum(map(len, stream.drawn)) < 200:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            stop = free[50:58]
            at = free.index(stop)
            assert await stream.adraw(200, stop=stop) == free[:at]
            with pytest.raises(OptionError, match="draw them first"):
                stream.feed("abc")
            assert await stream.adraw(300) == free[at + 8 : at + 308]
            stream.feed("abc")

    asyncio.run(main())


def test_cancelled_draws_with_stops_lose_nothing(lm: CharLM, documents: CharLM) -> None:
    async def main(model: CharLM) -> str:
        with model.pool() as pool:
            stream, text = pool.open("the", seed=6, **HOT), ""
            for wait in (0, 0.001, 0.002, 0.0005, 0.003, 0.0015) * 5:
                try:
                    text += await asyncio.wait_for(stream.adraw(60, stop=" "), wait)
                except TimeoutError:
                    text += await stream.adraw(40, stop=["q", " "])
                text += stream.stopped or ""
            return text

    for model in (lm, documents):
        found, one, text = asyncio.run(main(model)), model.session(seed=6), ""
        one.feed("the")
        while len(text) < len(found):
            text += one.generate(40, **HOT) + (one.stopped or "")
        assert text.startswith(found)


def test_failed_draw_can_be_repeated(lm: CharLM, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = lm.pool()
    stream = pool.open("the", seed=2)
    with monkeypatch.context() as patch:
        patch.setattr(pool._stepper, "draw", lambda *_: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            stream.draw(5, stop="e")
    assert stream.draw(90, stop="e") == lm.generate("the", length=90, seed=2, stop="e")


# --- one draw at a time ----------------------------------------------------------------


def test_two_draws_of_one_stream_are_refused(lm: CharLM) -> None:
    async def main() -> None:
        with lm.pool() as pool:
            stream, other = pool.open("the", seed=1), pool.open("the", seed=2)
            first = asyncio.create_task(stream.adraw(500))
            await asyncio.sleep(0)
            with pytest.raises(OptionError, match="another thread or task"):
                await stream.adraw(5)
            with pytest.raises(OptionError, match="another thread or task"):
                pool.tick(5, [other, stream])
            assert pool.tick(5) == {other: lm.generate("the", length=5, seed=2)}
            assert await first == lm.generate("the", length=500, seed=1)

    asyncio.run(main())


def test_tick_leaves_iterators_alone(lm: CharLM) -> None:
    with lm.pool() as pool:
        pieces = pool.stream("the", seed=1, length=200)
        first, stream = next(pieces), pool.open("the", seed=2)
        assert list(pool.tick(50)) == [stream]
        assert first + "".join(pieces) == lm.generate("the", length=200, seed=1)


# --- long texts ------------------------------------------------------------------------


def test_long_text_does_not_hold_up_the_others(lm: CharLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick reads a part of it, and draws the other streams meanwhile."""
    reads: list[int] = []
    consume = lm._stepper.consume

    def watched(tokens: Any, state: Any) -> Any:
        reads.append(tokens.size)
        return consume(tokens, state)

    long = "the cat and " * 200
    expected = lm.generate([long, "the"], length=100, seed=1)
    monkeypatch.setattr(lm._stepper, "consume", watched)

    async def main() -> None:
        with lm.pool() as pool:
            late, soon = pool.open(long, seed=1), pool.open("the", seed=2)
            task = asyncio.create_task(late.adraw(100))
            assert await soon.adraw(100) == expected[1]
            assert not late.drawn
            assert not task.done()
            assert max(reads) <= MAX_READ
            assert await task == expected[0]
            assert sum(reads) >= len(long) - 1

    asyncio.run(main())
