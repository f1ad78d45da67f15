"""`rnn-infer classify`: its answers, its files of texts, and what is wrong with them."""

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

from rnn_infer import Classifier

Run = Callable[..., Result]
Printed = Callable[..., str]

ANSWER = {"text", "label", "probability", "top"}


def rows(printed: str) -> list[Any]:
    return [json.loads(line) for line in printed.splitlines()]


TEXTS = ["Rossi", "O'Neill", "Müller"]


def test_classify_json(good: Printed, names: str, data: Path) -> None:
    found = rows(good("classify", "--model", names, *TEXTS, "--top", "2", "--json"))
    expected = Classifier.load(data / "gru.onnx", device="cpu").classify(TEXTS, top=2)
    for row, prediction in zip(found, expected, strict=True):
        assert set(row) == ANSWER
        assert (row["text"], row["label"]) == (prediction.text, prediction.label)
        assert row["probability"] == prediction.probability
        assert row["top"] == [
            {"label": each.label, "probability": each.probability} for each in prediction.top
        ]


def test_classify_as_text(good: Printed, names: str) -> None:
    lines = good("classify", "--model", names, *TEXTS, "中国").splitlines()
    assert [line.split()[0] for line in lines] == [*TEXTS, "中国"]
    assert all("%" in line for line in lines)


def test_classify_trace(good: Printed, names: str) -> None:
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
    "csv with a header": ("names.csv", "\nLabel,Name\nx,Rossi\ny,O'Neill\nz\nz,Müller\n".encode()),
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


def test_classify_more_than_one_batch_in_order(
    good: Printed, names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_infer.cli.commands._ROWS", 7)
    texts = [f"Name{'x' * (i % 9)}" for i in range(40)]
    path = tmp_path / "names.txt"
    path.write_text("\n".join(texts))
    printed = good("classify", "--model", names, "--input", str(path), "--json")
    assert [row["text"] for row in rows(printed)] == texts


def test_classify_an_empty_file(good: Printed, names: str, tmp_path: Path) -> None:
    for name in ("a.txt", "a.csv", "a.tsv", "a.jsonl"):
        (tmp_path / name).touch()
        assert good("classify", "--model", names, "--input", str(tmp_path / name)) == ""


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
def test_bad_input_of_classify(
    bad: Printed, names: str, arguments: tuple[str, ...], said: str
) -> None:
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
        ("a.csv", b"x" * 200_000, "not a table of texts"),
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
    run: Run, names: str, tmp_path: Path
) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(b"Rossi\n" * 3000 + b"\xff\n")
    result = run("classify", "--model", names, "--input", str(path), "--json")
    assert "line 3001: is not UTF-8" in result.stderr
