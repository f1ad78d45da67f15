"""One stream of text: feed it, ask it, draw from it, fork it, save it and restore it."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from rnn_infer.runtime.draw_rule import DrawRule
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.runtime.streams import Streams
from rnn_infer.sampling import (
    DEFAULT_LENGTH,
    STREAM_CHUNK,
    Sampling,
    SamplingKeywords,
    Uniforms,
    check_chunk,
    check_length,
    with_keywords,
)
from rnn_infer.saved_session import SavedSession
from rnn_infer.text.documents import from_last_document
from rnn_infer.text.stopping import StopScanner
from rnn_infer.text.vocabulary import Unknown, Vocabulary

_GENERATE_CHUNK = 256


class Session:
    """A position in a text. Make one with `CharLM.session`. It is for one thread at a time.

    A new session has read no text. If the first call draws, the session reads the file's start
    text first.
    """

    stopped: str | None = None
    """The stop text that ended the last generation. None: it ended at the length."""

    def __init__(
        self, stepper: Stepper, vocabulary: Vocabulary, seed: int, streams: Streams | None = None
    ) -> None:
        self._stepper = stepper
        self._vocabulary = vocabulary
        self._streams = streams or Streams(stepper, [Uniforms(seed)])

    @property
    def seed(self) -> int:
        """The seed of the session's random numbers."""
        return self._streams.uniforms[0].seed

    @property
    def position(self) -> int:
        """The number of characters drawn with this seed."""
        return self._streams.uniforms[0].position

    def feed(self, text: str, *, unknown: Unknown = "default") -> None:
        """Read a text. What is drawn next follows it.

        Args:
            text: any text. An empty text changes nothing.
            unknown: what to do with characters outside the vocabulary, as in `CharLM.complete`.

        Raises:
            UnknownCharacterError: the text has a character outside the vocabulary. The session is
                then unchanged.
        """
        tokens = self._vocabulary.encode(text, unknown)
        mark = self._vocabulary.mark
        if mark is not None and len(tokens) and not (self._streams.started and mark not in tokens):
            tokens = from_last_document(tokens, mark)  # which is read from the zero state
            self._streams.restart(mark)
            tokens = tokens[1:]
        if len(tokens):
            self._streams.feed([tokens])

    def probabilities(self) -> NDArray[np.float32]:
        """Return the probabilities of the next character at temperature 1.

        Returns:
            [n], one for each character of `metadata.vocabulary`. The sum is 1.

        Raises:
            ModelFileError: the model returns NaN or infinity.
        """
        self._start()
        logits = self._streams.logits()[0]
        with np.errstate(invalid="ignore"):
            weights = np.exp(logits - logits.max())
            probabilities: NDArray[np.float32] = weights / weights.sum()
        if not np.isfinite(probabilities).all():
            raise self._stepper.file.not_finite()
        return probabilities

    def generate(
        self,
        length: int = DEFAULT_LENGTH,
        *,
        stop: str | Sequence[str] = (),
        sampling: Sampling | None = None,
        **keywords: Unpack[SamplingKeywords],
    ) -> str:
        """Draw the next characters.

        Args:
            length, stop, sampling, **keywords: as in `stream`.

        Returns:
            `length` characters, or fewer if a stop text appears.

        Raises:
            OptionError: an option is out of range.
        """
        sampling = with_keywords(sampling, keywords)
        return "".join(self.stream(length, stop=stop, chunk=_GENERATE_CHUNK, sampling=sampling))

    def stream(
        self,
        length: int = DEFAULT_LENGTH,
        *,
        stop: str | Sequence[str] = (),
        chunk: int = STREAM_CHUNK,
        sampling: Sampling | None = None,
        **keywords: Unpack[SamplingKeywords],
    ) -> Iterator[str]:
        """Draw the next characters, and yield them in pieces.

        Args:
            length: the number of characters to draw.
            stop: one or several texts. The text ends before the first of them that appears, or at
                the end of the document, if the model knows documents. The session then stands
                right after it, and `stopped` names it.
            chunk: characters drawn per piece. The text does not depend on it.
            sampling: how to draw.
            **keywords: fields of `Sampling`. A keyword replaces that field of `sampling`.

        Raises:
            OptionError: an option is out of range. It is raised before the first piece.
        """
        check_length(length)
        check_chunk(chunk)
        rule = DrawRule.of(with_keywords(sampling, keywords), self._vocabulary)
        scanner = StopScanner(rule.stops(stop, self._vocabulary))
        return self._pieces(length, rule, scanner, chunk)

    def _pieces(
        self, length: int, rule: DrawRule, scanner: StopScanner, chunk: int
    ) -> Iterator[str]:
        self.stopped = None
        self._start()
        left = length
        while left:
            count = min(chunk, left)
            before = self._streams.snapshot()
            text = self._vocabulary.decode(self._streams.draw(count, rule)[0])
            scanned = scanner.scan(text)
            if scanned.stopped is not None:
                if scanned.used < count:  # go back to the end of the stop text
                    self._streams.rewind(before)
                    self._streams.draw(scanned.used, rule)
                self.stopped = scanned.stopped
                if self._streams.pending[0] == self._vocabulary.mark:  # also of a longer text
                    self._streams.restart(int(self._streams.pending[0]))
                if scanned.text:
                    yield scanned.text
                return
            left -= count
            if scanned.text:
                yield scanned.text
        if rest := scanner.rest():
            yield rest

    def fork(self, *, seed: int | None = None) -> Self:
        """Make a second session at this position. The two are independent.

        Args:
            seed: the seed of the second session. None: it keeps the seed and the position in the
                random numbers, so it draws the same text as this session.

        Raises:
            OptionError: the seed is out of range.
        """
        uniforms = Uniforms(self.seed, self.position) if seed is None else Uniforms(seed)
        streams = self._streams.fork([uniforms])
        return type(self)(self._stepper, self._vocabulary, uniforms.seed, streams)

    def save(self) -> bytes:
        """Return the session as bytes, which `CharLM.session(restore=...)` reads.

        The bytes hold the state, the last character, the seed, the position, and the characters
        that a repetition penalty counts. They hold no code, and no options of drawing: give
        those to each call, before and after.
        """
        streams = self._streams
        return SavedSession(
            model=self._stepper.file.sha256,
            started=streams.started,
            pending=int(streams.pending[0]),
            seed=self.seed,
            position=self.position,
            state=streams.state,
            recent=tuple(streams.recent[0].tolist()),
        ).to_bytes()

    @classmethod
    def restore(cls, stepper: Stepper, vocabulary: Vocabulary, data: bytes) -> Self:
        """Make the session that `save` wrote. `CharLM.session(restore=...)` calls this.

        Args:
            stepper, vocabulary: those of the model that the session belongs to.
            data: the bytes from `save`.

        Raises:
            SnapshotError: the bytes are damaged, or belong to another model file.
        """
        saved = SavedSession.from_bytes(data, stepper.file)
        session = cls(stepper, vocabulary, saved.seed)
        streams = session._streams
        streams.uniforms[0].seek(saved.position)
        streams.pending = np.array([saved.pending], np.int64)
        streams.started = saved.started
        streams.state = saved.state
        streams.recent = [np.array(saved.recent, np.int64)]
        return session

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the bytes of `save`, and the model as `Stepper` pickles."""
        return _unpickled, (type(self), self._stepper, self.save(), self.stopped)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return what a hash of Dask depends on."""
        return type(self).__qualname__, *astuple(self._stepper.options), self.save(), self.stopped

    def _start(self) -> None:
        """Read the start text if nothing was read yet."""
        if not self._streams.started:
            self._streams.feed([self._vocabulary.encode_prompt("")])


def _unpickled(kind: type[Session], stepper: Stepper, data: bytes, stopped: str | None) -> Session:
    session = kind.restore(stepper, Vocabulary(stepper.file.metadata), data)
    session.stopped = stopped
    return session
