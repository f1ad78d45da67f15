"""Wrong types in every public call of a character model: one line, never a raw TypeError."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rnn_infer
from rnn_infer import CharLM, LoadOptions, PoolStream, RnnInferError, Session, StreamPool

NAN = float("nan")
WORDS = (None, 5, 2.5, b"a", ["a"], object())
NUMBERS = (None, "5", 2.5, True, [5], NAN, object())


def calls(lm: CharLM, session: Session, pool: StreamPool, stream: PoolStream) -> dict[str, Any]:
    """Each call takes one wrong value."""
    return {
        "generate": (lm.generate, (None, 5, 2.5, b"a", {"a"}, {"a": 1}, [5], [None], object())),
        "complete": (lm.complete, (None, 5, "ab", b"a", {"a"}, [5], [["a"]])),
        "stream": (lm.stream, WORDS),
        "length": (lambda wrong: lm.generate("a", length=wrong), NUMBERS),
        "seed": (lambda wrong: lm.generate("a", seed=wrong), NUMBERS[1:4] + NUMBERS[5:]),
        "seeds": (lambda wrong: lm.generate(["a"], seed=[wrong]), NUMBERS),
        "chunk": (lambda wrong: lm.stream("a", chunk=wrong), NUMBERS),
        "stop": (lambda wrong: lm.generate("a", stop=wrong), (None, 5, [5], b"a", [None])),
        "unknown": (lambda wrong: lm.generate("a", unknown=wrong), (None, 5, [], "no")),
        "sampling": (lambda wrong: lm.generate("a", sampling=wrong), (5, "hot", {"top_k": 5})),
        "score": (lm.score, (None, 5, b"ab", ["ab", 6], {"ab"})),
        "next": (lm.next, WORDS),
        "top": (lambda wrong: lm.next("a", top=wrong), (*NUMBERS, 0)),
        "items": (lambda wrong: lm.new_items(wrong, stop="a"), NUMBERS),
        "item prompt": (lambda wrong: lm.new_items(1, wrong, stop="a"), (5, b"a", ["a"])),
        "exclude": (lambda wrong: lm.new_items(1, stop="a", exclude=wrong), (5, "a", [5])),
        "session": (lambda wrong: lm.session(seed=wrong), NUMBERS[1:]),
        "restore": (lambda wrong: lm.session(restore=wrong), (5, "abc", [1], object())),
        "feed": (session.feed, WORDS),
        "session length": (session.generate, NUMBERS),
        "fork": (lambda wrong: session.fork(seed=wrong), NUMBERS[1:]),
        "open": (lambda wrong: pool.open(wrong, seed=1), WORDS),
        "pool seed": (lambda wrong: pool.open("a", seed=wrong), NUMBERS),
        "pool stream": (lambda wrong: pool.stream(wrong, seed=1), WORDS),
        "astream": (lambda wrong: pool.astream(wrong, seed=1), WORDS),
        "tick": (pool.tick, NUMBERS),
        "tick streams": (lambda wrong: pool.tick(1, wrong), (5, ["a"], [None], "a", object())),
        "pool feed": (stream.feed, WORDS),
        "draw": (stream.draw, NUMBERS),
        "adraw": (lambda wrong: asyncio.run(stream.adraw(wrong)), NUMBERS),
    }


def refused(call: Callable[[Any], object], wrong: Any) -> None:
    with pytest.raises(RnnInferError) as caught:
        call(wrong)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 250


def test_wrong_types(lm: CharLM) -> None:
    with lm.pool() as pool:
        stream = pool.open("ab", seed=1)
        session = lm.session(seed=1)
        for call, values in calls(lm, session, pool, stream).values():
            for wrong in values:
                refused(call, wrong)
        # and nothing has changed
        assert stream.draw(9) == lm.generate("ab", length=9, seed=1)
        assert session.position == 0


LOADING: dict[str, tuple[Any, ...]] = {
    "threads": (None, "2", 1.5, True, 0),
    "device": (None, 3, [], "tpu"),
    "streams": ("x", 1.5, True, -1),
    "sha256": (5, b"ab", []),
}


@pytest.mark.parametrize("name", LOADING)
def test_wrong_options_of_loading(name: str, data: Path) -> None:
    for wrong in LOADING[name]:
        options: Any = {name: wrong}
        refused(lambda given: LoadOptions(**given), options)
        refused(lambda given: rnn_infer.load(data / "charlm.onnx", **given), options)


@pytest.mark.parametrize("wrong", [None, 5, ["a"], object()])
def test_wrong_source_or_options(wrong: Any, data: Path) -> None:
    refused(rnn_infer.load, wrong)
    if wrong is not None:
        refused(lambda each: rnn_infer.load(data / "charlm.onnx", options=each), wrong)
