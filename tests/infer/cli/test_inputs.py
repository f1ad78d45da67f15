"""Input files of `rnn-infer classify`: formats, and what is wrong with a file."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
Printed = Callable[..., str]

TEXTS = ["Rossi", "O'Neill", "Müller"]


def rows(printed: str) -> list[Any]:
    return [json.loads(line) for line in printed.splitlines()]


FILES: dict[str, tuple[str, bytes]] = {
    "lines": ("names.txt", "Rossi\n  O'Neill \r\nMüller".encode()),
    "lines with a mark": ("names.txt", "\ufeffRossi\nO'Neill\nMüller\n".encode()),
    "no suffix": ("names", "Rossi\nO'Neill\nMüller\n".encode()),
    "csv": ("names.csv", 'Rossi,x\r\n\r\n"O\'Neill",y\r\nMüller,z\r\n'.encode()),
    "csv with a header": ("names.csv", "\nLabel,Name\nx,Rossi\ny,O'Neill\nz,Müller\n".encode()),
    "csv of one column": ("names.CSV", "\ufeffRossi\nO'Neill\nMüller\n".encode()),
    "tsv": ("names.tsv", "Rossi\tx,y\nO'Neill\t\nMüller\n".encode()),
    "jsonl": (
        "names.jsonl",
        b'{"text": "Rossi", "more": 1}\n\n{"text": "O\'Neill"}\n{"text": "M\\u00fcller"}',
    ),
}


@pytest.mark.parametrize("kind", sorted(FILES))
def test_classify_a_file(good: Printed, names: str, tmp_path: Path, kind: str) -> None:
    name, content = FILES[kind]
    (tmp_path / name).write_bytes(content)
    printed = good("classify", "--model", names, "--input", str(tmp_path / name), "--json")
    assert [row["text"] for row in rows(printed)] == TEXTS


@pytest.mark.parametrize(
    ("name", "content", "cure", "said"),
    [
        (
            "a.csv",
            "date;amount;status\nRossi;1.5;x\nNg;2.5;y\nKim;1.0;x\n",
            ["--text-column", "date"],
            "the texts are taken from column 'date'; to name another one, give --text-column",
        ),
        (
            "a.jsonl",
            '{"id": 1, "who": "Rossi Ng"}\n{"id": 2, "who": "Kim Lee"}\n',
            ["--text-column", "who"],
            "the texts are taken from column 'who'; to name another one, give --text-column",
        ),
        (
            "a.csv",
            "date\n",
            ["--header"],
            "its one row is read as a text; if it is a header, say --header",
        ),
        ("a.csv", "date\n", ["--no-header"], "its one row is read as a text; if it is a header"),
    ],
)
def test_doubts_about_a_table_are_said(
    run: Run, names: str, tmp_path: Path, name: str, content: str, cure: list[str], said: str
) -> None:
    """On standard error; an option that settles them silences them."""
    path = tmp_path / name
    path.write_text(content)
    given = ("classify", "--model", names, "--input", str(path), "--json")
    result = run(*given)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"{path}: {said}")
    assert result.stderr.count("\n") == 1
    settled = run(*given, *cure)
    assert settled.exit_code == 0
    assert settled.stderr in ("", f"{path}: holds 0 rows; there is nothing to classify\n")


def test_only_the_first_line_has_a_byte_order_mark(
    good: Printed, names: str, tmp_path: Path
) -> None:
    path = tmp_path / "names.txt"
    path.write_text("\ufeffRossi\n\ufeffNg\n", encoding="utf-8")
    printed = good("classify", "--model", names, "--input", str(path), "--json")
    assert [row["text"] for row in rows(printed)] == ["Rossi", "\ufeffNg"]


def test_classify_standard_input(good: Printed, names: str) -> None:
    printed = good("classify", "--model", names, "--input", "-", "--json", stdin="Rossi\nNg\n")
    assert [row["text"] for row in rows(printed)] == ["Rossi", "Ng"]
    printed = good("classify", "--model", names, "--input", "-", "--trace", stdin="Rossi\n")
    assert printed.startswith("Rossi\n")


def test_classify_csv_of_texts_with_commas_and_line_ends(
    good: Printed, names: str, tmp_path: Path
) -> None:
    path = tmp_path / "names.csv"
    path.write_text('"Rossi, Ng",x\n"a\nb",y\n')
    printed = good("classify", "--model", names, "--input", str(path), "--json")
    assert [row["text"] for row in rows(printed)] == ["Rossi, Ng", "a\nb"]


def test_classify_an_empty_file(run: Run, names: str, tmp_path: Path) -> None:
    for name in ("a.txt", "a.csv", "a.tsv", "a.jsonl", "a.json"):
        (tmp_path / name).touch()
        result = run("classify", "--model", names, "--input", str(tmp_path / name))
        assert (result.exit_code, result.stdout) == (0, "")
        assert f"{name}: holds 0 rows; there is nothing to classify" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"Rossi\n\xff\xfe\n", "line 2: is not UTF-8; give its encoding"),
        ("a.csv", "é".encode("latin-1"), "line 1: is not UTF-8"),
        ("a.tsv", b"a\tb\nc\xff", "line 2: is not UTF-8"),
        ("a.jsonl", b'{"text": "\xff"}', "line 1: is not UTF-8"),
        ("a.txt", "Rossi\n".encode("utf-16"), "line 1: is not UTF-8"),
        ("a.csv", b'text\n"x\ny\n', "line 2: a quote is opened here and never closed"),
        ("a.csv", b"a,b\nc,d,e\n", "line 2: 3 columns where the first row has 2"),
        ("a.jsonl", b"Rossi\n", 'line 1: expected {"text": "…"}'),
        ("a.jsonl", b'{"text": "a"}\n\n{"name": "b"}\n', 'line 3: expected {"text": "…"}'),
        ("a.jsonl", b'{"text": 1}', "line 1: expected"),
        ("a.jsonl", b'{"text": ["a"]}', "line 1: expected"),
        ("a.jsonl", b'["text"]', "line 1: expected"),
        ("a.jsonl", b'{"text": "\\ud800"}', "line 1: half a surrogate pair"),
        ("a.jsonl", b"[" * 100_000, "line 1: expected"),
        ("a.jsonl", b"9" * 5000, "line 1: expected"),
    ],
)
def test_bad_file_of_texts(
    run: Run, names: str, tmp_path: Path, name: str, content: bytes, said: str
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
def test_progress_bar_if_the_output_goes_to_a_file(names: str, tmp_path: Path) -> None:
    import pty

    path, out = tmp_path / "names.txt", tmp_path / "labels.jsonl"
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


def test_line_number_of_bad_input_in_a_long_file(run: Run, names: str, tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(b"Rossi\n" * 3000 + b"\xff\n")
    result = run("classify", "--model", names, "--input", str(path), "--json")
    assert "line 3001: is not UTF-8" in result.stderr
