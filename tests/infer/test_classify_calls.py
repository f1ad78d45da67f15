"""Micro-batches: calls with equal options go together, and each gets its own outcome."""

import asyncio
from typing import Any

import pytest

from rnn_infer import OptionError
from rnn_infer.batch_worker import Call
from rnn_infer.classify_calls import ClassifyRequest, answer
from rnn_infer.predictions import Choice, Prediction


def outcomes(requests: list[tuple[str, Choice]], cancel: tuple[int, ...] = ()) -> tuple[Any, Any]:
    """Return the outcome of each request, and the batches."""
    batches: list[list[str]] = []

    def classify(texts: list[str], choice: Choice) -> list[Prediction]:
        batches.append(texts)
        if "bad" in texts:
            raise ValueError("a bad text")
        return [Prediction(text, (str(choice.top),), (1.0,)) for text in texts]

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        calls = [
            Call(ClassifyRequest(classify, text, choice), loop.create_future())
            for text, choice in requests
        ]
        for each in cancel:
            calls[each].future.cancel()
        answer(calls)
        assert all(call.done for call in calls)
        for call in calls:
            call.deliver()
        return await asyncio.gather(*(call.future for call in calls), return_exceptions=True)

    return asyncio.run(main()), batches


def test_equal_options_go_together() -> None:
    one, two = Choice(top=1), Choice(top=2)
    found, batches = outcomes([("a", one), ("b", two), ("c", Choice(top=1))])
    assert [(each.text, each.label) for each in found] == [("a", "1"), ("b", "2"), ("c", "1")]
    assert batches == [["a", "c"], ["b"]]


def test_bad_text_is_asked_alone() -> None:
    found, batches = outcomes([("a", Choice()), ("bad", Choice()), ("c", Choice())])
    assert (found[0].text, found[2].text) == ("a", "c")
    with pytest.raises(ValueError, match="a bad text"):
        raise found[1]
    assert batches == [["a", "bad", "c"], ["a"], ["bad"], ["c"]]


def test_cancelled_call_is_left_out() -> None:
    found, batches = outcomes([("a", Choice()), ("b", Choice())], cancel=(0,))
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1].text == "b"
    assert batches == [["b"]]


def test_missing_text_is_no_raw_error() -> None:
    found, _ = outcomes([("a", Choice()), (None, Choice())])  # type: ignore[list-item]
    assert found[0].text == "a"
    assert isinstance(found[1], OptionError)
