"""Run folders: the configuration, the data, the metrics and the checkpoints of a training run.

config.json     the options of the run, and facts about the data
metrics.jsonl   one line for each validation
checkpoints/    the last checkpoints
initial.ckpt    the weights of a warm start (--init-from)
earlier.*       data of the run that a warm start comes from, to see what is forgotten
before-1.onnx   the model file when a finished run went on
corpus.bin      the encoded text (charlm)
held_out.bin    the encoded held-out text, if the user named one (charlm)
pieces.bin      places of the text's held-out pieces (charlm)
measured.json   figures of the held-out text, before it was learnt too (charlm)
exported.sha256 hash of the file that the run exported to the default place
teachers/       exported teachers, and a run folder for each network of an ensemble
answers.bin     the teachers' soft targets after each character (charlm)
targets.bin     the teachers' soft targets for each row (classifier)
targets.ckpt    what they were made of
rows.bin, .npy, .json   the training rows and the held-out rows (classifier)
rows.jsonl      the same in older folders
held_out.json   comparison with the baselines, and metrics by label (classifier)
*.png           plots
"""

import json
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from rnn_infer.errors import because
from rnn_train.errors import RunError
from rnn_train.files import names, write_bytes
from rnn_train.training import checkpoint
from rnn_train.training.metrics_log import MetricsLog
from rnn_train.training.origin import check_same, take_origin

RUNS = Path("runs")
"""Folder of the runs whose folder the user does not name."""


class Run:
    """One run folder. While it is open, no other process can open it."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        """Use `create`, `open` or `part` instead.

        Args:
            folder: the run folder.
            home: the folder with the configuration and the data, if it is not `folder`.
        """
        self.folder = folder
        self._home = home or folder
        self.checkpoints = folder / "checkpoints"
        self._metrics = MetricsLog(folder / "metrics.jsonl")
        self._lock = FileLock(folder / ".lock", blocking=False)
        self._made: list[Path] = []
        """Folders that `create` has made, the innermost first."""

    @classmethod
    def create(cls, command: str, folder: Path | None) -> Self:
        """Makes a new run folder, and locks it.

        Args:
            command: `charlm` or `classifier`.
            folder: the folder to make; None: the next free `runs/<command>-<n>`.

        Raises:
            RunError: the folder cannot be made, or another process uses it, or it already holds a
                run.
        """
        if folder is None:
            taken = [
                int(match[1])
                for name in names(RUNS)
                if (match := re.fullmatch(rf"{command}-(\d+)", name))
            ]
            folder = RUNS / f"{command}-{max(taken, default=0) + 1}"
        if (folder / "config.json").exists():
            raise RunError(f"{folder} holds a run already; go on with --resume {folder}")
        made = [each for each in (folder, *folder.parents) if not each.exists()]
        try:
            (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write {folder}: {because(error)}") from error
        run = cls(folder)
        run._made = made
        run._acquire()
        return run

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens an existing run folder, and locks it.

        Args:
            folder: the run folder.

        Raises:
            RunError: the folder is not a run folder, or another process uses it.
        """
        if not (folder / "config.json").is_file():
            raise RunError(f"{folder}: no run folder (config.json is missing); name a run")
        run = cls(folder)
        run._acquire()
        with suppress(OSError):
            for part in folder.rglob(".*.part"):
                part.unlink(missing_ok=True)  # an incomplete file of a killed process
        return run

    @classmethod
    def attach(cls, folder: Path) -> Self:
        """Opens the folder of a run that another process of the same training has locked.

        Args:
            folder: the run folder.

        Raises:
            RunError: the folder cannot be seen from here.
        """
        if not (folder / "config.json").is_file():
            raise RunError(
                f"{folder} cannot be read here; all processes need the same folder under the same "
                "path"
            )
        return cls(folder)

    def _acquire(self) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise RunError(
                f"{self.folder} is in use by another process; wait until it ends"
            ) from None
        except OSError as error:
            raise RunError(f"cannot write {self.folder}: {because(error)}") from error

    def close(self) -> None:
        """Unlocks the folder."""
        self._lock.release()

    @property
    def has_work(self) -> bool:
        """Whether a checkpoint was written, or there are teachers."""
        return checkpoint.exists(self.checkpoints) or bool(names(self.folder / "teachers"))

    def discard(self) -> None:
        """Unlocks and removes a folder that `create` has made, if there is no work in it."""
        self.close()
        with suppress(OSError, RunError):  # the error that is on its way is the one to report
            if self.folder not in self._made or self.has_work:
                return
            # Without it, what cannot be removed is no run, and the name can be used again.
            (self.folder / "config.json").unlink(missing_ok=True)
            for _ in range(2):
                shutil.rmtree(self.folder, ignore_errors=True)
            for each in self._made[1:]:
                each.rmdir()  # refuses a folder that holds something

    def part(self, name: str) -> Self:
        """Makes a run inside this one, for a teacher that this run trains.

        It has its own checkpoints and metrics. Lock, configuration and data are those of this run.

        Args:
            name: of its folder inside this run's folder.

        Raises:
            RunError: the folder cannot be made.
        """
        part = type(self)(self.folder / name, self.folder)
        try:
            part.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write {part.folder}: {because(error)}") from error
        return part

    def write_config(self, config: dict[str, Any]) -> None:
        """Writes config.json. A part has no configuration of its own.

        Raises:
            RunError: it cannot be written.
        """
        assert self._home == self.folder
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        write_bytes(self._home / "config.json", text.encode())

    def config(self) -> dict[str, Any]:
        """Reads config.json.

        Raises:
            RunError: the file cannot be read, or is damaged.
        """
        try:
            value = json.loads((self._home / "config.json").read_text("utf-8"))
        except OSError as error:
            raise RunError(f"{self._home}/config.json cannot be read: {because(error)}") from error
        except ValueError as error:
            raise RunError(
                f"{self._home}/config.json is damaged ({error}); put the old contents back, or "
                "start a new run"
            ) from error
        if not isinstance(value, dict):
            raise RunError(f"{self._home}/config.json is damaged; start a new run")
        return value

    def origin(self) -> dict[str, Any]:
        """Returns the configuration, and the sha256 of each data file."""
        return take_origin(self._home, self.config())

    def check_origin(self, origin: dict[str, Any]) -> None:
        """Checks that configuration and data have not changed.

        Args:
            origin: what `origin` returned at an earlier time.

        Raises:
            RunError: something has changed. The message names it.
        """
        check_same(self._home, origin, self.origin())

    def last_state(self) -> tuple[dict[str, Any], list[str]]:
        """Loads the newest checkpoint that is not damaged.

        Returns:
            Its state, and a warning for each newer checkpoint, which is damaged.

        Raises:
            RunError: there is no usable checkpoint, or configuration or data have changed since.
        """
        state, warnings = checkpoint.load_latest(self.checkpoints)
        if "origin" not in state:
            raise RunError(f"{self.folder} is of another version of rnn_train; start a new run")
        self.check_origin(state["origin"])
        return state, warnings

    def log_metrics(self, metrics: dict[str, Any]) -> None:
        """Adds one line to metrics.jsonl.

        Raises:
            RunError: it cannot be written.
        """
        self._metrics.append(metrics)

    def metrics(self, up_to: int | None = None) -> list[dict[str, Any]]:
        """Reads metrics.jsonl.

        Args:
            up_to: lines of later steps are deleted, from the file too. A run that was killed after
                a validation repeats the steps since its last checkpoint. None: all lines stay.

        Returns:
            One dictionary for each line.
        """
        if up_to is not None:
            self._metrics.cut(up_to)
        return self._metrics.rows()
