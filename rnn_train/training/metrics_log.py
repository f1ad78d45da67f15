"""The metrics of a run: a file with one JSON object on each line."""

import json
import os
from pathlib import Path
from typing import Any

from rnn_infer.errors import because
from rnn_train.errors import RunError
from rnn_train.files import read_bytes, write_bytes


class MetricsLog:
    """The file metrics.jsonl. Each row has a key `step`."""

    def __init__(self, path: Path) -> None:
        """Names the file; it need not exist."""
        self.path = path

    def append(self, row: dict[str, Any]) -> None:
        """Adds one row.

        Raises:
            RunError: the file cannot be written.
        """
        line = json.dumps(row).encode() + b"\n"
        try:
            with self.path.open("a+b") as stream:
                end = stream.seek(0, os.SEEK_END)
                if end:
                    stream.seek(end - 1)
                    # A killed process, or a full disk, has left a part of a line.
                    line = line if stream.read(1) == b"\n" else b"\n" + line
                stream.write(line)
        except OSError as error:
            raise RunError(f"cannot write {self.path}: {because(error)}") from error

    def rows(self) -> list[dict[str, Any]]:
        """Reads all rows. An incomplete line, which a killed process has left, is ignored."""
        if not self.path.exists():
            return []
        rows = []
        for line in read_bytes(self.path).decode("utf-8", "replace").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
        return rows

    def cut(self, step: int) -> None:
        """Deletes the rows of steps after `step`.

        Raises:
            RunError: the file cannot be written.
        """
        if self.path.exists():
            kept = [row for row in self.rows() if row["step"] <= step]
            write_bytes(self.path, "".join(json.dumps(row) + "\n" for row in kept).encode())
