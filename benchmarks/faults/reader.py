"""Operations of `rnn_infer` to disturb, with tiny models."""

import shutil
from collections.abc import Callable
from pathlib import Path

import rnn_infer
from rnn_infer.cli.commands import main
from rnn_infer.tables.table import Table

from .operation import Answer, Operation, called, commanded
from .printing import Printing

MODELS = Path(__file__).parents[2] / "tests" / "data"


class _UserError(Exception):
    """An error of the program that uses the library."""


def _prepare(folder: Path) -> None:
    folder.mkdir()
    for name in ("charlm", "classifier"):
        shutil.copy(MODELS / f"{name}.onnx", folder / f"{name}.onnx")
    rows = "".join(f"Rossi{'x' * (i % 5)},{i}\n" for i in range(6000))
    (folder / "names.csv").write_text("name,id\n" + rows, "utf-8")
    (folder / "text.txt").write_text("a word and a word\n" * 20, "utf-8")
    lm = rnn_infer.CharLM.load(folder / "charlm.onnx", device="cpu")
    session = lm.session(seed=1)
    session.feed("a word")
    (folder / "session.bin").write_bytes(session.save())


def _command(name: str, *arguments: str) -> Callable[[Path], Answer]:
    """Returns a run of `rnn-infer` whose standard output is a file of the folder."""

    def run(folder: Path) -> Answer:
        given = [str(folder / each) if "." in each else each for each in arguments]
        return commanded(main, [name, *given])

    return run


def _load(folder: Path) -> Answer:
    def work() -> str:
        lm = rnn_infer.CharLM.load(folder / "charlm.onnx", device="cpu")
        return lm.generate("a word", length=8, seed=1)

    return called(work)


def _session(folder: Path) -> Answer:
    """Saves a session, and restores it. The program that writes the file is the user's."""

    def work() -> str:
        lm = rnn_infer.CharLM.load(folder / "charlm.onnx", device="cpu")
        with (folder / "session.bin").open("rb", buffering=0) as stream:
            session = lm.session(restore=stream.read(1 << 20))
        text = session.generate(length=8)
        with (folder / "session.new").open("wb", buffering=0) as stream:
            stream.write(session.save())
        with (folder / "session.new").open("rb") as stream:
            return text + lm.session(restore=stream.read()).generate(length=8)

    def user() -> str:
        try:
            return work()
        except OSError as error:
            raise _UserError(f"{error}; it is the user's program that writes and reads") from error

    return called(user, (_UserError,))


def _table(folder: Path) -> Answer:
    def work() -> int:
        return sum(len(row.text) for row in Table.open(folder / "names.csv"))

    return called(work)


OPERATIONS = (
    Operation("load a model", _load, _prepare),
    Operation("save and restore a session", _session, _prepare, may_change=["session.new"]),
    Operation("read a table", _table, _prepare),
    Operation(
        "rnn-infer generate > FILE",
        _command("generate", "--model", "charlm.onnx", "--length", "40", "--seed", "1"),
        _prepare,
        may_change=["out.txt"],
        out="out.txt",
    ),
    Operation(
        "rnn-infer classify --input TABLE --output csv > FILE",
        _command(
            "classify", "--model", "classifier.onnx", "--input", "names.csv", "--output", "csv"
        ),
        _prepare,
        may_change=["out.txt"],
        out="out.txt",
    ),
    Operation(
        "rnn-infer score FILE",
        _command("score", "--model", "charlm.onnx", "text.txt"),
        _prepare,
        may_change=["out.txt"],
        out="out.txt",
    ),
    Operation(
        "rnn-infer show > FILE",
        _command("show", "--model", "charlm.onnx"),
        _prepare,
        may_change=["out.txt"],
        out="out.txt",
    ),
)

_CHARLM, _CLASSIFIER = ("--model", "{0}/charlm.onnx"), ("--model", "{0}/classifier.onnx")
PRINTING = tuple(
    Printing("rnn-infer, all commands: standard output", main, arguments, _prepare)
    for arguments in (
        ("generate", *_CHARLM, "--length", "40"),
        ("classify", *_CLASSIFIER, "--input", "{0}/names.csv", "--output", "csv"),
        ("classify", *_CLASSIFIER, "Rossi"),
        ("score", *_CHARLM, "{0}/text.txt"),
        ("next", *_CHARLM, "--prompt", "a word"),
        ("show", *_CHARLM),
        ("verify", *_CHARLM),
    )
)
