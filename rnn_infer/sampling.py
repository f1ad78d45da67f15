"""Drawing a token from logits: the options, the random numbers, and the rule in numpy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from rnn_infer.errors import OptionError

DEFAULT_LENGTH = 500
"""Characters drawn if no length is given."""
STREAM_CHUNK = 32
"""Characters per piece of a streamed text."""
MAX_SEED = 2**64
"""Seeds are below it."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to draw a token.

    Raises:
        OptionError: an option is out of range.
    """

    temperature: float = 0.8
    """Divisor of the logits, from 0 to 1e6. 0: always the most likely token."""
    top_k: int = 0
    """Draw only from the k most likely tokens and those tied with the k-th (Fan et al.,
    "Hierarchical Neural Story Generation", 2018). 0: from all."""
    top_p: float = 1.0
    """Draw only from the fewest most likely tokens whose probabilities add up to this (nucleus
    sampling, Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020). 1: from
    all."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 1e6:  # NaN fails every comparison
            raise OptionError(f"temperature must be from 0 to 1e6, got {self.temperature}")
        if not _is_integer(self.top_k) or not 0 <= self.top_k < 2**31:
            raise OptionError(f"top_k must be 0 (off) or a positive integer, got {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise OptionError(f"top_p must be above 0 and at most 1, got {self.top_p}")


class SamplingKeywords(TypedDict, total=False):
    """The fields of `Sampling` as keywords of a call."""

    temperature: float
    top_k: int
    top_p: float


def with_keywords(sampling: Sampling | None, keywords: SamplingKeywords) -> Sampling:
    """Return `sampling` (None: the defaults) with the fields that `keywords` gives.

    Raises:
        OptionError: an option is out of range.
    """
    return replace(sampling or Sampling(), **keywords)


class Uniforms:
    """The random numbers of one stream: float32 in [0, 1), one per drawn token.

    They come from numpy's Philox generator with the seed as key. Philox is counter-based (Salmon
    et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): any position is reached at once,
    and any language can repeat the sequence.

    Raises:
        OptionError: the seed is not an integer from 0 to 2**64 - 1.
    """

    def __init__(self, seed: int, position: int = 0) -> None:
        if not _is_integer(seed) or not 0 <= seed < MAX_SEED:
            raise OptionError(f"seed must be an integer from 0 to 2**64 - 1, got {seed!r}")
        self.seed = int(seed)
        self.seek(position)

    def seek(self, position: int) -> None:
        """Go to a position. It counts the numbers from the start of the sequence."""
        bits = np.random.Philox(key=self.seed)
        # One counter step makes four 64-bit words, and a float32 uses half a word.
        bits.advance(position // 8)
        self._generator = np.random.Generator(bits)
        self._generator.random(position % 8, dtype=np.float32)
        self.position = position

    def take(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` numbers."""
        self.position += count
        return self._generator.random(count, dtype=np.float32)


def draw(
    logits: NDArray[np.float32], uniform: NDArray[np.float32], sampling: Sampling
) -> NDArray[np.int64]:
    """Draw one token per row by inverse CDF. The graph of a model file follows the same rule.

    Args:
        logits: [batch, n].
        uniform: [batch], in [0, 1).
        sampling: the same for all rows.

    Returns:
        Tokens [batch]. A row whose maximum is NaN or infinite gives token 0.
    """
    one = np.float32(1)
    temperature = np.float32(sampling.temperature)
    with np.errstate(all="ignore"):
        # At temperature 0 the huge factor leaves weight only to the maximum, and the uniform 0
        # picks the first of several maxima.
        scale = np.minimum(one / temperature, np.float32(1e30))
        uniform = uniform * np.float32(bool(temperature))
        weights = np.exp((logits - logits.max(-1, keepdims=True)) * scale)
        if sampling.top_k or np.float32(sampling.top_p) < 1:
            weights = weights * (logits >= _threshold(logits, scale, sampling))
        cumulative = weights.cumsum(-1, dtype=np.float32)
        # uniform < 1, and the float32 product is rounded to nearest: it stays below the last sum,
        # so the index never passes the last token that has weight.
        target = np.minimum(uniform, one - np.float32(2**-24))[:, None] * cumulative[:, -1:]
        return np.asarray((cumulative <= target).sum(-1), np.int64)


def _threshold(
    logits: NDArray[np.float32], scale: np.float32, sampling: Sampling
) -> NDArray[np.float32]:
    """Return the smallest logit that top-k and top-p keep, [batch, 1]."""
    width = min(sampling.top_k, logits.shape[-1]) if sampling.top_k else logits.shape[-1]
    ranked = -np.sort(-logits, -1)[:, :width]
    weights = np.exp((ranked - ranked[:, :1]) * scale)
    cumulative = weights.cumsum(-1, dtype=np.float32)
    before = cumulative - weights
    limit = np.float32(sampling.top_p)
    limit = limit if limit < 1 else np.float32(np.inf)
    kept = before < limit * cumulative[:, -1:]
    last = np.maximum(kept.sum(-1, keepdims=True) - 1, 0)
    return np.take_along_axis(ranked, last, -1)


def check_length(length: int) -> None:
    """Check a number of characters.

    Raises:
        OptionError: `length` is not an integer of 0 or more.
    """
    if isinstance(length, bool) or not isinstance(length, int) or length < 0:
        raise OptionError(f"length must be an integer of 0 or more, got {length!r}")


def check_chunk(chunk: int) -> None:
    """Check a number of characters per piece.

    Raises:
        OptionError: `chunk` is not an integer of 1 or more.
    """
    if not _is_integer(chunk) or chunk < 1:
        raise OptionError(f"chunk must be 1 or more, got {chunk!r}")


def seeds_for(seed: int | Sequence[int] | None, count: int) -> list[int]:
    """Return one seed per stream: the given list, or `seed + i` for stream i, or fresh seeds.

    Raises:
        OptionError: the list has another length than `count`.
    """
    if seed is None:
        first = int(np.random.SeedSequence().generate_state(1, np.uint32)[0])
        return [first + i for i in range(count)]
    if isinstance(seed, Sequence):
        if len(seed) != count:
            raise OptionError(f"{count} streams need {count} seeds, got {len(seed)}")
        return list(seed)
    return [seed + i for i in range(count)]


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
