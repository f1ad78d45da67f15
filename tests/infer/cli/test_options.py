"""Shared options: defaults, UTF-8, and the report of the device."""

import click
import pytest
from click.testing import CliRunner

from rnn_infer import LoadOptions, Sampling
from rnn_infer.cli import options
from rnn_infer.cli.options import model_options, report_device, sampling_options, utf8


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
