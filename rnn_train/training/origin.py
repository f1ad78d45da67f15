"""Origin of a run: its configuration and its data, which must not change while it is trained."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rnn_train.errors import RunError

DATA_FILES = (
    "corpus.bin",
    "held_out.bin",
    "pieces.bin",
    "answers.bin",
    "rows.jsonl",
    "rows.bin",
    "rows.npy",
    "rows.json",
)
"""Files of a run folder whose contents must not change."""
_GROWING = "continued"
"""Key of config.json that gets longer each time that a finished run goes on."""


def take_origin(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Records configuration and data of a run, for a checkpoint.

    Args:
        folder: the run folder.
        config: contents of config.json.

    Returns:
        The configuration, and the sha256 of each data file that exists.
    """
    hashes = {}
    for name in DATA_FILES:
        if (folder / name).exists():
            with (folder / name).open("rb") as stream:
                hashes[name] = hashlib.file_digest(stream, "sha256").hexdigest()
    fixed = {name: value for name, value in config.items() if name != _GROWING}
    return {"config": fixed, "data": hashes}


def check_same(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Checks that two origins are the same.

    Args:
        folder: the run folder, for the message.
        before: origin in a checkpoint.
        now: origin of the run folder.

    Raises:
        RunError: they differ. The message names the differences.
    """
    changed: Iterable[str] = [
        *(f"{name} in config.json" for name in _changes(before["config"], now["config"])),
        *_changes(before["data"], now["data"]),
    ]
    if changed:
        raise RunError(
            f"{folder}: changed since the last checkpoint: {', '.join(changed)}; put the old "
            "contents back, or start a new run"
        )


def _changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Returns the keys that were added or removed, or whose value has changed."""
    missing = object()
    names = sorted(before.keys() | now.keys())
    return [name for name in names if before.get(name, missing) != now.get(name, missing)]
