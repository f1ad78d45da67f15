"""--forbid, --bias and --repetition-penalty of `rnn-infer generate`."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from rnn_infer import CharLM

ARGUMENTS = ("generate", "--prompt", "ab", "--length", "60", "--seed", "1")


@pytest.fixture
def generate(good: Callable[..., str], model: str) -> Callable[..., str]:
    return lambda *more: good(*ARGUMENTS, "--model", model, *more)[:-1]


def test_the_text_is_the_library_s(generate: Callable[..., str], lm: CharLM) -> None:
    plain = lm.generate("ab", length=60, seed=1)
    bias = {"a": -math.inf, " ": -math.inf, "e": 1.5, "d": -math.inf}
    text = lm.generate("ab", length=60, seed=1, logit_bias=bias)
    assert generate("--forbid", "a a", "--bias", "e=1.5", "--bias", "d=-inf") == text
    assert generate() == plain != text
    assert not set("a d") & set(text)
    text = lm.generate("ab", length=60, seed=1, temperature=0, repetition_penalty=9)
    assert generate("--temperature", "0", "--repetition-penalty", "9") == text


def test_forbidden_line_end_may_be_typed(
    run: Callable[..., object], model: str, lm: CharLM
) -> None:
    result = run(*ARGUMENTS, "--model", model, "--forbid", r"\n")
    text = lm.generate("ab", length=60, seed=1, logit_bias={"\n": -math.inf})
    assert result.stdout == text + "\n"  # type: ignore[attr-defined]
    assert "--forbid" in result.stderr  # type: ignore[attr-defined]


def test_decomposed_character_is_the_one_that_the_model_has(
    generate: Callable[..., str],
) -> None:
    assert generate("--forbid", "e\u0301a") == generate("--forbid", "éa")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bias", "e"], "not CHAR=LOGIT"),
        (["--bias", "=2"], "not CHAR=LOGIT"),
        (["--bias", "e=much"], "not CHAR=LOGIT"),
        (["--bias", "e=nan"], "not CHAR=LOGIT"),
        (["--bias", "e=inf"], "from -1000 to 1000"),
        (["--bias", "ee=1"], "not one character"),
        (["--bias", "e=1", "--bias", "e=2"], "named twice"),
        (["--bias", "e=1", "--forbid", "abe"], "named twice"),
        (["--bias", "☃=1"], "not in the model's vocabulary"),
        (["--forbid", "☃"], "not in the model's vocabulary"),
        (["--repetition-penalty", "0.9"], "from 1 to 100"),
        (["--repetition-penalty", "nan"], "from 1 to 100"),
    ],
)
def test_bad_options(bad: Callable[..., str], model: str, arguments: list[str], words: str) -> None:
    assert words in bad(*ARGUMENTS, "--model", model, *arguments)
    assert words in bad(*ARGUMENTS, "--model", model, "--json", *arguments)


def test_everything_forbidden(bad: Callable[..., str], model: str, lm: CharLM) -> None:
    assert "forbids every character" in bad(
        *ARGUMENTS, "--model", model, "--forbid", "".join(lm.metadata.vocabulary)
    )


def test_every_kind_of_file_can(good: Callable[..., str], data: Path) -> None:
    texts = {
        good(*ARGUMENTS, "--model", str(data / f"{name}.onnx"), "--forbid", "e")
        for name in ("charlm", "charlm.step", "charlm.one", "charlm.three")
    }
    assert len(texts) == 1
