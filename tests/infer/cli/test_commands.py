"""The commands of `rnn-infer`: what each prints, as text and as JSON."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import rnn_infer
from rnn_infer import CharLM

Run = Callable[..., Result]
Printed = Callable[..., str]

PROMPT = "dead beef, a cage.\n"
COMMANDS = ("generate", "classify", "score", "next", "show", "verify", "doctor")
ANSWER = {"text", "label", "probability", "top"}


def rows(printed: str) -> list[Any]:
    return [json.loads(line) for line in printed.splitlines()]


# --- help -----------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(good: Printed, flag: str) -> None:
    said = good(flag)
    assert "Examples:" in said
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", said, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_an_example(good: Printed, command: str) -> None:
    said = good(command, "--help")
    assert re.search(r"Examples?:\n", said)
    assert re.search(rf"^ +(cat .*\| )?rnn-infer {command}", said, re.MULTILINE)
    assert "--json" in said
    if command != "doctor":
        assert "--device [auto|cpu|cuda]" in said
        assert "--threads" in said


def test_version(good: Printed) -> None:
    assert rnn_infer.__version__ in good("--version")


def test_examples_of_the_help_work(
    good: Printed, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run each example unchanged, with the files that it names."""
    exported = tmp_path / "exported"
    exported.mkdir()
    (exported / "charlm.onnx").write_bytes((data / "wide.onnx").read_bytes())
    (exported / "classifier.onnx").write_bytes((data / "gru.onnx").read_bytes())
    for name in ("book.txt", "held-out.txt", "start.txt", "poem.txt", "names.csv"):
        (tmp_path / name).write_text("Rossi\nNg\n")
    monkeypatch.chdir(tmp_path)
    examples = [
        line.strip()
        for command in ("", *COMMANDS)
        for line in good(*([command] if command else []), "--help").splitlines()
        if re.match(r" +(cat .*\| )?rnn-infer .*--model", line)
        or line.strip() == "rnn-infer doctor"
    ]
    assert len(examples) >= 12
    for example in examples:
        words, stdin = shell_words(example)
        assert good(*words, stdin=stdin)


def shell_words(example: str) -> tuple[list[str], str | None]:
    """Return the arguments and the standard input of an example line."""
    words = shlex.split(example)
    stdin = None
    if "|" in words:
        stdin = Path(words[1]).read_text()
        words = words[words.index("|") + 1 :]
    if "<" in words:
        at = words.index("<")
        stdin = Path(words[at + 1]).read_text()
        words = words[:at]
    if ">" in words:
        words = words[: words.index(">")]
    return words[1:], stdin


# --- generate -------------------------------------------------------------------------


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


# --- the other commands ---------------------------------------------------------------


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


@pytest.mark.parametrize(
    "name", ["charlm", "charlm.step", "charlm.one", "charlm.three", "classifier"]
)
def test_show(good: Printed, data: Path, name: str) -> None:
    path = str(data / f"{name}.onnx")
    (row,) = rows(good("show", "--model", path, "--json"))
    assert (row["file"], row["format"], row["device"]) == (path, 1, "cpu")
    said = good("show", "--model", path)
    assert row["sha256"] in said
    assert all(len(line) < 250 for line in said.splitlines())


def test_show_prints_no_control_characters(good: Printed, documented: Callable[..., Path]) -> None:
    """Text in a stranger's file cannot move the cursor or hide a line."""

    def scribble(document: Any) -> None:
        document["producer"] = "\x1b[2Jme\nkind: good"
        document["training"] = {"a\x1b]0;title\x07": "\x1b[8m", "long": "x" * 10_000}

    said = good("show", "--model", str(documented(scribble)))
    assert "\x1b" not in said
    assert "\nkind: good" not in said
    assert len(said) < 5000


@pytest.mark.parametrize(
    "name", ["charlm", "charlm.step", "charlm.one", "charlm.three", "classifier"]
)
def test_verify(good: Printed, data: Path, name: str) -> None:
    path = str(data / f"{name}.onnx")
    assert good("verify", "--model", path).startswith("ok: logits within ")
    (row,) = rows(good("verify", "--model", path, "--json"))
    assert (row["ok"], row["device"]) == (True, "cpu")


def test_verify_of_a_bad_file(run: Run, documented: Callable[..., Path]) -> None:
    def change(document: Any) -> None:
        document["golden"]["logits"][0] += 1

    path = str(documented(change))
    plain, as_json = run("verify", "--model", path), run("verify", "--model", path, "--json")
    assert (plain.exit_code, as_json.exit_code) == (1, 1)
    assert plain.stdout.startswith("FAILED: logits within 1, same tokens drawn")
    assert rows(as_json.stdout)[0]["ok"] is False


def test_doctor(run: Run) -> None:
    result = run("doctor", "--json")
    (row,) = rows(result.stdout)
    assert row["ok"] is (result.exit_code == 0)
    assert {"python", "numpy", "onnxruntime", "cpu", "cuda", "next"} <= set(row)
    assert "works" in run("doctor").stdout
