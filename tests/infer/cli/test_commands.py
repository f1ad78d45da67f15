"""The program `rnn-infer`: its help, and the examples in it."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rnn_infer

Printed = Callable[..., str]

COMMANDS = ("generate", "classify", "score", "next", "show", "verify", "doctor")


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
    good: Printed,
    documented: Callable[..., Path],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Run each example unchanged, with the files that it names."""
    exported = tmp_path / "exported"
    exported.mkdir()
    (exported / "classifier.onnx").write_bytes((data / "gru.onnx").read_bytes())
    for name in ("book.txt", "held-out.txt", "start.txt", "poem.txt", "names.csv"):
        (tmp_path / name).write_text("Rossi\nNg\n")
    scores = {"rows": 40, "scores": [0.1] * 20 + [0.6] * 19 + [1.0]}

    def hold_out(document: dict[str, Any]) -> None:
        document["format_version"] = 2
        document["classifier"]["held_out"] = scores

    documented(hold_out, of="gru").rename(tmp_path / "mine.onnx")
    (tmp_path / "reviews.csv").write_text("id,review\n1,Rossi\n")
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
        # Only one knows all characters of the prompts, and only the other ends its lines.
        model = "charlm" if "--unique" in words else "wide"
        (exported / "charlm.onnx").write_bytes((data / f"{model}.onnx").read_bytes())
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
