"""The soft targets of a classifier's rows: in the run folder, and in that of a network."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.distillation.row_targets import block_rows, open_targets, write_targets
from rnn_train.training import checkpoint
from rnn_train.training.run import Run

_FACTS = "targets.ckpt"
"""What the soft targets of a folder are made of, the seconds that it took, and the hash of their
file. An older version kept the probabilities here too."""
_PROBABILITIES = "targets.bin"


@dataclass(frozen=True)
class SoftTargets:
    """Probabilities [rows, labels] for the rows that the teachers of one run read, in folders."""

    run: Run
    rows: EncodedRows
    labels: int
    """Number of labels."""

    def blocks(self) -> Iterator[tuple[slice, EncodedRows]]:
        """Yields the rows in blocks of which the probabilities fit into memory."""
        size, rows = block_rows(self.labels), self.rows
        for begin in range(0, len(rows), size):
            block = slice(begin, min(begin + size, len(rows)))
            yield block, rows.take(np.arange(block.start, block.stop))

    @staticmethod
    def exist(folder: Path) -> bool:
        """Whether a folder has them."""
        return (folder / _FACTS).exists()

    def write(self, folder: Path, blocks: Iterator[NDArray[np.float32]], seconds: float) -> None:
        """Writes them into a folder.

        Args:
            folder: gets two files.
            blocks: probabilities [some rows, labels], in order.
            seconds: that it took before. Those that the blocks take are added.

        Raises:
            RunError: the disk has no room for them.
        """
        started = time.monotonic()
        path = folder / _PROBABILITIES
        digest = write_targets(path, len(self.rows), self.labels, blocks)
        seconds += time.monotonic() - started
        facts = {"origin": self.run.origin(), "sha256": digest, "seconds": seconds}
        checkpoint.write(folder / _FACTS, facts)

    def seconds(self, folder: Path) -> float:
        """Returns the seconds that they took to make.

        Raises:
            RunError: config or data have changed since.
        """
        return float(self._facts(folder).get("seconds", 0.0))

    def open(self, folder: Path, check: bool = False) -> NDArray[np.floating]:
        """Opens the probabilities in a folder, [rows, labels], memory-mapped.

        Args:
            folder: has them.
            check: compare their hash.

        Raises:
            RunError: they are damaged, or config or data have changed since they were made.
        """
        kept = self._facts(folder)
        if "targets" in kept:
            old: NDArray[np.float32] = kept["targets"].numpy()
            return old
        expected = kept["sha256"] if check else None
        path = folder / _PROBABILITIES
        return open_targets(path, len(self.rows), self.labels, expected)

    def remove(self, folder: Path) -> None:
        """Removes them from a folder."""
        for name in (_FACTS, _PROBABILITIES):
            (folder / name).unlink(missing_ok=True)

    def _facts(self, folder: Path) -> dict[str, Any]:
        kept = checkpoint.read(folder / _FACTS)
        self.run.check_origin(kept["origin"])
        return kept
