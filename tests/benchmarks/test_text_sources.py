"""The texts of the comparison are made from what is at hand."""

import zipfile
from pathlib import Path

import pytest

from benchmarks import text_sources

ADDRESSES = ((0x7F3A524B56D0, 0x7F3A524A5B10), (0x7F6B0AFB16D0, 0x7F6B0AFA1B10))
"""Of two objects in two processes."""


def test_files_are_joined_in_order_up_to_a_length(tmp_path: Path) -> None:
    for name, text in (("b", "second"), ("a", "fi\r\nrst"), ("c", "never")):
        (tmp_path / name).write_text(text, "utf-8", newline="")
    assert text_sources.joined([*tmp_path.iterdir()], 10) == "fi\nrst\nsec"


def test_translations_are_the_messages(tmp_path: Path) -> None:
    wheel = tmp_path / "package.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("p/locale/ru/a.po", '# note\nmsgid "one"\nmsgstr "один"\n"два"\n')
        archive.writestr("p/locale/de/a.po", 'msgid "one"\nmsgstr "eins"\n')
    assert text_sources.translations(wheel) == "один\nдва"


def test_names_are_once_each(tmp_path: Path) -> None:
    table = tmp_path / "names.csv"
    table.write_text("Rossi,Italian\nSato,Japanese\nRossi,Spanish\n,x\n", "utf-8")
    assert sorted(text_sources.names(table).splitlines()) == ["Rossi", "Sato"]


def test_the_log_of_two_processes_is_the_same_text() -> None:
    logs = [f"a at {a:#x}\nb at {b:#x}\na at {a:#x} (0xff)\n" for a, b in ADDRESSES]
    drawn = [text_sources.with_drawn_addresses(log, seed="module") for log in logs]
    assert drawn[0] == drawn[1] != text_sources.with_drawn_addresses(logs[0], seed="other")
    first, second, again = (line.split()[2] for line in drawn[0].splitlines())
    assert first == again != second
    assert first[:9] == second[:9]
    assert drawn[0].endswith("(0xff)\n")


def test_texts_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_sources, "log", lambda size: "import a\n"[:size])
    monkeypatch.setattr(text_sources, "python_source", lambda size: "import b\n"[:size])
    plays = tmp_path / "input.txt"
    plays.write_text("To be. " * 4000, "utf-8")
    folder = tmp_path / "texts"
    monkeypatch.setattr("sys.argv", ["text_sources", str(folder), "--plays", str(plays)])
    text_sources.main()
    assert {path.stem for path in folder.iterdir()} == {
        "Python 1 MB",
        "Python 20 MB",
        "log",
        "plays",
        "plays 20 kB",
    }
    assert len((folder / "plays 20 kB.txt").read_text("utf-8")) == 20_000
