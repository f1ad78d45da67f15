"""One stream of text that can be fed, asked, drawn from, forked, saved and restored."""

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rnn_infer.errors import OptionError, SnapshotError
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.runtime.streams import Streams
from rnn_infer.sampling import Sampling, Uniforms, check_length
from rnn_infer.text.stopping import StopScanner
from rnn_infer.text.vocabulary import Unknown, Vocabulary

DEFAULT_LENGTH = 500
STREAM_CHUNK = 32
"""Characters drawn at a time where text is given out as it comes."""
_MAGIC = b"RNNSESS1"
_HEADER = struct.Struct("<8sI")


class Session:
    """A place in a text. Made by `CharLM.session`; for one thread at a time.

    A session starts before any text; what is drawn first then follows the file's start text.
    """

    def __init__(
        self, stepper: Stepper, vocabulary: Vocabulary, seed: int, streams: Streams | None = None
    ) -> None:
        self._stepper = stepper
        self._vocabulary = vocabulary
        self._streams = streams or Streams(stepper, [Uniforms(seed)])

    @property
    def seed(self) -> int:
        """What the session draws with."""
        return self._streams.uniforms[0].seed

    @property
    def position(self) -> int:
        """Characters drawn so far with this seed."""
        return self._streams.uniforms[0].position

    def feed(self, text: str, *, unknown: Unknown = "default") -> None:
        """Reads a text.

        Raises:
            UnknownCharacterError: see `Vocabulary.encode`.
        """
        tokens = self._vocabulary.encode(text, unknown)
        if len(tokens):
            self._streams.feed([tokens])

    def probabilities(self) -> NDArray[np.float32]:
        """Probability [n] of each vocabulary character to come next, at temperature 1.

        Raises:
            ModelFileError: the model gives no numbers.
        """
        self._start()
        logits = self._streams.logits()[0]
        with np.errstate(invalid="ignore"):
            weights = np.exp(logits - logits.max())
            probabilities: NDArray[np.float32] = weights / weights.sum()
        if not np.isfinite(probabilities).all():
            raise self._stepper.file.not_numbers()
        return probabilities

    def generate(
        self,
        length: int = DEFAULT_LENGTH,
        *,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        stop: str | Sequence[str] = (),
    ) -> str:
        """Draws `length` characters, or fewer where a stop text is met. Arguments as `stream`."""
        pieces = self.stream(
            length, temperature=temperature, top_k=top_k, top_p=top_p, stop=stop, chunk=256
        )
        return "".join(pieces)

    def stream(
        self,
        length: int = DEFAULT_LENGTH,
        *,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        stop: str | Sequence[str] = (),
        chunk: int = STREAM_CHUNK,
    ) -> Iterator[str]:
        """Draws characters and gives them out in pieces as they come.

        Args:
            length: characters at most.
            temperature, top_k, top_p: see `Sampling`.
            stop: end before any of these texts; the session then stands right after it, and
                `stopped` names it.
            chunk: characters drawn a call; the text is the same for any.

        Raises:
            OptionError: an argument is out of range, at once rather than at the first piece.
        """
        check_length(length)
        if chunk < 1:
            raise OptionError(f"chunk must be 1 or more, got {chunk}")
        sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
        return self._pieces(length, sampling, StopScanner(stop), chunk)

    stopped: str | None = None
    """The stop text that ended the last generation; None where its length did."""

    def _pieces(
        self, length: int, sampling: Sampling, scanner: StopScanner, chunk: int
    ) -> Iterator[str]:
        self.stopped = None
        self._start()
        left = length
        while left:
            count = min(chunk, left)
            before = self._streams.snapshot()
            text = self._vocabulary.decode(self._streams.draw(count, sampling)[0])
            scanned = scanner.scan(text)
            if scanned.stopped is not None:
                if scanned.used < count:  # stand where the stop text ended
                    self._streams.rewind(before)
                    self._streams.draw(scanned.used, sampling)
                self.stopped = scanned.stopped
                if scanned.text:
                    yield scanned.text
                return
            left -= count
            if scanned.text:
                yield scanned.text
        if rest := scanner.rest():
            yield rest

    def fork(self, *, seed: int | None = None) -> Self:
        """A second session at this place; it draws the same text on, unless given another seed."""
        uniforms = Uniforms(self.seed, self.position) if seed is None else Uniforms(seed)
        streams = self._streams.fork([uniforms])
        return type(self)(self._stepper, self._vocabulary, uniforms.seed, streams)

    def save(self) -> bytes:
        """The session as bytes: state, pending character, seed and position. No code inside."""
        streams = self._streams
        header = json.dumps(
            {
                "model": self._stepper.file.sha256,
                "started": streams.started,
                "pending": int(streams.pending[0]),
                "seed": self.seed,
                "position": self.position,
            }
        ).encode()
        body = _HEADER.pack(_MAGIC, len(header)) + header
        body += b"".join(each.astype("<f4").tobytes() for each in streams.state)
        return body + hashlib.sha256(body).digest()

    @classmethod
    def restore(cls, stepper: Stepper, vocabulary: Vocabulary, data: bytes) -> Self:
        """The session that `save` gave.

        Raises:
            SnapshotError: damaged bytes, or of another model.
        """
        header, arrays = _unpack(data)
        if header.get("model") != stepper.file.sha256:
            raise SnapshotError("this session belongs to another model file; load that one")
        widths = [state.width for state in stepper.file.states]
        if len(arrays) != 4 * sum(widths):
            raise SnapshotError("the session's state has another size than the model's")
        try:
            session = cls(stepper, vocabulary, header["seed"])
            streams = session._streams
            streams.uniforms[0].seek(_count(header["position"]))
            streams.pending = np.array([_count(header["pending"], len(vocabulary))], np.int64)
            streams.started = header["started"]
            if type(streams.started) is not bool:
                raise ValueError("started is neither true nor false")
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"the session's header is damaged ({error})") from None
        values = np.frombuffer(arrays, "<f4").astype(np.float32)
        parts = np.split(values, np.cumsum(widths, dtype=np.int64))[:-1]
        streams.state = tuple(part[None] for part in parts)
        return session

    def _start(self) -> None:
        if not self._streams.started:
            charlm = self._stepper.file.metadata.charlm
            assert charlm is not None
            self.feed(charlm.start)


def _unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    body, digest = bytes(data[:-32]), bytes(data[-32:])
    if len(body) < _HEADER.size or hashlib.sha256(body).digest() != digest:
        raise SnapshotError("these bytes are no session, or damaged (checksum)")
    magic, size = _HEADER.unpack_from(body)
    if magic != _MAGIC:
        raise SnapshotError("these bytes are no session of a version known here")
    try:
        header = json.loads(body[_HEADER.size : _HEADER.size + size])
    except (ValueError, RecursionError):
        raise SnapshotError("the session's header is damaged") from None
    if not isinstance(header, dict):
        raise SnapshotError("the session's header is damaged")
    return header, body[_HEADER.size + size :]


def _count(value: Any, below: int = 2**63) -> int:
    if type(value) is not int or not 0 <= value < below:
        raise ValueError(f"{value!r:.40} is out of range")
    return value
