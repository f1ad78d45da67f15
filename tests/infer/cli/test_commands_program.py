"""`rnn-infer` as a program: exit codes, encodings, and pipes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnn_infer import CharLM


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


def test_graph_that_fails_gives_one_line(edited: Callable[..., Path]) -> None:
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


def test_closed_pipe_ends_quietly(model: str) -> None:
    """`rnn-infer … | head -c 5` ends without a traceback."""
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
