"""Errors of `rnn-infer`: one line that says what to do."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Run = Callable[..., Result]
Printed = Callable[..., str]

NEED_A_MODEL: dict[str, tuple[str, ...]] = {
    "generate": ("--length", "5"),
    "classify": ("Rossi",),
    "score": ("-",),
    "next": ("--prompt", "a"),
    "show": (),
    "verify": (),
}


@pytest.mark.parametrize("command", sorted(NEED_A_MODEL))
def test_bad_model_file(bad: Printed, data: Path, tmp_path: Path, command: str) -> None:
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
def test_bad_option_of_every_command(bad: Printed, model: str, command: str) -> None:
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


def test_wrong_kind(bad: Printed, model: str, names: str) -> None:
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
def test_bad_option_of_generate(
    bad: Printed, model: str, option: str, value: str, said: str
) -> None:
    for extra in ((), ("--json",), ("--count", "2")):
        if extra[:1] == (option,):
            continue
        assert said in bad("generate", "--model", model, *extra, option, value)


def test_last_seed_out_of_range(bad: Printed, model: str) -> None:
    said = bad("generate", "--model", model, "--seed", str(2**64 - 1), "--count", "2")
    assert "seed" in said


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
def test_bad_text_to_score(
    bad: Printed, model: str, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    assert said in bad("score", "--model", model, str(path))
    assert said in bad("score", "--model", model, "-", "--json", stdin=content)


def test_text_file_that_cannot_be_read(bad: Printed, model: str, tmp_path: Path) -> None:
    assert "cannot be read" in bad("score", "--model", model, str(tmp_path / "none"))
    assert "cannot be read" in bad("score", "--model", model, str(tmp_path))
    assert "FILE" in bad("score", "--model", model)


@pytest.mark.parametrize("command", ["generate", "next"])
def test_piped_prompt_that_is_not_utf_8(bad: Printed, model: str, command: str) -> None:
    said = bad(command, "--model", model, "--prompt", "-", stdin=b"ab\xff")
    assert "not UTF-8 at byte 2" in said


def test_bad_input_of_next(bad: Printed, model: str) -> None:
    assert "--prompt" in bad("next", "--model", model)
    assert "--top" in bad("next", "--model", model, "--prompt", "a", "--top", "0")
    assert "not UTF-8" in bad("next", "--model", model, "--prompt", "\udcff")


def test_unknown_command(bad: Printed) -> None:
    assert "No such command 'train'" in bad("train")


def test_model_that_returns_nan(bad: Printed, run: Run, edited: Callable[..., Path]) -> None:
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


@pytest.mark.usefixtures("unchecked")
def test_infinite_result_is_not_json(
    bad: Printed, good: Printed, edited: Callable[..., Path], tmp_path: Path
) -> None:
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
def test_any_arguments_fail_without_a_traceback(
    run: Run, model: str, command: str, extra: list[str], stdin: bytes
) -> None:
    if "--length" in extra:
        extra = [each for each in extra if each != "1e9"]
    result = run(command, "--model", model, *NEED_A_MODEL[command], *extra, stdin=stdin)
    if result.exit_code:
        assert len(result.stderr.splitlines()) == 1
