"""Memory that a training step needs, and what this machine has: options that cannot fit are refused
before training."""

from pathlib import Path

import torch

from rnn_train.errors import RunError

BYTES_OF_A_WEIGHT = 24
"""A weight, its gradient, its average, two moments of AdamW, and a copy in a checkpoint; 4 bytes
each."""
_MEMORY_INFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")
_GIB = 2**30


def check_memory(
    weights: int,
    activations: int,
    device: torch.device,
    batch: str,
    smaller: str = "--batch or --window",
) -> None:
    """Checks that a training step fits into memory.

    Args:
        weights: number of weights.
        activations: bytes that one batch takes, at least.
        device: where to train.
        batch: describes the batch, for the message.
        smaller: options that make the batch smaller.

    Raises:
        RunError: it does not fit.
    """
    have = available(device)
    of_weights = weights * BYTES_OF_A_WEIGHT
    if have is None or of_weights + activations <= have:
        return
    cure = "--hidden or --layers" if of_weights > have / 2 else smaller
    raise RunError(
        f"a training step needs at least {(of_weights + activations) / _GIB:,.1f} GiB of memory "
        f"({of_weights / _GIB:,.1f} for {weights:,} weights, {activations / _GIB:,.1f} for a batch "
        f"of {batch}), and {have / _GIB:,.1f} GiB are free; give a smaller {cure}"
    )


def check_logits(rows: int, labels: int, cure: str) -> None:
    """Checks that the logits of rows fit into memory.

    Args:
        rows: to be read by a classifier.
        labels: of the classifier.
        cure: what to do, for the message.

    Raises:
        RunError: they do not.
    """
    needed, have = 4 * rows * labels, available(torch.device("cpu"))
    if have is not None and needed > have:
        raise RunError(
            f"the logits of {rows:,} rows for {labels:,} labels take {needed / _GIB:,.1f} GiB of "
            f"memory, and {have / _GIB:,.1f} GiB are free; {cure}"
        )


def available(device: torch.device) -> int | None:
    """Returns the bytes of free memory; None: this system does not tell."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    found = [each for each in (_free_memory(), _left_in_group()) if each is not None]
    return min(found, default=None)


def _free_memory() -> int | None:
    try:
        lines = _MEMORY_INFO.read_text().splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return sizes[0] if sizes else None


def _left_in_group() -> int | None:
    """Returns what a container may still take."""
    try:
        limit = (_GROUP / "memory.max").read_text().strip()
        used = (_GROUP / "memory.current").read_text().strip()
    except OSError:
        return None
    return max(0, int(limit) - int(used)) if limit.isdigit() and used.isdigit() else None
