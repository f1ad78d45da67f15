"""A character language model: generate, stream, score, and look at what comes next."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from rnn_infer.contract import Metadata
from rnn_infer.errors import OptionError, WrongKindError
from rnn_infer.pool import StreamPool
from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.runtime.streams import Streams, chunk_length
from rnn_infer.sampling import Sampling, Uniforms, check_length, seeds_for
from rnn_infer.session import DEFAULT_LENGTH, STREAM_CHUNK, Session
from rnn_infer.text.stopping import StopScanner
from rnn_infer.text.vocabulary import Unknown, Vocabulary

_GENERATE_CHUNK = 128


@dataclass(frozen=True)
class Generation:
    """One generated text, and what it takes to have it again."""

    prompt: str
    text: str
    """Without the prompt, and without the stop text."""
    seed: int
    stopped: str | None
    """The stop text that was met; None where the length ended it."""


class Options(TypedDict, total=False):
    """Options of `CharLM.complete`, which see."""

    length: int
    temperature: float
    top_k: int
    top_p: float
    seed: int | Sequence[int] | None
    stop: str | Sequence[str]
    unknown: Unknown


@dataclass(frozen=True)
class Score:
    """How well a model foretells a text, read once from start to end."""

    nats_per_char: float
    characters: int
    """Scored ones: all but the first, which is given."""

    @property
    def bits_per_char(self) -> float:
        """The same in bits."""
        return self.nats_per_char / math.log(2)

    @property
    def perplexity(self) -> float:
        """The number of equally likely characters that would be as hard to tell."""
        return math.exp(self.nats_per_char) if self.nats_per_char < 700 else math.inf


@dataclass(frozen=True)
class NextChar:
    """A character that may come next."""

    char: str
    probability: float


class CharLM:
    """A character model from a file. Threads may share it; a session is for one at a time.

    >>> lm = CharLM.load("exported/charlm.onnx")
    >>> lm.generate("ROMEO:", length=200, seed=1)
    """

    def __init__(self, stepper: Stepper) -> None:
        if stepper.file.metadata.kind != "charlm":
            raise WrongKindError(
                f"{stepper.file.path}: is a classifier, not a character model; "
                "use Classifier.load or rnn-infer classify"
            )
        self._stepper = stepper
        self._vocabulary = Vocabulary(stepper.file.metadata)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        device: Device = "auto",
        threads: int = 1,
        streams: int | None = None,
        sha256: str | None = None,
    ) -> Self:
        """Loads a model file.

        Args:
            path: the `.onnx` file.
            device: `cuda`, strictly; `cpu`; or `auto`: CUDA where it really works.
            threads: CPU threads one call may use.
            streams: how many texts will be drawn or read at once, where that is known: `auto` then
                takes the CPU where a GPU could not be faster.
            sha256: refuse any other file.

        Raises:
            ModelFileError: the file is missing, damaged, or no character model.
            DeviceError: `cuda` does not work here.
            RuntimeMissingError: onnxruntime is not installed.
        """
        return cls(
            Stepper.open(path, device=device, threads=threads, streams=streams, sha256=sha256)
        )

    @property
    def device(self) -> str:
        """Where the model really runs: "cpu" or "cuda"."""
        return self._stepper.device

    @property
    def metadata(self) -> Metadata:
        """What the file says of itself."""
        return self._stepper.file.metadata

    @overload
    def generate(self, prompt: str = "", **options: Unpack[Options]) -> str: ...
    @overload
    def generate(
        self, prompt: list[str] | tuple[str, ...], **options: Unpack[Options]
    ) -> list[str]: ...
    def generate(
        self, prompt: str | list[str] | tuple[str, ...] = "", **options: Unpack[Options]
    ) -> str | list[str]:
        """Draws the text that follows a prompt, or each of a list of prompts.

        Options and errors: as `complete`.

        >>> lm.generate("ROMEO:", length=200, temperature=0.7, seed=1)
        """
        if isinstance(prompt, str):
            return self.complete([prompt], **options)[0].text
        return [each.text for each in self.complete(prompt, **options)]

    def complete(
        self,
        prompts: Sequence[str],
        *,
        length: int = DEFAULT_LENGTH,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | Sequence[int] | None = None,
        stop: str | Sequence[str] = (),
        unknown: Unknown = "default",
    ) -> list[Generation]:
        """Draws the texts that follow some prompts, all in one batch.

        Args:
            prompts: an empty one means the file's start text.
            length: characters to draw for each.
            temperature, top_k, top_p: see `Sampling`.
            seed: one number, and stream i draws with seed + i; or one a prompt; None: a fresh
                one. The same seed gives the same text, alone or in any batch.
            stop: end a text before any of these.
            unknown: what becomes of characters outside the vocabulary, see `Vocabulary.encode`.

        Raises:
            OptionError: an option is out of range.
            UnknownCharacterError: a prompt holds one.
        """
        check_length(length)
        sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
        seeds = seeds_for(seed, len(prompts))
        streams = Streams(self._stepper, [Uniforms(each) for each in seeds])
        scanners = [StopScanner(stop) for _ in prompts]
        texts = [""] * len(prompts)
        stopped: list[str | None] = [None] * len(prompts)
        if prompts:
            streams.feed([self._prompt(prompt, unknown) for prompt in prompts])
        running = list(range(len(prompts)))
        left = length
        while left and running:
            count = min(_GENERATE_CHUNK, left)
            drawn = streams.draw(count, sampling)
            left -= count
            for row, index in enumerate(running):
                scanned = scanners[index].scan(self._vocabulary.decode(drawn[row]))
                texts[index] += scanned.text
                stopped[index] = scanned.stopped
            going = [row for row, index in enumerate(running) if stopped[index] is None]
            if len(going) < len(running):
                running = [running[row] for row in going]
                streams.keep(going)
        return [
            Generation(prompt, text + scanner.rest(), own_seed, stop_text)
            for prompt, text, scanner, own_seed, stop_text in zip(
                prompts, texts, scanners, seeds, stopped, strict=True
            )
        ]

    def stream(
        self,
        prompt: str = "",
        *,
        length: int = DEFAULT_LENGTH,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        unknown: Unknown = "default",
        chunk: int = STREAM_CHUNK,
    ) -> Iterator[str]:
        """As `generate`, but gives the text out in pieces as it is drawn."""
        session = self.session(seed=seed)
        session.feed(prompt, unknown=unknown)
        return session.stream(
            length, temperature=temperature, top_k=top_k, top_p=top_p, stop=stop, chunk=chunk
        )

    def score(self, text: str, *, unknown: Unknown = "default") -> Score:
        """Reads a text once, carrying the state, and says how well it was foretold.

        Raises:
            OptionError: the text has fewer than two characters.
            UnknownCharacterError: it holds one.
            ModelFileError: the model gives no numbers.
        """
        tokens = self._vocabulary.encode(text, unknown)
        if len(tokens) < 2:
            raise OptionError("a text to score needs at least two characters")
        nats = sequence_loss(self._stepper, tokens[None])
        if math.isnan(nats):
            raise self._stepper.file.not_numbers()
        return Score(nats, len(tokens) - 1)

    def next(
        self, prompt: str = "", top: int = 5, *, unknown: Unknown = "default"
    ) -> list[NextChar]:
        """The `top` characters most likely to follow a prompt, at temperature 1."""
        if top < 1:
            raise OptionError(f"top must be 1 or more, got {top}")
        session = self.session(seed=0)
        session.feed(prompt, unknown=unknown)
        probabilities = session.probabilities()
        best = np.argsort(-probabilities, kind="stable")[:top]
        return [NextChar(self.metadata.vocabulary[i], float(probabilities[i])) for i in best]

    def session(self, *, seed: int | None = None, restore: bytes | None = None) -> Session:
        """A new session, or the one that `Session.save` gave as bytes.

        Raises:
            SnapshotError: `restore` is damaged, or of another model.
        """
        if restore is not None:
            return Session.restore(self._stepper, self._vocabulary, restore)
        return Session(self._stepper, self._vocabulary, seeds_for(seed, 1)[0])

    def pool(self) -> StreamPool:
        """Many streams that come and go, stepped in one batch, from any number of threads."""
        charlm = self.metadata.charlm
        assert charlm is not None
        return StreamPool(self._stepper, self._vocabulary, charlm.start)

    def _prompt(self, prompt: str, unknown: Unknown) -> NDArray[np.int64]:
        tokens = self._vocabulary.encode(prompt, unknown)
        if len(tokens):
            return tokens
        charlm = self.metadata.charlm
        assert charlm is not None
        return self._vocabulary.encode(charlm.start)


def sequence_loss(stepper: Stepper, tokens: NDArray[np.int64]) -> float:
    """Mean nats a token of sequences [batch, time], time ≥ 2, each read once from the zero state.

    The first token of each is given, not scored. NaN where the logits are not numbers.
    """
    batch, length = len(tokens), int(tokens.shape[1]) - 1
    state = stepper.zeros(batch)
    size = chunk_length(stepper, batch)
    total = 0.0
    for begin in range(0, length, size):
        end = min(begin + size, length)
        logits, state = stepper.forward(tokens[:, begin:end], state)
        with np.errstate(invalid="ignore"):
            logits -= logits.max(-1, keepdims=True)
            targets = tokens[:, begin + 1 : end + 1, None]
            picked = np.take_along_axis(logits, targets, -1)[..., 0]
            normalizer = np.log(np.exp(logits, out=logits).sum(-1))
        total += float((normalizer - picked).sum(dtype=np.float64))
    return total / (batch * length)
