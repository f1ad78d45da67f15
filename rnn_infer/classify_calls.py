"""Calls of coroutines that classify one text each: they are answered in micro-batches."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rnn_infer.batch_worker import Call
from rnn_infer.predictions import Choice, Prediction
from rnn_infer.text.column import require_texts


class ClassifyRequest(NamedTuple):
    """A request to classify one text."""

    classify: Callable[[list[str], Choice], list[Prediction]]
    """Classifies texts. All requests of a worker have the same."""
    text: str
    choice: Choice


def answer(calls: Sequence[Call[ClassifyRequest]]) -> None:
    """Answer all calls: those with equal options in one batch."""
    groups: dict[Choice, list[Call[ClassifyRequest]]] = {}
    for call in calls:
        if call.cancelled:
            call.finish()
        else:
            groups.setdefault(call.request.choice, []).append(call)
    for group in groups.values():
        _answer_together(group)


def _answer_together(calls: list[Call[ClassifyRequest]]) -> None:
    classify, _, choice = calls[0].request
    try:
        texts = require_texts([call.request.text for call in calls], "classify")
        predictions = classify(texts, choice)
    except Exception as error:
        if len(calls) == 1:
            calls[0].fail(error)
            return
        # A bad text must not fail the others, so each is asked alone.
        for call in calls:
            _answer_together([call])
        return
    for call, prediction in zip(calls, predictions, strict=True):
        call.finish(prediction)
