"""`rnn-infer generate`, `score` and `next`: what each prints, as text and as JSON."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rnn_infer import CharLM
from rnn_infer.cli.commands import main

Printed = Callable[..., str]

PROMPT = "dead beef, a cage.\n"


def rows(printed: str) -> list[Any]:
    return [json.loads(line) for line in printed.splitlines()]


def test_generate_streams_the_text(good: Printed, lm: CharLM, model: str) -> None:
    options = ("--prompt", PROMPT, "--length", "70", "--seed", "3")
    printed = good("generate", "--model", model, *options)
    assert printed == lm.generate(PROMPT, length=70, seed=3) + "\n"


def test_generate_json(good: Printed, lm: CharLM, model: str) -> None:
    options = ("--prompt", PROMPT, "--length", "70", "--seed", "3", "--count", "3", "--json")
    found = rows(good("generate", "--model", model, *options))
    assert [set(row) for row in found] == [{"prompt", "text", "seed", "stopped"}] * 3
    for i, row in enumerate(found):
        text = lm.generate(PROMPT, length=70, seed=3 + i)
        assert row == {"prompt": PROMPT, "text": text, "seed": 3 + i, "stopped": None}


def test_generate_takes_every_option(good: Printed, lm: CharLM, model: str) -> None:
    printed = good(
        *("generate", "--model", model, "--device", "cpu", "--threads", "2", "--prompt", "abcЖ"),
        *("--length", "60", "--temperature", "1.3", "--top-k", "9", "--top-p", "0.8"),
        *("--seed", "3", "--stop", "zzzz", "--stop", "e", "--unknown", "skip", "--json"),
    )
    (expected,) = lm.complete(
        ["abc"], length=60, temperature=1.3, top_k=9, top_p=0.8, seed=3, stop=["zzzz", "e"]
    )
    assert rows(printed) == [
        {"prompt": "abcЖ", "text": expected.text, "seed": 3, "stopped": expected.stopped}
    ]


def test_generate_until_a_stop(good: Printed, lm: CharLM, model: str) -> None:
    free = lm.generate(PROMPT, length=200, seed=3)
    stop = free[50:54]
    options = ("--prompt", PROMPT, "--length", "200", "--seed", "3", "--stop", stop)
    assert good("generate", "--model", model, *options) == free[: free.index(stop)] + "\n"
    (row,) = rows(good("generate", "--model", model, *options, "--json"))
    assert (row["text"], row["stopped"]) == (free[: free.index(stop)], stop)


def test_generate_several_texts(good: Printed, lm: CharLM, model: str) -> None:
    printed = good("generate", "--model", model, "--count", "2", "--length", "9", "--seed", "5")
    for seed in (5, 6):
        assert f"── seed {seed}\n{lm.generate(length=9, seed=seed)}\n" in printed


@pytest.mark.parametrize(
    ("piped", "prompt"),
    [
        (b"dead", "dead"),
        (b"dead\n", "dead"),
        (b"dead\r\n", "dead"),
        (b"dead\n\n", "dead\n"),
        (b"\xef\xbb\xbfdead", "dead"),
        ("é\n".encode(), "é"),
        (b"", ""),
    ],
)
def test_generate_from_standard_input(good: Printed, model: str, piped: bytes, prompt: str) -> None:
    printed = good(
        *("generate", "--model", model, "--prompt", "-", "--length", "9", "--seed", "1", "--json"),
        stdin=piped,
    )
    assert rows(printed)[0]["prompt"] == prompt


def test_defaults_of_generate(good: Printed, model: str) -> None:
    (row,) = rows(good("generate", "--model", model, "--json"))
    assert (row["prompt"], len(row["text"]), row["stopped"]) == ("", 500, None)
    again = good("generate", "--model", model, "--seed", str(row["seed"]), "--temperature", "0.8")
    assert again == row["text"] + "\n"


def test_score(good: Printed, lm: CharLM, model: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(PROMPT * 3)
    (row,) = rows(good("score", "--model", model, str(path), "--json"))
    expected = lm.score(PROMPT * 3)
    assert row == {
        "nats_per_char": expected.nats_per_char,
        "bits_per_char": expected.bits_per_char,
        "perplexity": expected.perplexity,
        "characters": len(PROMPT) * 3 - 1,
    }
    said = good("score", "--model", model, str(path))
    assert re.search(rf"characters +{len(PROMPT) * 3 - 1}$", said, re.MULTILINE)
    piped = good("score", "--model", model, "-", "--json", stdin=PROMPT * 3 + "\n")
    assert rows(piped) == [row]


def test_next(good: Printed, lm: CharLM, model: str) -> None:
    (row,) = rows(good("next", "--model", model, "--prompt", "abc", "--top", "3", "--json"))
    expected = lm.next("abc", 3)
    assert row == {
        "prompt": "abc",
        "top": [{"char": each.char, "probability": each.probability} for each in expected],
    }
    piped = good("next", "--model", model, "--prompt", "-", "--top", "3", "--json", stdin="abc\n")
    assert rows(piped) == [row]
    assert len(good("next", "--model", model, "--prompt", "abc").splitlines()) == 5


ITEMS = ("--unique", *("--count", "6"), *("--stop", "."), *("--stop", "\n"), *("--prompt", "ab"))


def test_generate_unique_items_beside_those_of_a_file(
    good: Printed, model: str, tmp_path: Path
) -> None:
    first = good("generate", "--model", model, *ITEMS, "--seed", "3").splitlines()
    assert len(set(first)) == 6
    assert all(item.startswith("ab") and "." not in item for item in first)
    known = tmp_path / "known.txt"
    known.write_bytes("\r\n".join(first[:3]).encode())
    others = good(
        "generate", "--model", model, *ITEMS, "--seed", "3", "--exclude", str(known)
    ).splitlines()
    assert len(set(others)) == 6
    assert not {*first[:3]} & {*others}
    assert {*first[3:]} <= {*others}


def test_generate_unique_items_as_json(good: Printed, model: str) -> None:
    items = rows(
        good("generate", "--model", model, *ITEMS, "--seed", "3", "--min-length", "5", "--json")
    )
    texts = [item["prompt"] + item["text"] for item in items]
    assert len(set(texts)) == 6
    assert min(map(len, texts)) >= 5


def test_only_a_line_end_ends_an_excluded_line(good: Printed, model: str, tmp_path: Path) -> None:
    """A line with a paragraph separator is one item, which this model could not write."""
    first = good("generate", "--model", model, *ITEMS, "--seed", "3").splitlines()
    known = tmp_path / "known.txt"
    known.write_text("\u2029".join(first), "utf-8")
    again = good(
        "generate", "--model", model, *ITEMS, "--seed", "3", "--exclude", str(known)
    ).splitlines()
    assert again == first


@pytest.mark.parametrize("option", [("--exclude", "-"), ("--min-length", "3")])
def test_options_of_items_need_unique(model: str, option: tuple[str, str]) -> None:
    done = CliRunner().invoke(main, ["generate", "--model", model, *option])
    assert done.exit_code == 2
    assert f"{option[0]} needs --unique" in done.stderr
