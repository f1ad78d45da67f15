"""`rnn-infer` from outside: what is printed, as what, and with which exit code."""

import contextlib
import json
import os
import re
import shlex
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rnn_infer
from rnn_infer import CharLM, Classifier
from rnn_infer.cli import main

PROMPT = "dead beef, a cage.\n"
COMMANDS = ("generate", "classify", "score", "next", "show", "verify", "doctor")
ANSWER = {"text", "label", "probability", "top"}


@pytest.fixture
def model(data: Path) -> str:
    return str(data / "charlm.onnx")


@pytest.fixture
def names(data: Path) -> str:
    return str(data / "gru.onnx")


def run(*arguments: str, stdin: bytes | str | None = None) -> Result:
    result = CliRunner().invoke(main, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def good(*arguments: str, stdin: bytes | str | None = None) -> str:
    """What a command prints that works."""
    result = run(*arguments, stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def bad(*arguments: str, stdin: bytes | str | None = None) -> str:
    """The one line with which a command fails."""
    result = run(*arguments, stdin=stdin)
    assert result.exit_code in (1, 2)
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("Error: ")
    assert result.stdout == ""
    return result.stderr


def rows(printed: str) -> list[Any]:
    return [json.loads(line) for line in printed.splitlines()]


# --- help -----------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(flag: str) -> None:
    said = good(flag)
    assert "Examples:" in said
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", said, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_an_example(command: str) -> None:
    said = good(command, "--help")
    assert re.search(r"Examples?:\n", said)
    assert re.search(rf"^ +(cat .*\| )?rnn-infer {command}", said, re.MULTILINE)
    assert "--json" in said
    if command != "doctor":
        assert "--device [auto|cpu|cuda]" in said
        assert "--threads" in said


def test_version() -> None:
    assert rnn_infer.__version__ in good("--version")


def test_examples_of_the_help_work(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example, with the file names it needs, is run as it stands."""
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
    """Arguments and standard input of an example line."""
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


def test_generate_streams_the_text(lm: CharLM, model: str) -> None:
    options = ("--prompt", PROMPT, "--length", "70", "--seed", "3")
    printed = good("generate", "--model", model, *options)
    assert printed == lm.generate(PROMPT, length=70, seed=3) + "\n"


def test_generate_json(lm: CharLM, model: str) -> None:
    options = ("--prompt", PROMPT, "--length", "70", "--seed", "3", "--count", "3", "--json")
    found = rows(good("generate", "--model", model, *options))
    assert [set(row) for row in found] == [{"prompt", "text", "seed", "stopped"}] * 3
    for i, row in enumerate(found):
        text = lm.generate(PROMPT, length=70, seed=3 + i)
        assert row == {"prompt": PROMPT, "text": text, "seed": 3 + i, "stopped": None}


def test_generate_takes_every_option(lm: CharLM, model: str) -> None:
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


def test_generate_until_a_stop(lm: CharLM, model: str) -> None:
    free = lm.generate(PROMPT, length=200, seed=3)
    stop = free[50:54]
    options = ("--prompt", PROMPT, "--length", "200", "--seed", "3", "--stop", stop)
    assert good("generate", "--model", model, *options) == free[: free.index(stop)] + "\n"
    (row,) = rows(good("generate", "--model", model, *options, "--json"))
    assert (row["text"], row["stopped"]) == (free[: free.index(stop)], stop)


def test_generate_several_as_text(lm: CharLM, model: str) -> None:
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
def test_generate_from_standard_input(model: str, piped: bytes, prompt: str) -> None:
    printed = good(
        *("generate", "--model", model, "--prompt", "-", "--length", "9", "--seed", "1", "--json"),
        stdin=piped,
    )
    assert rows(printed)[0]["prompt"] == prompt


def test_defaults_of_generate(model: str) -> None:
    (row,) = rows(good("generate", "--model", model, "--json"))
    assert (row["prompt"], len(row["text"]), row["stopped"]) == ("", 500, None)
    again = good("generate", "--model", model, "--seed", str(row["seed"]), "--temperature", "0.8")
    assert again == row["text"] + "\n"


# --- classify -------------------------------------------------------------------------

TEXTS = ["Rossi", "O'Neill", "Müller"]


def test_classify_json(names: str, data: Path) -> None:
    found = rows(good("classify", "--model", names, *TEXTS, "--top", "2", "--json"))
    expected = Classifier.load(data / "gru.onnx", device="cpu").classify(TEXTS, top=2)
    for row, prediction in zip(found, expected, strict=True):
        assert set(row) == ANSWER
        assert (row["text"], row["label"]) == (prediction.text, prediction.label)
        assert row["probability"] == prediction.probability
        assert row["top"] == [
            {"label": each.label, "probability": each.probability} for each in prediction.top
        ]


def test_classify_as_text(names: str) -> None:
    lines = good("classify", "--model", names, *TEXTS, "中国").splitlines()
    assert [line.split()[0] for line in lines] == [*TEXTS, "中国"]
    assert all("%" in line for line in lines)


def test_classify_trace(names: str) -> None:
    (row,) = rows(good("classify", "--model", names, "Rossi", "--trace", "--json"))
    assert set(row) == {"text", "trace"}
    assert [each["text"] for each in row["trace"]] == ["R", "Ro", "Ros", "Ross", "Rossi"]
    assert all(set(each) == ANSWER for each in row["trace"])
    (answer,) = rows(good("classify", "--model", names, "Rossi", "--json"))
    assert row["trace"][-1]["label"] == answer["label"]
    assert len(good("classify", "--model", names, "Rossi", "--trace").splitlines()) == 6


FILES: dict[str, tuple[str, bytes]] = {
    "lines": ("names.txt", "Rossi\n\n  O'Neill \r\nMüller".encode()),
    "lines with a mark": ("names.txt", "\ufeffRossi\nO'Neill\nMüller\n".encode()),
    "no suffix": ("names", "Rossi\nO'Neill\nMüller\n".encode()),
    "csv": ("names.csv", 'Rossi,x\r\n\r\n"O\'Neill",y\r\nMüller,z\r\n'.encode()),
    "csv of one column": ("names.CSV", "\ufeffRossi\nO'Neill\nMüller\n".encode()),
    "tsv": ("names.tsv", "Rossi\tx,y\nO'Neill\t\nMüller\n".encode()),
    "jsonl": (
        "names.jsonl",
        b'{"text": "Rossi", "more": 1}\n\n{"text": "O\'Neill"}\n{"text": "M\\u00fcller"}',
    ),
}


@pytest.mark.parametrize("kind", sorted(FILES))
def test_classify_a_file(names: str, tmp_path: Path, kind: str) -> None:
    name, content = FILES[kind]
    (tmp_path / name).write_bytes(content)
    printed = good("classify", "--model", names, "--input", str(tmp_path / name), "--json")
    assert [row["text"] for row in rows(printed)] == TEXTS


def test_only_the_first_line_has_a_byte_order_mark(names: str, tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("\ufeffRossi\n\ufeffNg\n", encoding="utf-8")
    printed = good("classify", "--model", names, "--input", str(path), "--json")
    assert [row["text"] for row in rows(printed)] == ["Rossi", "\ufeffNg"]


def test_classify_standard_input(names: str) -> None:
    printed = good("classify", "--model", names, "--input", "-", "--json", stdin="Rossi\nNg\n")
    assert [row["text"] for row in rows(printed)] == ["Rossi", "Ng"]
    printed = good("classify", "--model", names, "--input", "-", "--trace", stdin="Rossi\n")
    assert printed.startswith("Rossi\n")


def test_classify_csv_of_texts_with_commas_and_line_ends(names: str, tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text('"Rossi, Ng",x\n"a\nb",y\n')
    printed = good("classify", "--model", names, "--input", str(path), "--json")
    assert [row["text"] for row in rows(printed)] == ["Rossi, Ng", "a\nb"]


def test_classify_more_than_one_batch_in_order(
    names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_infer.cli._ROWS", 7)
    texts = [f"Name{'x' * (i % 9)}" for i in range(40)]
    path = tmp_path / "names.txt"
    path.write_text("\n".join(texts))
    printed = good("classify", "--model", names, "--input", str(path), "--json")
    assert [row["text"] for row in rows(printed)] == texts


def test_classify_an_empty_file(names: str, tmp_path: Path) -> None:
    for name in ("a.txt", "a.csv", "a.tsv", "a.jsonl"):
        (tmp_path / name).touch()
        assert good("classify", "--model", names, "--input", str(tmp_path / name)) == ""


# --- the others -----------------------------------------------------------------------


def test_score(lm: CharLM, model: str, tmp_path: Path) -> None:
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


def test_next(lm: CharLM, model: str) -> None:
    (row,) = rows(good("next", "--model", model, "--prompt", "abc", "--top", "3", "--json"))
    expected = lm.next("abc", 3)
    assert row == {
        "prompt": "abc",
        "top": [{"char": each.char, "probability": each.probability} for each in expected],
    }
    piped = good("next", "--model", model, "--prompt", "-", "--top", "3", "--json", stdin="abc\n")
    assert rows(piped) == [row]
    assert len(good("next", "--model", model, "--prompt", "abc").splitlines()) == 5


@pytest.mark.parametrize("name", ["charlm", "charlm.step", "classifier"])
def test_show(data: Path, name: str) -> None:
    path = str(data / f"{name}.onnx")
    (row,) = rows(good("show", "--model", path, "--json"))
    assert (row["file"], row["format"], row["device"]) == (path, 1, "cpu")
    said = good("show", "--model", path)
    assert row["sha256"] in said
    assert all(len(line) < 250 for line in said.splitlines())


def test_show_is_safe_to_look_at(documented: Callable[..., Path]) -> None:
    """What a stranger wrote into a file moves no cursor and hides no line."""

    def scribble(document: Any) -> None:
        document["producer"] = "\x1b[2Jme\nkind: good"
        document["training"] = {"a\x1b]0;title\x07": "\x1b[8m", "long": "x" * 10_000}

    said = good("show", "--model", str(documented(scribble)))
    assert "\x1b" not in said
    assert "\nkind: good" not in said
    assert len(said) < 5000


@pytest.mark.parametrize("name", ["charlm", "charlm.step", "classifier"])
def test_verify(data: Path, name: str) -> None:
    path = str(data / f"{name}.onnx")
    assert good("verify", "--model", path).startswith("ok: logits within ")
    (row,) = rows(good("verify", "--model", path, "--json"))
    assert (row["ok"], row["device"]) == (True, "cpu")


def test_verify_fails_aloud(documented: Callable[..., Path]) -> None:
    def change(document: Any) -> None:
        document["golden"]["logits"][0] += 1

    path = str(documented(change))
    plain, as_json = run("verify", "--model", path), run("verify", "--model", path, "--json")
    assert (plain.exit_code, as_json.exit_code) == (1, 1)
    assert plain.stdout.startswith("FAILED: logits within 1, same tokens drawn")
    assert rows(as_json.stdout)[0]["ok"] is False


def test_doctor() -> None:
    result = run("doctor", "--json")
    (row,) = rows(result.stdout)
    assert row["ok"] is (result.exit_code == 0)
    assert {"python", "numpy", "onnxruntime", "cpu", "cuda", "next"} <= set(row)
    assert "works" in run("doctor").stdout


# --- what goes wrong ------------------------------------------------------------------

NEED_A_MODEL: dict[str, tuple[str, ...]] = {
    "generate": ("--length", "5"),
    "classify": ("Rossi",),
    "score": ("-",),
    "next": ("--prompt", "a"),
    "show": (),
    "verify": (),
}


@pytest.mark.parametrize("command", sorted(NEED_A_MODEL))
def test_bad_model_file(data: Path, tmp_path: Path, command: str) -> None:
    good_bytes = (data / "charlm.onnx").read_bytes()
    contents = {
        "none": None,
        "empty": b"",
        "foreign": b"PK\x03\x04 something else",
        "truncated": good_bytes[:-100],
        "half": good_bytes[: len(good_bytes) // 2],
        "longer": good_bytes + b"\0\0",
    }
    for name, content in contents.items():
        path = tmp_path / f"{name}.onnx"
        if content is not None:
            path.write_bytes(content)
        said = bad(command, "--model", str(path), *NEED_A_MODEL[command], stdin="text")
        assert str(path) in said
    assert "is a folder" in bad(
        command, "--model", str(tmp_path), *NEED_A_MODEL[command], stdin="text"
    )


@pytest.mark.parametrize("command", sorted(NEED_A_MODEL))
def test_bad_option_of_every_command(model: str, command: str) -> None:
    arguments = ("--model", model, *NEED_A_MODEL[command])
    for extra, said in (
        (("--device", "gpu"), "'auto', 'cpu', 'cuda'"),
        (("--threads", "0"), "--threads"),
        (("--threads", "x"), "--threads"),
        (("--no-such-option",), "--no-such-option"),
        (("--model",), "--model"),
    ):
        found = bad(command, *arguments, *extra, stdin="text")
        assert said in found
        assert f"{command} --help" in found
    assert "--model" in bad(command, *NEED_A_MODEL[command], stdin="text")


def test_wrong_kind(model: str, names: str) -> None:
    assert "use CharLM.load or rnn-infer generate" in bad("classify", "--model", model, "Rossi")
    for command in ("generate", "score", "next"):
        said = bad(command, "--model", names, *NEED_A_MODEL[command], stdin="text")
        assert "use Classifier.load or rnn-infer classify" in said


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--length", "0", "--length"),
        ("--length", "-5", "--length"),
        ("--length", "1.5", "--length"),
        ("--length", "many", "--length"),
        ("--temperature", "-1", "temperature"),
        ("--temperature", "nan", "temperature"),
        ("--temperature", "inf", "temperature"),
        ("--temperature", "1e7", "temperature"),
        ("--temperature", "warm", "temperature"),
        ("--top-p", "0", "top_p"),
        ("--top-p", "-0.5", "top_p"),
        ("--top-p", "1.5", "top_p"),
        ("--top-p", "nan", "top_p"),
        ("--top-k", "-1", "top_k"),
        ("--top-k", str(2**31), "top_k"),
        ("--top-k", "9" * 50, "top_k"),
        ("--top-k", "1.5", "top-k"),
        ("--seed", "-1", "--seed"),
        ("--seed", str(2**64), "--seed"),
        ("--seed", "x", "--seed"),
        ("--count", "0", "--count"),
        ("--count", "100001", "--count"),
        ("--stop", "", "stop text is empty"),
        ("--unknown", "drop", "--unknown"),
        ("--prompt", "abcЖ", "U+0416"),
        ("--prompt", "abc\udcff", "not UTF-8"),
        ("--stop", "\udcff", "not UTF-8"),
    ],
)
def test_bad_option_of_generate(model: str, option: str, value: str, said: str) -> None:
    for extra in ((), ("--json",), ("--count", "2")):
        if extra[:1] == (option,):
            continue
        assert said in bad("generate", "--model", model, *extra, option, value)


def test_last_seed_out_of_range(model: str) -> None:
    said = bad("generate", "--model", model, "--seed", str(2**64 - 1), "--count", "2")
    assert "seed" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give texts, or --input FILE"),
        (("Rossi", "--input", "-"), "give texts, or --input FILE"),
        (("Rossi", "--top", "0"), "--top"),
        (("Rossi", "--prior", "2"), "prior"),
        (("Rossi", "--prior", "nan"), "prior"),
        (("Rossi", ""), "text 1 is empty"),
        (("Rossi", "a\udcff"), "not UTF-8"),
        (("Ж", "--unknown", "error"), "U+0416"),
        (("Ж", "--unknown", "skip"), "nothing to classify"),
        (("Ж", "--unknown", "skip", "--trace"), "nothing to classify"),
        (("--input", "no such file.csv"), "no such file.csv: cannot be read"),
        (("--input", "."), ".: cannot be read"),
    ],
)
def test_bad_input_of_classify(names: str, arguments: tuple[str, ...], said: str) -> None:
    for extra in ((), ("--json",)):
        assert said in bad("classify", "--model", names, *arguments, *extra)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"Rossi\n\xff\xfe\n", "line 2: is not UTF-8; convert it with iconv"),
        ("a.csv", "é".encode("latin-1"), "line 1: is not UTF-8"),
        ("a.tsv", b"a\tb\nc\xff", "line 2: is not UTF-8"),
        ("a.jsonl", b'{"text": "\xff"}', "line 1: is not UTF-8"),
        ("a.txt", "Rossi\n".encode("utf-16"), "line 1: is not UTF-8"),
        ("a.csv", b"x" * 200_000, "no table of texts"),
        ("a.jsonl", b"Rossi\n", 'line 1: expected {"text": "…"}'),
        ("a.jsonl", b'{"text": "a"}\n\n{"name": "b"}\n', 'line 3: expected {"text": "…"}'),
        ("a.jsonl", b'{"text": 1}', "line 1: expected"),
        ("a.jsonl", b'{"text": ""}', "line 1: expected"),
        ("a.jsonl", b'{"text": ["a"]}', "line 1: expected"),
        ("a.jsonl", b'["text"]', "line 1: expected"),
        ("a.jsonl", b'{"text": "\\ud800"}', "line 1: expected"),
        ("a.jsonl", b"[" * 100_000, "line 1: expected"),
        ("a.jsonl", b"9" * 5000, "line 1: expected"),
    ],
)
def test_bad_file_of_texts(
    names: str, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for extra in ((), ("--json",), ("--trace",)):
        result = run("classify", "--model", names, "--input", str(path), *extra)
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1
        assert f"{path}: " in result.stderr
        assert said in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal to look at")
def test_progress_is_shown_where_answers_go_elsewhere(names: str, tmp_path: Path) -> None:
    import pty

    path, out = tmp_path / "names.txt", tmp_path / "answers.jsonl"
    path.write_bytes(b"Rossi\n" * 3000)
    terminal, screen = pty.openpty()
    command = [sys.executable, "-m", "rnn_infer.cli", "classify", "--model", names, "--json"]
    with out.open("wb") as stream:
        subprocess.run([*command, "--input", str(path)], stdout=stream, stderr=screen, check=True)
    os.close(screen)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that it is over
        while piece := os.read(terminal, 1 << 16):
            shown += piece
    os.close(terminal)
    assert b"reading" in shown
    assert b"100%" in shown
    assert len(out.read_bytes().splitlines()) == 3000


def test_offset_of_bad_input_is_told_by_line_however_long_the_file(
    names: str, tmp_path: Path
) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(b"Rossi\n" * 3000 + b"\xff\n")
    result = run("classify", "--model", names, "--input", str(path), "--json")
    assert "line 3001: is not UTF-8" in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "two characters"),
        (b"a", "two characters"),
        (b"abc\xff", "not UTF-8 at byte 3; convert it with iconv"),
        ("abc".encode("utf-16"), "not UTF-8 at byte 0"),
        ("abcЖ".encode(), "U+0416"),
    ],
)
def test_bad_text_to_score(model: str, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    assert said in bad("score", "--model", model, str(path))
    assert said in bad("score", "--model", model, "-", "--json", stdin=content)


def test_text_to_score_that_is_not_there(model: str, tmp_path: Path) -> None:
    assert "cannot be read" in bad("score", "--model", model, str(tmp_path / "none"))
    assert "cannot be read" in bad("score", "--model", model, str(tmp_path))
    assert "FILE" in bad("score", "--model", model)


@pytest.mark.parametrize("command", ["generate", "next"])
def test_piped_prompt_that_is_not_utf_8(model: str, command: str) -> None:
    said = bad(command, "--model", model, "--prompt", "-", stdin=b"ab\xff")
    assert "not UTF-8 at byte 2" in said


def test_bad_input_of_next(model: str) -> None:
    assert "--prompt" in bad("next", "--model", model)
    assert "--top" in bad("next", "--model", model, "--prompt", "a", "--top", "0")
    assert "not UTF-8" in bad("next", "--model", model, "--prompt", "\udcff")


def test_unknown_command() -> None:
    assert "No such command 'train'" in bad("train")


def test_model_whose_answers_are_no_numbers(edited: Callable[..., Path]) -> None:
    def spoil(model: Any) -> None:
        (bias,) = [each for each in model.graph.initializer if each.name == b"head0.b"]
        bias.raw_data = struct.pack("<f", float("nan")) * bias.dims[0]

    path = str(edited(spoil))
    for extra in ((), ("--json",)):
        for command in ("score", "next"):
            said = bad(command, "--model", path, *NEED_A_MODEL[command], *extra, stdin="text")
            assert "no numbers" in said
        assert run("verify", "--model", path, *extra).exit_code == 1
    assert "logits are no numbers" in run("verify", "--model", path).stdout


def test_infinite_answer_is_no_json(edited: Callable[..., Path], tmp_path: Path) -> None:
    def exclude(model: Any) -> None:
        (bias,) = [each for each in model.graph.initializer if each.name == b"head0.b"]
        bias.raw_data = struct.pack("<f", float("-inf")) + bias.raw_data[4:]

    path, text = str(edited(exclude)), tmp_path / "text.txt"
    text.write_text("ab\ncd")
    assert "inf" in good("score", "--model", path, str(text))
    assert "infinite" in bad("score", "--model", path, str(text), "--json")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    command=st.sampled_from(sorted(NEED_A_MODEL)),
    extra=st.lists(
        st.sampled_from(["--json", "--top", "--length", "--seed", "--prior", "--trace", "--stop"])
        | st.text(max_size=5)
        | st.sampled_from(["-1", "0", "1", "3", "1e9", "-", "--", "a\udc80", "\0"]),
        max_size=4,
    ),
    stdin=st.binary(max_size=30),
)
def test_no_arguments_end_in_a_traceback(
    model: str, command: str, extra: list[str], stdin: bytes
) -> None:
    if "--length" in extra:
        extra = [each for each in extra if each != "1e9"]
    result = run(command, "--model", model, *NEED_A_MODEL[command], *extra, stdin=stdin)
    if result.exit_code:
        assert len(result.stderr.splitlines()) == 1


# --- as a program ---------------------------------------------------------------------


def program(
    *arguments: str | bytes, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "rnn_infer.cli", *arguments],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def test_program(lm: CharLM, model: str) -> None:
    done = program("generate", "--model", model, "--prompt", "-", "--seed", "1", stdin=b"dead\n")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == lm.generate("dead", seed=1) + "\n"


def test_program_fails_in_one_line(model: str, tmp_path: Path) -> None:
    missing = os.fsencode(tmp_path) + b"/\xff.onnx"
    for arguments in (
        ("generate", "--model", model, "--prompt", b"a\xff"),
        ("generate", "--model", model, "--stop", b"\xff"),
        ("generate", "--model", missing),
        ("show", "--model", missing),
    ):
        done = program(*arguments)
        assert done.returncode in (1, 2)
        assert done.stdout == b""
        assert len(done.stderr.splitlines()) == 1
        assert b"Error: " in done.stderr


def test_graph_that_fails_when_run_is_told_in_one_line(edited: Callable[..., Path]) -> None:
    def shorten(model: Any) -> None:
        table = next(each for each in model.graph.initializer if each.name == b"input_table")
        table.dims[0] = 1
        table.raw_data = table.raw_data[: 4 * table.dims[1]]

    done = program("generate", "--model", str(edited(shorten)), "--prompt", "abc")
    assert (done.returncode, done.stdout) == (1, b"")
    assert len(done.stderr.splitlines()) == 1
    assert b"the graph fails when run" in done.stderr


def test_terminal_of_another_encoding(data: Path) -> None:
    arguments = ("generate", "--model", str(data / "wide.onnx"), "--seed", "1")
    done = program(*arguments, PYTHONIOENCODING="latin-1")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert b"set PYTHONIOENCODING=utf-8" in done.stderr


def test_reader_that_goes_away(model: str) -> None:
    """`rnn-infer … | head -c 5` ends quietly."""
    arguments = [sys.executable, "-m", "rnn_infer.cli", "generate", "--model", model]
    with subprocess.Popen(
        [*arguments, "--length", "1000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(5)
        process.stdout.close()
        assert process.wait(60) != 0
        assert b"Traceback" not in process.stderr.read()
