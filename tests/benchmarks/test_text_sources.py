"""The texts of the comparison are made from what is at hand."""

import zipfile
from pathlib import Path

import pytest

from benchmarks import text_sources


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
