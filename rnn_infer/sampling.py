"""Drawing a token from logits: the options, the random numbers, and the rule in numpy."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
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
_MOST_BIAS = 1000
"""A larger bias would take digits from the logits, which are float32."""
_BELOW_ONE = np.float32(1 - 2**-24)
"""The largest float32 below 1."""

LogitBias = Mapping[str, float] | Sequence[float] | NDArray[np.floating[Any]]
"""What is added to logits: numbers by character, or one for each character of the vocabulary."""


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
    logit_bias: LogitBias | None = field(default=None, hash=False)
    """Numbers from -1000 to 1000 that are added to the logits before all else. `-inf` forbids a
    character. A mapping gives them by character, an array [n] for each character of the
    vocabulary. The file's unknown token is drawn only if it is given a number."""
    repetition_penalty: float = 1.0
    """From 1 (off) to 100. A character's weight is divided by it once for each time that the
    character followed the same 5 characters within the last 256. Those are counted that the
    stream drew with a penalty. CTRL, Keskar et al., 2019, lowers each token that occurred; a
    character occurs again in every word, so here its context must have occurred too."""

    def __post_init__(self) -> None:
        if not is_number(self.temperature) or not 0 <= self.temperature <= 1e6:
            raise OptionError(f"temperature must be from 0 to 1e6, got {self.temperature!r}")
        if not is_integer(self.top_k) or not 0 <= self.top_k < 2**31:
            raise OptionError(f"top_k must be 0 (off) or a positive integer, got {self.top_k!r}")
        if not is_number(self.top_p) or not 0 < self.top_p <= 1:
            raise OptionError(f"top_p must be above 0 and at most 1, got {self.top_p!r}")
        penalty = self.repetition_penalty
        if not is_number(penalty) or not 1 <= penalty <= 100:
            raise OptionError(f"repetition_penalty must be from 1 to 100, got {penalty!r}")
        object.__setattr__(self, "logit_bias", _checked_bias(self.logit_bias))


class SamplingKeywords(TypedDict, total=False):
    """The fields of `Sampling` as keywords of a call."""

    temperature: float
    top_k: int
    top_p: float
    logit_bias: LogitBias | None
    repetition_penalty: float


def with_keywords(sampling: Sampling | None, keywords: SamplingKeywords) -> Sampling:
    """Return `sampling` (None: the defaults) with the fields that `keywords` gives.

    Raises:
        OptionError: an option is out of range, or `sampling` is something else.
    """
    if not isinstance(sampling, Sampling | None):
        raise OptionError(f"sampling must be a Sampling, got {sampling!r:.60}")
    return replace(sampling or Sampling(), **keywords) if keywords else sampling or Sampling()


def _checked_bias(bias: Any) -> dict[str, float] | tuple[float, ...] | None:
    """Return a copy of a bias that nobody else can change.

    Raises:
        OptionError: it is neither a mapping nor one axis of numbers, or a number is out of range.
    """
    if bias is None:
        return None
    if isinstance(bias, Mapping):
        if not all(isinstance(char, str) for char in bias):
            raise OptionError("logit_bias must have characters as keys, not tokens or other values")
        return {str(char): _checked_logit(value, repr(char)) for char, value in bias.items()}
    one_axis = isinstance(bias, Sequence) or getattr(bias, "ndim", 0) == 1
    if isinstance(bias, str | bytes) or not one_axis:
        raise OptionError(
            "logit_bias must map characters to numbers, or be an array [n] of the vocabulary's "
            f"size, got {bias!r:.60}"
        )
    return tuple(_checked_logit(value, f"token {token}") for token, value in enumerate(bias))


def _checked_logit(value: Any, of: str) -> float:
    if not is_number(value) or not (value == -math.inf or abs(value) <= _MOST_BIAS):
        raise OptionError(
            f"logit_bias of {of:.40} must be from -{_MOST_BIAS} to {_MOST_BIAS}, or -inf to forbid "
            f"it, got {value!r:.40}"
        )
    return float(value)


class Uniforms:
    """The random numbers of one stream: float32 in [0, 1), one per drawn token.

    They come from numpy's Philox generator with the seed as key. Philox is counter-based (Salmon
    et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): any position is reached at once,
    and any language can repeat the sequence.

    Raises:
        OptionError: the seed is not an integer from 0 to 2**64 - 1.
    """

    def __init__(self, seed: int, position: int = 0) -> None:
        if not is_integer(seed) or not 0 <= seed < MAX_SEED:
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
        sampling: the same for all rows. Its `logit_bias` and `repetition_penalty` are not used:
            the logits have them already.

    Returns:
        Tokens [batch]. A row whose maximum is NaN or infinite gives token 0.
    """
    with np.errstate(all="ignore"):
        cumulative, target = _cumulative(logits, uniform, sampling)
        return np.asarray((cumulative <= target).sum(-1), np.int64)


def draw_again(
    logits: NDArray[np.float32], uniform: NDArray[np.float32], sampling: Sampling, token: int
) -> NDArray[np.int64]:
    """Draw one token per row from all but `token`, after `draw` gave `token` in each row.

    Each row uses its number again: its place within the range that gave `token` is itself
    uniform in [0, 1).

    Args:
        logits, uniform, sampling: as in `draw`.
        token: the token that must not be drawn.
    """
    with np.errstate(all="ignore"):
        cumulative, target = _cumulative(logits, uniform, sampling)
        below = cumulative[:, token - 1] if token else np.zeros(len(logits), np.float32)
        share = (target[:, 0] - below) / (cumulative[:, token] - below)
        share = np.clip(np.nan_to_num(share), 0, _BELOW_ONE).astype(np.float32)
    others = logits.copy()
    others[:, token] = -np.inf
    return draw(others, share, sampling)


def _cumulative(
    logits: NDArray[np.float32], uniform: NDArray[np.float32], sampling: Sampling
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the sums of the weights [batch, n], and the sums to be passed [batch, 1]."""
    one = np.float32(1)
    temperature = np.float32(sampling.temperature)
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
    return cumulative, np.minimum(uniform, _BELOW_ONE)[:, None] * cumulative[:, -1:]


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
    if not is_integer(chunk) or chunk < 1:
        raise OptionError(f"chunk must be 1 or more, got {chunk!r}")


def seeds_for(seed: int | Sequence[int] | None, count: int) -> list[int]:
    """Return one seed per stream: the given list, or `seed + i` for stream i, or fresh seeds.

    Raises:
        OptionError: the list has another length than `count`, or a seed is not an integer.
    """
    if seed is None:
        first = int(np.random.SeedSequence().generate_state(1, np.uint32)[0])
        return [first + i for i in range(count)]
    if isinstance(seed, Sequence) and not isinstance(seed, str | bytes):
        if len(seed) != count:
            raise OptionError(f"give one seed a stream: {count}, got {len(seed)}")
        return list(seed)
    if isinstance(seed, str | bytes) or not is_integer(seed):
        raise OptionError(f"seed must be an integer from 0 to 2**64 - 1, got {seed!r:.60}")
    return [seed + i for i in range(count)]


def is_integer(value: Any) -> bool:
    """Return whether a value is a whole number, of Python or numpy. A bool is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether a value is a real number, of Python or numpy. A bool is none."""
    return isinstance(value, Real) and not isinstance(value, bool)
