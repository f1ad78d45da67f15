"""Drawing by rules of several kinds: against a slow reference, in any chunks and any company."""

import math
from typing import Any

import numpy as np
import pytest

from rnn_infer import CharLM, ModelFileError, Sampling
from rnn_infer.runtime.draw_rule import DrawRule
from rnn_infer.runtime.drawing import NOTHING, Moment, draw_tokens
from rnn_infer.runtime.repetition import CONTEXT, WINDOW
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Uniforms, draw
from rnn_infer.text.vocabulary import Vocabulary

INF = math.inf
PROMPT = "abc ab"
OPTIONS: list[dict[str, Any]] = [
    {},
    {"logit_bias": {"a": -INF, "e": 2.5, " ": -1}},
    {"logit_bias": {"a": -INF}, "temperature": 0},
    {"logit_bias": {"b": 4, "c": -INF}, "temperature": 1.3, "top_k": 5},
    {"logit_bias": {"b": 4, "c": 3}, "temperature": 0.9, "top_p": 0.6},
    {"repetition_penalty": 3, "temperature": 0.2},
    {"repetition_penalty": 50, "temperature": 0},
    {"repetition_penalty": 1.5, "temperature": 1, "top_k": 7, "top_p": 0.8, "logit_bias": {"d": 2}},
]
FILES = ["lm", "step_lm", "one_lm", "wide"]


@pytest.fixture(params=FILES)
def any_lm(request: pytest.FixtureRequest) -> CharLM:
    found: CharLM = request.getfixturevalue(request.param)
    return found


def reference(logits: list[float], uniform: float, sampling: Sampling) -> int | None:
    """Return the token by the rule of the docs, in double precision. None: rounding decides."""
    if sampling.temperature == 0:
        return logits.index(max(logits))
    peak = max(logits)
    weights = [math.exp((each - peak) / sampling.temperature) for each in logits]
    ranked = sorted(logits, reverse=True)[: sampling.top_k or None]
    whole = sum(math.exp((each - peak) / sampling.temperature) for each in ranked)
    before, least = 0.0, ranked[0]
    for each in ranked:
        if abs(before - sampling.top_p * whole) < 1e-4 * whole and sampling.top_p < 1:
            return None
        if sampling.top_p < 1 and before > sampling.top_p * whole:
            break
        least = each
        before += math.exp((each - peak) / sampling.temperature)
    kept = [w if z >= least else 0.0 for z, w in zip(logits, weights, strict=True)]
    edges = np.cumsum(kept) / sum(kept)
    return None if abs(edges - uniform).min() < 1e-4 else int((edges <= uniform).sum())


def changed(lm: CharLM, logits: list[float], drawn: str, sampling: Sampling) -> list[float]:
    """Return the logits with the bias, and lowered by the repetitions in the drawn text."""
    bias = dict(sampling.logit_bias or {})  # type: ignore[arg-type]
    recent = drawn[-WINDOW:]
    found = []
    for char, logit in zip(lm.metadata.vocabulary, logits, strict=True):
        passage = recent[-CONTEXT:] + char
        ends = range(CONTEXT + 1, len(recent) + 1)
        count = sum(recent[end - CONTEXT - 1 : end] == passage for end in ends)
        lowered = count * math.log(sampling.repetition_penalty)
        found.append(logit + bias.get(char, 0) - lowered)
    return found


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_text_follows_the_rule(lm: CharLM, stepper: Stepper, options: dict[str, Any]) -> None:
    sampling, length = Sampling(**options), 90
    text = lm.generate(PROMPT, length=length, seed=3, sampling=sampling)
    known, decided = Vocabulary(lm.metadata), 0
    tokens = known.encode(PROMPT + text)[None]
    logits = stepper.forward(tokens, stepper.zeros(1))[0][0, len(PROMPT) - 1 :]
    for at, uniform in enumerate(Uniforms(3).take(length).tolist()):
        row = changed(lm, logits[at].tolist(), text[:at], sampling)
        token = reference(row, uniform, sampling)
        if token is not None:
            assert lm.metadata.vocabulary[token] == text[at], at
            decided += 1
    assert decided > 0.9 * length


@pytest.mark.parametrize("options", OPTIONS[1:], ids=str)
def test_any_file_any_chunk_any_batch(any_lm: CharLM, options: dict[str, Any]) -> None:
    text = any_lm.generate(PROMPT, length=70, seed=5, **options)
    for chunk in (1, 7, 100):
        pieces = any_lm.stream(PROMPT, length=70, seed=5, chunk=chunk, **options)
        assert "".join(pieces) == text
    batch = any_lm.generate(["a", PROMPT, "fed cab"], length=70, seed=[1, 5, 9], **options)
    assert batch[1] == text


def test_files_of_all_kinds_draw_the_same(lm: CharLM, step_lm: CharLM, one_lm: CharLM) -> None:
    for options in OPTIONS:
        texts = {
            each.generate("ab", length=60, seed=8, **options) for each in (lm, step_lm, one_lm)
        }
        assert len(texts) == 1


def test_pool_of_mixed_rules(any_lm: CharLM) -> None:
    with any_lm.pool() as pool:
        streams = [pool.open(PROMPT, seed=i, **each) for i, each in enumerate(OPTIONS)]
        texts = dict.fromkeys(streams, "")
        for length in (1, 40, 3, 36):
            for stream, text in pool.tick(length).items():
                texts[stream] += text
    for i, (stream, options) in enumerate(zip(streams, OPTIONS, strict=True)):
        assert texts[stream] == any_lm.generate(PROMPT, length=80, seed=i, **options)
        assert stream.sampling == Sampling(**options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_sessions_saved_forked_and_stopped(lm: CharLM, options: dict[str, Any]) -> None:
    session = lm.session(seed=4)
    session.feed(PROMPT)
    session.generate(60, **options)
    restored, twin = lm.session(restore=session.save()), session.fork()
    rest = session.generate(80, **options)
    assert restored.generate(80, **options) == twin.generate(80, **options) == rest
    whole = lm.generate(PROMPT, length=140, seed=4, **options)
    assert whole[60:] == rest
    stopping = lm.session(seed=4)
    stopping.feed(PROMPT)
    stop = whole[20:24]
    head = stopping.generate(140, stop=stop, **options)
    assert stopping.stopped == stop
    assert whole.startswith(head + stop + stopping.generate(50, **options))


def test_a_zero_bias_changes_nothing(any_lm: CharLM) -> None:
    zero = np.zeros(len(any_lm.metadata.vocabulary), np.float32)
    if any_lm.metadata.text.unknown is not None:
        zero = zero[:0]  # an array would name the unknown token
    some: list[dict[str, Any]] = [{}, {"temperature": 0}, {"top_k": 3, "temperature": 2}]
    for options in some:
        plain = any_lm.generate("ab", length=80, seed=2, **options)
        assert any_lm.generate("ab", length=80, seed=2, logit_bias=zero, **options) == plain
        assert any_lm.generate("ab", length=80, seed=2, logit_bias={"a": 0}, **options) == plain


def test_array_and_mapping_are_the_same(lm: CharLM) -> None:
    row = np.zeros(len(lm.metadata.vocabulary))
    row[lm.metadata.vocabulary.index("a")] = -INF
    row[lm.metadata.vocabulary.index("d")] = 3
    for form in (row, row.tolist(), tuple(row), row.astype("f4")):
        text = lm.generate("ab", length=60, seed=1, logit_bias=form)
        assert text == lm.generate("ab", length=60, seed=1, logit_bias={"a": -INF, "d": 3})
        assert "a" not in text


# --- the unknown token ------------------------------------------------------------------


def unknown_of(lm: CharLM) -> str:
    assert lm.metadata.text.unknown is not None
    return lm.metadata.vocabulary[lm.metadata.text.unknown]


HOT: list[dict[str, Any]] = [
    {"temperature": 8.0},
    {"temperature": 30.0, "top_k": 250},
    {"temperature": 8.0, "top_p": 0.97},
]
"""So hot, the graph of `wide` draws its unknown token every few hundred characters."""


@pytest.mark.parametrize("options", HOT, ids=str)
def test_unknown_token_is_never_drawn(wide: CharLM, options: dict[str, Any]) -> None:
    prompts, char = ["ab", "", "c d"] * 4, unknown_of(wide)
    allowed = wide.generate(prompts, length=400, seed=1, logit_bias={char: 0}, **options)
    assert any(char in text for text in allowed)
    texts = wide.generate(prompts, length=400, seed=1, **options)
    assert not any(char in text for text in texts)
    for text, other in zip(texts, allowed, strict=True):
        at = other.find(char)
        assert text[:at] == other[:at]  # the same up to there
    # the same text alone, by steps, and in small pieces
    for row in (0, 7, 11):
        prompt = prompts[row]
        assert wide.generate(prompt, length=400, seed=1 + row, **options) == texts[row]
        steps = wide.stream(prompt, length=400, seed=1 + row, chunk=3, **options)
        assert "".join(steps) == texts[row]
        by_steps = wide.generate(prompt, length=400, seed=1 + row, logit_bias={"a": 0}, **options)
        assert by_steps == texts[row]


def test_session_stands_right_after_an_unknown_token_was_drawn_again(wide: CharLM) -> None:
    options = HOT[0]
    session = wide.session(seed=1)
    session.feed("ab")
    text = session.generate(400, **options)
    twin = wide.session(seed=1)
    twin.feed("ab" + text)
    np.testing.assert_array_equal(session.probabilities(), twin.probabilities())


def test_greedy_takes_the_second_best_instead_of_the_unknown(wide: CharLM) -> None:
    char = unknown_of(wide)
    bias = {char: 1000.0}
    assert wide.generate("ab", length=3, temperature=0, logit_bias=bias) == 3 * char
    assert char not in wide.generate("ab", length=300, temperature=0)


# --- broken models ----------------------------------------------------------------------


def test_no_forbidden_token_comes_from_a_broken_model(stepper: Stepper, lm: CharLM) -> None:
    """Where a plain draw gives token 0, a draw by steps refuses."""
    rule = DrawRule.of(Sampling(logit_bias={"a": 1}), Vocabulary(lm.metadata))
    broken = tuple(np.full_like(each, np.nan) for each in stepper.zeros(1))
    start = Moment(np.array([1]), broken, [NOTHING])
    with pytest.raises(ModelFileError):
        draw_tokens(stepper, start, np.array([[0.5]], np.float32), rule)


def test_plain_rule_is_one_call_of_the_graph(stepper: Stepper, lm: CharLM) -> None:
    rule = DrawRule.of(Sampling(), Vocabulary(lm.metadata))
    uniform = Uniforms(1).take(20)[None]
    start = Moment(np.array([3]), stepper.zeros(1), [NOTHING])
    tokens, after = draw_tokens(stepper, start, uniform, rule)
    expected, _ = stepper.draw(np.array([[3]]), stepper.zeros(1), uniform, Sampling())
    assert tokens.tolist() == expected.tolist()
    assert after.pending.tolist() == [tokens[0, -1]]
    assert draw(np.zeros((1, 4), np.float32), np.array([0.6], np.float32), Sampling()) == [2]
