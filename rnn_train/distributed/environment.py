"""The environment variables with which torchrun tells each process its place."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from rnn_train.errors import RunError

_NEEDED = ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Place:
    """The place of this process among those that train together."""

    rank: int = 0
    """Number of the process; 0 leads."""
    size: int = 1
    """Number of processes."""
    local_rank: int = 0
    """Number of the process on its machine."""
    local_size: int = 1
    """Number of processes on its machine."""


def place() -> Place:
    """Reads the place of this process.

    Returns:
        The place; that of a single process if torchrun has not started this one.

    Raises:
        RunError: the variables are not as torchrun sets them.
    """
    given = os.environ
    if "RANK" not in given or given.get("WORLD_SIZE", "1") == "1":
        return Place()
    size = given.get("WORLD_SIZE", "?")
    cure = (
        f"start all processes with torchrun --nproc-per-node {size} -m rnn_train …, or unset RANK "
        "and WORLD_SIZE to train in one process"
    )
    if missing := [name for name in _NEEDED if name not in given]:
        raise RunError(f"RANK and WORLD_SIZE are set, but {' and '.join(missing)} not; {cure}")
    try:
        found = Place(
            int(given["RANK"]),
            int(size),
            int(given.get("LOCAL_RANK", given["RANK"])),
            int(given.get("LOCAL_WORLD_SIZE", size)),
        )
        port = int(given["MASTER_PORT"])
    except ValueError:
        raise RunError(f"RANK, WORLD_SIZE or MASTER_PORT is no whole number; {cure}") from None
    if not (0 <= found.rank < found.size and found.local_rank >= 0 and 0 < port < 65536):
        raise RunError(f"RANK, WORLD_SIZE or MASTER_PORT is out of range; {cure}")
    return found


def command() -> str:
    """Returns the begin of a command that starts as many processes as there are now."""
    own = place()
    if own.size == 1:
        return "rnn-train"
    nodes = -(-own.size // own.local_size)
    more = f" --nnodes {nodes}" if nodes > 1 else ""
    return f"torchrun{more} --nproc-per-node {own.local_size} -m rnn_train"


def resume_command(kind: str, folder: Path) -> str:
    """Returns the command that goes on with a run.

    Args:
        kind: of the run: `charlm` or `classifier`.
        folder: the run folder.
    """
    return f"{command()} {kind} --resume {shlex.quote(str(folder))}"
