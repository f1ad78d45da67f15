"""Shared options: defaults, UTF-8, and the report of the device."""

import click
import pytest
from click.testing import CliRunner

from rnn_infer import LoadOptions, Sampling
from rnn_infer.cli import options
from rnn_infer.cli.options import model_options, report_device, sampling_options, typed, utf8


@click.command()
@model_options
@sampling_options
@click.option("--text", default="", callback=utf8)
def show(**values: object) -> None:
    click.echo(repr(values))


def test_defaults_are_those_of_the_library() -> None:
    found = eval(CliRunner().invoke(show, ["--model", "a.onnx"]).stdout)
    assert LoadOptions(device=found["device"], threads=found["threads"]) == LoadOptions()
    chosen = {key: found[key] for key in ("temperature", "top_k", "top_p")}
    assert Sampling(**chosen) == Sampling()


def test_text_that_is_not_utf_8() -> None:
    result = CliRunner().invoke(show, ["--model", "a.onnx", "--text", "a\udcff"])
    assert result.exit_code == 2
    assert "is not UTF-8; convert it with iconv" in result.stderr


@pytest.mark.parametrize(
    ("asked", "cuda", "said"),
    [("auto", True, "device: cpu\n"), ("auto", False, ""), ("cpu", True, "")],
)
def test_device_is_reported_only_if_there_was_a_choice(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: str,
    cuda: bool,
    said: str,
) -> None:
    monkeypatch.setattr(options, "offers_cuda", lambda: cuda)
    report_device(asked, "cpu")
    assert capsys.readouterr() == ("", said)


@click.command()
@click.option("--text", callback=typed)
@click.option("--more", multiple=True, callback=typed)
def echo(**values: object) -> None:
    click.echo(repr(values))


@pytest.mark.parametrize(
    ("given", "read", "note"),
    [
        (r"a\nb", "a\nb", r"\n as a line end"),
        (r"\t\n\n", "\t\n\n", r"\n as a line end, \t as a tab"),
        (r"a\r\n\rx", "a\n\\rx", r"\r\n as a line end"),
        (r"C:\\new", r"C:\new", r"\\ as a backslash"),
        ("\\\\\\n", "\\\n", r"\\ as a backslash, \n as a line end"),
    ],
)
def test_escapes_are_read_and_said(given: str, read: str, note: str) -> None:
    result = CliRunner().invoke(echo, ["--text", given, "--more", "x", "--more", given])
    assert eval(result.stdout) == {"text": read, "more": ("x", read)}
    lines = result.stderr.splitlines()
    assert sorted(line.partition(" (")[0] for line in lines) == [
        f"note: --more: {note}",
        f"note: --text: {note}",
    ]


@pytest.mark.parametrize("given", ["", "plain", "a\nb", r"\begin{x}", "\\"])
def test_other_texts_stay(given: str) -> None:
    result = CliRunner().invoke(echo, ["--text", given])
    assert eval(result.stdout) == {"text": given, "more": ()}
    assert not result.stderr


def test_text_that_was_not_given() -> None:
    assert eval(CliRunner().invoke(echo, []).stdout) == {"text": None, "more": ()}
