"""Texts of unlike kind and size, for `benchmarks.texts`.

    pip download --no-deps django==5.2.8
    python -m benchmarks.text_sources FOLDER --plays shakespeare.txt --names names.csv \
        --javascript js/node_modules/playwright-core --translations django-5.2.8-*.whl

Each text is a file NAME.txt of the folder. Without an option its text is left out. Python's source
and the log need none: they are of the Python that runs.
"""

import argparse
import csv
import random
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

_MEGABYTE = 1_000_000
_LOGGED = (
    "asyncio, concurrent.futures, ctypes, curses, dbm, decimal, email.mime.text, "
    "http.server, idlelib, importlib.metadata, json, lib2to3.main, logging.handlers, "
    "multiprocessing.pool, pydoc, sqlite3, test.support, tkinter.ttk, unittest.mock, "
    "urllib.request, xml.dom.minidom, xmlrpc.client, zipapp"
)
"""Modules whose import makes a log of Python's own."""


def joined(files: list[Path], characters: int) -> str:
    """The first characters of files, sorted by name, with a line end between two files."""
    pieces: list[str] = []
    size = 0
    for path in sorted(files):
        text = path.read_text("utf-8", errors="ignore").replace("\r", "")
        pieces.append(text)
        size += len(text) + 1
        if size >= characters:
            break
    return "\n".join(pieces)[:characters]


def python_source(characters: int) -> str:
    """The standard library's source."""
    folder = Path(sysconfig.get_path("stdlib"))
    files = [path for path in folder.rglob("*.py") if "site-packages" not in path.parts]
    return joined(files, characters)


def log(characters: int) -> str:
    """What Python writes while it imports modules: `python -v`."""
    pieces = []
    for module in _LOGGED.split(", "):
        command = [sys.executable, "-v", "-c", f"import {module}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        pieces.append(with_drawn_addresses(done.stderr, seed=module))
    return "".join(pieces)[:characters]


def with_drawn_addresses(text: str, seed: str) -> str:
    """Replaces the memory addresses of a process, which are others each time, by drawn ones.

    So the text is the same at each call. As before, the addresses of a process are near each other,
    and equal ones stay equal.
    """
    chance = random.Random(seed)
    base, drawn = chance.getrandbits(20), dict[str, str]()

    def address(found: re.Match[str]) -> str:
        return drawn.setdefault(found[0], f"0x7f{base:05x}{chance.getrandbits(20):05x}")

    return re.sub(r"0x[0-9a-f]{12}", address, text)


def translations(wheel: Path, language: str = "ru") -> str:
    """The translated messages of a package of Python, by the .po files in its wheel."""
    with zipfile.ZipFile(wheel) as archive:
        files = sorted(name for name in archive.namelist() if name.endswith(".po"))
        files = [name for name in files if f"/locale/{language}/" in name]
        lines = [line for name in files for line in archive.read(name).decode().splitlines()]
    messages = [line for line in lines if not line.startswith(("#", "msgid"))]
    return "\n".join(each.removeprefix("msgstr ").strip('"') for each in messages)


def names(table: Path) -> str:
    """The first column of a table, one name a line."""
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    found = sorted({row[0] for row in rows if row and row[0]})
    random.Random(1).shuffle(found)
    return "\n".join(found) + "\n"


def main() -> None:
    """Writes the texts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plays", type=Path)
    parser.add_argument("--names", type=Path)
    parser.add_argument("--javascript", type=Path)
    parser.add_argument("--translations", type=Path)
    options = parser.parse_args()
    texts = {
        "Python 1 MB": python_source(_MEGABYTE),
        "Python 20 MB": python_source(20 * _MEGABYTE),
        "log": log(_MEGABYTE),
    }
    if options.plays:
        plays = options.plays.read_text("utf-8")
        texts |= {"plays": plays, "plays 20 kB": plays[:20_000]}
    if options.names:
        texts["names"] = names(options.names)
    if options.javascript:
        files = [f for f in options.javascript.rglob("*.js") if "generated" not in f.parts]
        texts["JavaScript"] = joined(files, _MEGABYTE)
    if options.translations:
        texts["Russian"] = translations(options.translations)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (options.folder / f"{name}.txt").write_text(text, "utf-8", newline="\n")
        print(f"{name}: {len(text):,} characters, {len(set(text)):,} different")


if __name__ == "__main__":
    main()
