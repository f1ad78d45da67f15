"""Generation in a batch: lengths, seeds and stop texts."""

import random
import string

import pytest

from rnn_infer import CharLM

PROMPT = "dead beef, a cage.\n"
LETTERS = "\n " + string.ascii_lowercase + "ABCDEFG"


def prompt(length: int, seed: int = 0) -> str:
    return "".join(random.Random(seed).choices(LETTERS, k=length))


def test_fresh_seed_is_returned(lm: CharLM) -> None:
    (first,), (second,) = lm.complete([PROMPT], length=60), lm.complete([PROMPT], length=60)
    assert first.seed != second.seed
    assert lm.generate(PROMPT, length=60, seed=first.seed) == first.text


def test_prompt_is_not_repeated(lm: CharLM) -> None:
    (made,) = lm.complete([PROMPT], length=10, seed=6)
    assert (made.prompt, made.seed, made.stopped) == (PROMPT, 6, None)
    assert made.text == lm.generate(PROMPT, length=30, seed=6)[:10]


def test_length_zero(lm: CharLM) -> None:
    (made,) = lm.complete([PROMPT], length=0, seed=6)
    assert (made.text, made.stopped) == ("", None)
    assert list(lm.stream(PROMPT, length=0)) == []


def test_stop_text_ends_every_path_at_the_same_place(lm: CharLM, step_lm: CharLM) -> None:
    free = lm.generate(PROMPT, length=400, seed=8)
    for begin in (0, 31, 126, 396):
        stop = free[begin : begin + 4]
        end = free.index(stop)
        for model in (lm, step_lm):
            (made,) = model.complete([PROMPT], length=400, seed=8, stop=stop)
            assert (made.text, made.stopped) == (free[:end], stop)
            for chunk in (3, 32, 400):
                pieces = model.stream(PROMPT, length=400, seed=8, stop=[stop], chunk=chunk)
                assert "".join(pieces) == free[:end]


def test_first_of_several_stop_texts(lm: CharLM) -> None:
    free = lm.generate(PROMPT, length=200, seed=8)
    early, late = free[50:54], free[90:95]
    first = min((early, late), key=lambda stop: free.index(stop) + len(stop))
    for stops in ([early, late, "\n" * 40], (late, early)):
        (made,) = lm.complete([PROMPT], length=200, seed=8, stop=stops)
        assert (made.stopped, made.text) == (first, free[: free.index(first)])


def test_stop_text_that_never_appears(lm: CharLM) -> None:
    free = lm.generate(PROMPT, length=200, seed=8)
    for stop in ("\n" * 40, free[-2:] + "\n" * 40, free + "a"):
        (made,) = lm.complete([PROMPT], length=200, seed=8, stop=stop)
        assert (made.text, made.stopped) == (free, None)


def test_stop_text_in_the_prompt_does_not_count(lm: CharLM) -> None:
    free = lm.generate("abcab", length=5, seed=8)
    stop = "b" + free[0]
    assert lm.generate("abcab", length=5, seed=8, stop=stop) == free.partition(stop)[0]


@pytest.mark.parametrize("length", [1, 127, 128, 129, 256, 300])
def test_lengths_around_the_draw_chunk(lm: CharLM, length: int) -> None:
    texts = lm.generate(["a", "b"], length=length, seed=1)
    assert [len(each) for each in texts] == [length, length]
    longer = lm.generate(["a", "b"], length=length + 10, seed=1)
    assert [each[:length] for each in longer] == texts


def test_streams_that_stop_do_not_change_the_others(lm: CharLM) -> None:
    prompts = [prompt(i, i) for i in range(1, 25)]
    free = lm.complete(prompts, length=400, seed=3)
    stop = free[0].text[150:153]
    stopped = lm.complete(prompts, length=400, seed=3, stop=stop)
    for before, after in zip(free, stopped, strict=True):
        ends = stop in before.text
        assert after.stopped == (stop if ends else None)
        assert after.text == (before.text[: before.text.index(stop)] if ends else before.text)
    assert 0 < sum(each.stopped is not None for each in stopped) < len(prompts)
