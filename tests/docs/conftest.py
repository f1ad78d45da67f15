"""A folder in which the code blocks of a page find what they name, and what runs them."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.docs.client import ask
from tests.docs.code_blocks import ROOT, Block

HERE = Path(__file__).parent
BOOK = "To be, or not to be: that is the question.\nROMEO:\nGood morrow, cousin.\n" * 24
SURNAMES = {
    "Italian": "Rossi Bianchi Ricci Moretti Conti Greco Bruno Gallo Costa Leone",
    "Japanese": "Nakamura Tanaka Sato Ito Kimura Mori Abe Ishii Okada Ono",
    "Polish": "Kowalski Nowak Wojcik Mazur Krol Wrona Sikora Duda Pawlak Lis",
}


@dataclass(frozen=True)
class PageRunner:
    """Runs pages, each in a copy of one folder."""

    socket: str
    template: Path
    commands: Path
    """Folder of the scripts that stand for the commands."""

    def run(self, blocks: list[Block], folder: Path) -> tuple[int, str]:
        """Runs blocks in order, and returns the exit code and what they printed."""
        shutil.copytree(self.template, folder, symlinks=True)
        request: dict[str, object] = {
            "folder": os.fspath(folder),
            "blocks": [asdict(block) for block in blocks],
            "environment": {"PATH": f"{self.commands}{os.pathsep}{os.environ['PATH']}"},
        }
        return self.ask(request, folder)

    def ask(self, request: dict[str, object], folder: Path) -> tuple[int, str]:
        """Sends one request, and returns the exit code and what was printed."""
        output = folder / ".output"
        with output.open("w") as stream, Path(os.devnull).open() as nothing:
            number = stream.fileno()
            code = ask(self.socket, request, (nothing.fileno(), number, number))
        return code, output.read_text("utf-8")


@pytest.fixture(scope="session")
def page_runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageRunner]:
    """A runner, whose folder has models, data files and a finished run of each kind."""
    home = tmp_path_factory.mktemp("pages")
    commands, template, socket = home / "bin", home / "template", os.fspath(home / "socket")
    commands.mkdir()
    client = f'"{sys.executable}" -S -E "{HERE / "client.py"}" "{socket}"'
    _write_script(commands / "rnn-train", f"{client} rnn-train")
    _write_script(commands / "rnn-infer", f"{client} rnn-infer")
    _write_script(commands / "python", f'"{sys.executable}"')
    _write_data(template)
    log = home / "server.log"
    with log.open("w") as errors:
        command = [sys.executable, os.fspath(HERE / "page_runner.py"), socket]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n", log.read_text()
        runner = PageRunner(socket, template, commands)
        _train(runner)
        yield runner
    finally:
        server.terminate()
        server.communicate()


def _write_script(path: Path, command: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _write_data(folder: Path) -> None:
    """Writes small data files, and copies of the shipped models."""
    shutil.copytree(ROOT / "exported", folder / "exported")
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "tests" / "data", folder / "tests" / "data")
    texts = ("book.txt", "held-out.txt", "sequel.txt", "chapter.txt", "input.txt", "plays/one.txt")
    for name in texts:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(BOOK, "utf-8")
    surnames = [name for line in SURNAMES.values() for name in line.split()]
    (folder / "names.txt").write_text("\n".join(surnames * 9) + "\n", "utf-8")
    rows = [(text, label) for label, line in SURNAMES.items() for text in line.split()]
    table = "".join(f"{text},{label}\n" for text, label in rows)
    for name in ("names.csv", "names_test.csv"):
        (folder / name).write_text(f"text,label\n{table}", "utf-8")
    (folder / "reviews").mkdir()
    for label in SURNAMES:
        (folder / "reviews" / f"{label}.txt").write_text("\n".join(SURNAMES[label].split()))


def _train(runner: PageRunner) -> None:
    """Trains `runs/charlm-1` and `runs/classifier-1`, with a model file of each."""
    for kind, out in (("charlm", "mine.onnx"), ("classifier", "my-names.onnx")):
        request: dict[str, object] = {
            "program": "rnn-train",
            "arguments": [kind, "--out", out],
            "folder": os.fspath(runner.template),
            "environment": {},
        }
        code, output = runner.ask(request, runner.template)
        assert code == 0, output
