"""A run folder: what a training run was asked, what it did, and where it stands.

config.json     what was asked, and facts on the data
metrics.jsonl   one line a validation
checkpoints/    the last few
initial.ckpt    the weights it began with (--init-from)
corpus.bin      the encoded text (charlm)
held_out.bin    the encoded held-out text, where one was named (charlm)
teachers/       the models it learns from, and a run for each network of an ensemble
answers.bin     what they expect after each character (charlm)
targets.ckpt    what they say of each row (classifier)
rows.jsonl      the rows of both sides (classifier)
held_out.json   how the model compares, and figures by label (classifier)
*.png           plots
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from rnn_train.errors import RunError
from rnn_train.files import write_bytes
from rnn_train.training import checkpoint

RUNS = Path("runs")
DATA_FILES = ("corpus.bin", "held_out.bin", "answers.bin", "rows.jsonl")


class Run:
    """One run folder, locked against a second process while open."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        """`home`: where config and data stand, if not in `folder`; see `part`."""
        self.folder = folder
        self._home = home or folder
        self.checkpoints = folder / "checkpoints"
        self._lock = FileLock(folder / ".lock", blocking=False)

    @classmethod
    def create(cls, command: str, folder: Path | None) -> Self:
        """Makes a new folder: the one asked for, or the next free `runs/<command>-<n>`.

        Raises:
            RunError: it cannot be made, or holds a run already.
        """
        if folder is None:
            taken = [
                int(match[1])
                for path in RUNS.glob(f"{command}-*")
                if (match := re.fullmatch(rf"{command}-(\d+)", path.name))
            ]
            folder = RUNS / f"{command}-{max(taken, default=0) + 1}"
        if (folder / "config.json").exists():
            raise RunError(f"{folder} holds a run already; go on with --resume {folder}")
        try:
            (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write {folder}: {error.strerror or error}") from error
        run = cls(folder)
        run._acquire()
        return run

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens an existing folder. Raises `RunError`: it is no run, or another process has it."""
        if not (folder / "config.json").is_file():
            raise RunError(f"{folder}: no run folder (config.json is missing)")
        run = cls(folder)
        run._acquire()
        for part in folder.rglob(".*.part"):
            part.unlink(missing_ok=True)  # left by a kill in the middle of a write
        return run

    def _acquire(self) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise RunError(f"{self.folder} is in use by another process") from None
        except OSError as error:
            raise RunError(f"cannot write {self.folder}: {error.strerror or error}") from error

    def close(self) -> None:
        """Lets the next process have the folder."""
        self._lock.release()

    def part(self, name: str) -> Self:
        """A run that is a step of this one: in a folder of it, under the same lock, and with its
        config and data. Raises `RunError`: the folder cannot be made."""
        part = type(self)(self.folder / name, self.folder)
        try:
            part.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write {part.folder}: {error.strerror or error}") from error
        return part

    def write_config(self, config: dict[str, Any]) -> None:
        """Records what was asked; a part has no config of its own."""
        assert self._home == self.folder
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        write_bytes(self._home / "config.json", text.encode())

    def config(self) -> dict[str, Any]:
        """What was asked. Raises `RunError`: the file is damaged."""
        try:
            value = json.loads((self._home / "config.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self._home}/config.json cannot be read: {error}") from error
        if not isinstance(value, dict):
            raise RunError(f"{self._home}/config.json is damaged")
        return value

    def origin(self) -> dict[str, Any]:
        """What the run began with: its config, and a sha256 of each data file."""
        sums = {}
        for name in DATA_FILES:
            if (self._home / name).exists():
                with (self._home / name).open("rb") as stream:
                    sums[name] = hashlib.file_digest(stream, "sha256").hexdigest()
        return {"config": self.config(), "data": sums}

    def check_origin(self, origin: dict[str, Any]) -> None:
        """Compares what stands in the folder with an `origin` taken before.

        Raises:
            RunError: they differ; names what.
        """
        now = self.origin()
        changed = [
            f"{name} in config.json" for name in _changes(origin["config"], now["config"])
        ] + _changes(origin["data"], now["data"])
        if changed:
            raise RunError(
                f"{self._home}: changed since the last checkpoint: {', '.join(changed)}; a run "
                "goes on with what it began with only: put it back, or start a new run"
            )

    def last_state(self) -> tuple[dict[str, Any], list[str]]:
        """The newest whole checkpoint, if it was made from what still stands in the folder.

        Returns:
            Its state, and a warning for each newer checkpoint that is damaged.

        Raises:
            RunError: there is none, or config or data have changed since.
        """
        state, warnings = checkpoint.load_latest(self.checkpoints)
        if "origin" not in state:
            raise RunError(f"{self.folder} is of another version of rnn_train; start a new run")
        self.check_origin(state["origin"])
        return state, warnings

    def log_metrics(self, metrics: dict[str, Any]) -> None:
        """Adds one line to the metrics."""
        try:
            with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(metrics) + "\n")
        except OSError as error:
            raise RunError(f"cannot write {self.folder}: {error.strerror or error}") from error

    def metrics(self, up_to: int | None = None) -> list[dict[str, Any]]:
        """All lines of the metrics; with `up_to`, later steps are dropped from the file too.

        A run killed after a validation repeats the steps since its last checkpoint.
        """
        path = self.folder / "metrics.jsonl"
        if not path.exists():
            return []
        rows = []
        for line in path.read_text("utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue  # a line cut short by a kill
        if up_to is not None:
            rows = [row for row in rows if row["step"] <= up_to]
            write_bytes(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
        return rows


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Keys that have come, gone or another value."""
    missing = object()
    names = sorted(before.keys() | after.keys())
    return [name for name in names if before.get(name, missing) != after.get(name, missing)]
