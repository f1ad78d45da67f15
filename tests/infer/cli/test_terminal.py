"""Results in a terminal: columns, bars, and text from files."""

from typing import Any

import pytest

from rnn_infer import NextChar, Prediction
from rnn_infer.cli.terminal import (
    bar,
    padded,
    prediction_line,
    print_findings,
    print_next,
    print_score,
    print_trace,
    print_verification,
    short,
)

PREDICTION = Prediction("Ng", ("A", "B"), (0.75, 0.25))


def test_bar() -> None:
    assert bar(0) == ""
    assert bar(1) == "█" * 24
    assert bar(0.5) == "█" * 12
    lengths = [len(bar(i / 192)) for i in range(193)]
    assert lengths == sorted(lengths)
    assert len({bar(i / 192) for i in range(193)}) == 193


def test_padded_counts_columns() -> None:
    assert padded("ab", 4) == "ab  "
    assert padded("中国", 5) == "中国 "
    assert padded("long text", 4) == "long text"


def test_short() -> None:
    assert short("plain") == "plain"
    assert short(3) == "3"
    assert short("a\nb\x1b") == r"'a\nb\x1b'"
    assert len(short("x" * 1000)) == 200


def test_prediction() -> None:
    assert prediction_line(PREDICTION).split() == ["Ng", "A", "75%", "B", "25%"]
    abstaining = PREDICTION._replace(abstains=True)
    assert prediction_line(abstaining).split() == ["Ng", "–", "75%", "A", "75%,", "B", "25%"]


def test_trace(capsys: pytest.CaptureFixture[str]) -> None:
    print_trace("Ng", [PREDICTION._replace(text="N"), PREDICTION])
    title, first, second = capsys.readouterr().out.splitlines()
    assert title == "Ng"
    assert first.split()[0] == "N"
    assert second.split()[0] == "g"


def test_score(capsys: pytest.CaptureFixture[str]) -> None:
    print_score({"nats_per_char": 1.25, "characters": 1000})
    assert capsys.readouterr().out == "nats per char   1.2500\ncharacters      1,000\n"


def test_next(capsys: pytest.CaptureFixture[str]) -> None:
    print_next([NextChar("\n", 0.5)])
    assert capsys.readouterr().out.split() == ["'\\n'", "50.0%", "█" * 12]


@pytest.mark.parametrize(
    ("difference", "same", "said"),
    [
        (
            0.5,
            True,
            "ok: logits within 0.5 (0.01 allowed), same tokens drawn, on cpu\n",
        ),
        (
            0.5,
            False,
            "ok: logits within 0.5 (0.01 allowed), other tokens drawn, on cpu\n",
        ),
        (None, None, "ok: logits are no numbers, on cpu\n"),
    ],
)
def test_verification(
    capsys: pytest.CaptureFixture[str], difference: float | None, same: bool | None, said: str
) -> None:
    result: dict[str, Any] = {"ok": True, "logits_difference": difference, "tolerance": 0.01}
    result |= {"same_generated": same, "device": "cpu"}
    print_verification(result)
    assert capsys.readouterr().out == said
    print_verification({**result, "ok": False})
    assert capsys.readouterr().out == said.replace("ok", "FAILED", 1)


def test_findings(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings({"ok": True, "onnx_runtime": None})
    assert capsys.readouterr().out.splitlines() == ["ok             True", "onnx runtime   –"]
