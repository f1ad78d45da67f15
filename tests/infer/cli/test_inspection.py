"""`rnn-infer show`, `verify` and `doctor`: what each prints, as text and as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
Printed = Callable[..., str]


def rows(printed: str) -> list[Any]:
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.parametrize(
    "name", ["charlm", "charlm.step", "charlm.one", "charlm.three", "classifier"]
)
def test_show(good: Printed, data: Path, name: str) -> None:
    path = str(data / f"{name}.onnx")
    (row,) = rows(good("show", "--model", path, "--json"))
    assert (row["file"], row["format"], row["device"]) == (path, 2, "cpu")
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
    assert (row["ok"], row["device"], row["tolerance"]) == (True, "cpu", 1e-3)


def test_verify_of_a_bad_file(run: Run, documented: Callable[..., Path]) -> None:
    def change(document: Any) -> None:
        document["golden"]["logits"][0] += 1

    path = str(documented(change))
    plain, as_json = run("verify", "--model", path), run("verify", "--model", path, "--json")
    assert (plain.exit_code, as_json.exit_code) == (1, 1)
    assert plain.stdout.startswith("FAILED: logits within 1 (0.001 allowed), same tokens drawn")
    assert rows(as_json.stdout)[0]["ok"] is False


def test_doctor(run: Run) -> None:
    result = run("doctor", "--json")
    (row,) = rows(result.stdout)
    assert row["ok"] is (result.exit_code == 0)
    assert {"python", "numpy", "onnxruntime", "cpu", "cuda", "next"} <= set(row)
    assert "works" in run("doctor").stdout
