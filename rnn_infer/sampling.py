"""How one token is drawn from logits: the options, the uniforms, and the rule itself in numpy."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_infer.errors import OptionError

MAX_SEED = 2**64


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Options of a draw.

    Raises:
        OptionError: an option is out of its range.
    """

    temperature: float = 0.8
    """Divides the logits; 0 takes the most likely token."""
    top_k: int = 0
    """Draw among the k most likely tokens (and any tied with the k-th); 0: all."""
    top_p: float = 1.0
    """Draw among the fewest most likely tokens that together reach this probability; 1: all."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 1e6:  # NaN fails every comparison
            raise OptionError(f"temperature must be from 0 to 1e6, got {self.temperature}")
        if not _is_integer(self.top_k) or not 0 <= self.top_k < 2**31:
            raise OptionError(f"top_k must be 0 (off) or a positive integer, got {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise OptionError(f"top_p must be above 0 and at most 1, got {self.top_p}")


class Uniforms:
    """The random numbers of one stream: float32 in [0, 1), one a drawn token.

    numpy's Philox (counter-based, Salmon et al. 2011) keyed by the seed, so that any
    position is reached at once and any language can repeat the sequence.
    """

    def __init__(self, seed: int, position: int = 0) -> None:
        if not _is_integer(seed) or not 0 <= seed < MAX_SEED:
            raise OptionError(f"seed must be an integer from 0 to 2**64 - 1, got {seed!r}")
        self.seed = int(seed)
        self.seek(position)

    def seek(self, position: int) -> None:
        """Makes `position` (a count of numbers) the next one drawn."""
        bits = np.random.Philox(key=self.seed)
        # One counter step makes four 64-bit words, and a float32 takes half a word.
        bits.advance(position // 8)
        self._generator = np.random.Generator(bits)
        self._generator.random(position % 8, dtype=np.float32)
        self.position = position

    def take(self, count: int) -> NDArray[np.float32]:
        """The next `count` numbers."""
        self.position += count
        return self._generator.random(count, dtype=np.float32)


def draw(
    logits: NDArray[np.float32], uniform: NDArray[np.float32], sampling: Sampling
) -> NDArray[np.int64]:
    """Draws one token a row by inverse CDF: the rule the model file's graph follows, in numpy.

    Args:
        logits: [batch, n].
        uniform: [batch], in [0, 1).
        sampling: for all rows alike.

    Returns:
        Tokens [batch]. Rows whose logits are not numbers give token 0.
    """
    one = np.float32(1)
    temperature = np.float32(sampling.temperature)
    with np.errstate(all="ignore"):
        # At temperature 0 (or all but 0) the huge factor leaves weight only to the maximum, and the
        # uniform 0 picks the first of several.
        scale = np.minimum(one / temperature, np.float32(1e30))
        uniform = uniform * np.float32(bool(temperature))
        weights = np.exp((logits - logits.max(-1, keepdims=True)) * scale)
        if sampling.top_k or np.float32(sampling.top_p) < 1:
            weights = weights * (logits >= _threshold(logits, scale, sampling))
        cumulative = weights.cumsum(-1, dtype=np.float32)
        # uniform < 1 and a float32 product rounded to nearest stay below the last sum, so
        # the index never passes the last token of weight.
        target = np.minimum(uniform, one - np.float32(2**-24))[:, None] * cumulative[:, -1:]
        return np.asarray((cumulative <= target).sum(-1), np.int64)


def _threshold(
    logits: NDArray[np.float32], scale: np.float32, sampling: Sampling
) -> NDArray[np.float32]:
    """The least logit kept by top-k and top-p, [batch, 1]."""
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
    """Raises `OptionError`: `length` is no count of characters."""
    if isinstance(length, bool) or not isinstance(length, int) or length < 0:
        raise OptionError(f"length must be an integer of 0 or more, got {length!r}")


def seeds_for(seed: int | Sequence[int] | None, count: int) -> list[int]:
    """One seed a stream: those given, or `seed + i` for stream i, or fresh ones.

    Raises:
        OptionError: a list of seeds of another length.
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
