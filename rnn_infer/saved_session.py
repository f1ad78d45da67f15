"""The bytes of a saved session: magic, header, state, checksum.

Layout, little-endian: 8 bytes magic; uint32 size of the header; the header, a JSON object; the
state tensors as float32, in the file's order; SHA-256 of all bytes before it.
"""

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from rnn_infer.errors import SnapshotError
from rnn_infer.modelfile.reader import ModelFile
from rnn_infer.runtime.repetition import WINDOW
from rnn_infer.runtime.stepper import State
from rnn_infer.sampling import MAX_SEED

_MAGIC = b"RNNSESS1"
_FRAME = struct.Struct("<8sI")
_CHECKSUM_BYTES = 32


@dataclass(frozen=True)
class SavedSession:
    """The content of a saved session."""

    model: str
    """SHA-256 of the model file, hexadecimal."""
    started: bool
    """Whether the session has read any text."""
    pending: int
    """The last token. The state has not read it yet."""
    seed: int
    position: int
    """Random numbers used so far."""
    state: State
    """One float32 [1, width] array per state of the file."""
    recent: tuple[int, ...] = ()
    """The last tokens drawn with a repetition penalty. If there are none, the header has no such
    field, as in earlier versions."""

    def to_bytes(self) -> bytes:
        """Return the bytes."""
        fields: dict[str, Any] = {
            "model": self.model,
            "started": self.started,
            "pending": self.pending,
            "seed": self.seed,
            "position": self.position,
        }
        header = json.dumps(fields | ({"recent": self.recent} if self.recent else {})).encode()
        body = _FRAME.pack(_MAGIC, len(header)) + header
        body += b"".join(each.astype("<f4").tobytes() for each in self.state)
        return body + hashlib.sha256(body).digest()

    @classmethod
    def from_bytes(cls, data: bytes, file: ModelFile) -> Self:
        """Read and check the bytes of a session of `file`.

        Raises:
            SnapshotError: the bytes are damaged, or belong to another model file.
        """
        header, numbers = _unpack(data)
        if header.get("model") != file.sha256:
            raise SnapshotError("this session belongs to another model file; load that one")
        widths = [state.width for state in file.states]
        if len(numbers) != 4 * sum(widths):
            raise SnapshotError("the session's state has another size than the model's")
        values = np.frombuffer(numbers, "<f4").astype(np.float32)
        parts = np.split(values, np.cumsum(widths, dtype=np.int64))[:-1]
        try:
            return cls(
                model=header["model"],
                started=_boolean(header["started"]),
                pending=_count(header["pending"], below=file.metadata.outputs),
                seed=_count(header["seed"], below=MAX_SEED),
                position=_count(header["position"], below=2**63),
                state=tuple(part[None] for part in parts),
                recent=_recent(header.get("recent", []), below=file.metadata.outputs),
            )
        except (KeyError, ValueError) as error:
            raise SnapshotError(f"the session's header is damaged ({error})") from None


def _unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header, and the bytes of the state."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise SnapshotError(f"a session is restored from the bytes of save(), not {data!r:.60}")
    body, checksum = bytes(data[:-_CHECKSUM_BYTES]), bytes(data[-_CHECKSUM_BYTES:])
    if len(body) < _FRAME.size or hashlib.sha256(body).digest() != checksum:
        raise SnapshotError(
            "these bytes are not a session, or are damaged (checksum); save it again"
        )
    magic, size = _FRAME.unpack_from(body)
    if magic != _MAGIC:
        raise SnapshotError(
            "these bytes are not a session of a known version; save it with this version"
        )
    try:
        header = json.loads(body[_FRAME.size : _FRAME.size + size])
    except (ValueError, RecursionError):
        raise SnapshotError("the session's header is damaged") from None
    if not isinstance(header, dict):
        raise SnapshotError("the session's header is damaged")
    return header, body[_FRAME.size + size :]


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"{value!r:.40} is neither true nor false")
    return value


def _count(value: Any, below: int) -> int:
    if type(value) is not int or not 0 <= value < below:
        raise ValueError(f"{value!r:.40} is out of range")
    return value


def _recent(value: Any, below: int) -> tuple[int, ...]:
    if type(value) is not list or len(value) > WINDOW:
        raise ValueError(f"{value!r:.40} is no list of recent tokens")
    return tuple(_count(each, below) for each in value)
