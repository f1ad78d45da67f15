"""Many streams in one batch: each reads and draws as if it were alone."""

import random
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer import CharLM
from rnn_infer.runtime.reading import MAX_CHUNK
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling, Uniforms, draw

LETTERS = "\n " + string.ascii_lowercase + "ABCDEFG"
PROMPTS = st.lists(st.text(st.sampled_from(LETTERS), max_size=30), max_size=7)


def prompt(length: int, seed: int = 0) -> str:
    return "".join(random.Random(seed).choices(LETTERS, k=length))


def alone(lm: CharLM, prompts: list[str], length: int, seed: int) -> list[str]:
    return [lm.generate(each, length=length, seed=seed + i) for i, each in enumerate(prompts)]


@given(prompts=PROMPTS, length=st.integers(0, 30), seed=st.integers(0, 2**32))
def test_prompts_of_any_lengths(lm: CharLM, prompts: list[str], length: int, seed: int) -> None:
    assert lm.generate(prompts, length=length, seed=seed) == alone(lm, prompts, length, seed)


@pytest.mark.parametrize("length", [1, 2, 50])
def test_text_follows_the_logits_of_whole_sequences(
    lm: CharLM, stepper: Stepper, length: int
) -> None:
    """The reference reads the whole text from the zero state again for each drawn character."""
    vocabulary, sampling = lm.metadata.vocabulary, Sampling(temperature=0.9, top_k=20)
    texts = [prompt(length), prompt(2 * length, 1)]
    drawn = lm.generate(texts, length=12, seed=40, temperature=0.9, top_k=20)
    for i, start in enumerate(texts):
        text = start
        for uniform in Uniforms(40 + i).take(12):
            tokens = np.array([[vocabulary.index(char) for char in text]])
            logits = stepper.forward(tokens, stepper.zeros(1))[0][:, -1]
            text += vocabulary[int(draw(logits, np.array([uniform]), sampling)[0])]
        assert text == start + drawn[i]


@pytest.mark.parametrize("model", ["lm", "step_lm", "wide"])
def test_every_kind_of_file(model: str, request: pytest.FixtureRequest) -> None:
    lm: CharLM = request.getfixturevalue(model)
    prompts = ["", "a", "ab\ncd", prompt(50), "", prompt(7)]
    assert lm.generate(prompts, length=40, seed=5) == alone(lm, prompts, 40, 5)


@pytest.mark.parametrize("size", [1, 2, 64, 300])
def test_batches_of_any_size(lm: CharLM, size: int) -> None:
    prompts = [prompt(i % 11, i) for i in range(size)]
    together = lm.generate(prompts, length=20, seed=100)
    assert len(together) == size
    chosen = random.Random(size).sample(range(size), min(size, 12))
    for i in chosen:
        assert together[i] == lm.generate(prompts[i], length=20, seed=100 + i)


@pytest.mark.parametrize("more", [-1, 0, 1, 2])
def test_prompt_lengths_around_the_read_chunk(lm: CharLM, more: int) -> None:
    for length in (MAX_CHUNK + more, 2 * MAX_CHUNK + more):
        prompts = [prompt(length), "a", prompt(length - 1, 1), prompt(3 * MAX_CHUNK + 5, 2)]
        assert lm.generate(prompts, length=8, seed=1) == alone(lm, prompts, 8, 1)


def test_order_of_a_batch_does_not_matter(lm: CharLM) -> None:
    prompts, seeds = [prompt(i, i) for i in range(20)], list(range(20))
    straight = lm.generate(prompts, length=30, seed=seeds)
    backward = lm.generate(prompts[::-1], length=30, seed=seeds[::-1])
    assert backward[::-1] == straight


def test_equal_seeds_give_equal_texts(lm: CharLM) -> None:
    texts = lm.generate(["abc"] * 9, length=200, seed=[7] * 9)
    assert len(set(texts)) == 1


def test_streams_differ_by_seed(lm: CharLM) -> None:
    assert len(set(lm.generate(["abc"] * 9, length=40, seed=7))) == 9


def test_sessions_side_by_side(lm: CharLM) -> None:
    """Many sessions draw in turn, each as if it were the only one."""
    chance = random.Random(5)
    sessions = [lm.session(seed=i) for i in range(12)]
    texts = [""] * 12
    for i, session in enumerate(sessions):
        session.feed(prompt(i, i))
    for _ in range(150):
        i = chance.randrange(12)
        texts[i] += sessions[i].generate(chance.randrange(6))
    for i, text in enumerate(texts):
        assert text == lm.generate(prompt(i, i), length=len(text), seed=i)
