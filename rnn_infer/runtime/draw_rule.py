"""The rule by which one stream draws: its options, made ready for the vocabulary of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from rnn_infer.errors import OptionError, UnknownCharacterError
from rnn_infer.sampling import Sampling
from rnn_infer.text.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class DrawRule:
    """How a stream draws a token from logits."""

    sampling: Sampling
    """The options, as the caller gave them."""
    bias: NDArray[np.float32] | None
    """What is added to the logits, [n]. None: nothing."""
    unknown: int | None
    """The token that is never drawn. None: every token may be drawn."""

    @classmethod
    def of(cls, sampling: Sampling, vocabulary: Vocabulary) -> Self:
        """Make the rule of a model.

        Raises:
            OptionError: `logit_bias` has another size than the vocabulary, a key of it is not one
                character, or it forbids every character.
            UnknownCharacterError: a key of `logit_bias` is not in the vocabulary.
        """
        given = sampling.logit_bias
        if given is None or not len(given):
            return cls(sampling, None, vocabulary.unknown)
        if isinstance(given, Mapping):
            bias, named = _by_character(given, vocabulary)
        else:
            bias, named = np.array(given, np.float32), set(range(len(given)))
        if len(bias) != len(vocabulary):
            raise OptionError(
                f"logit_bias has {len(bias)} numbers; the vocabulary has {len(vocabulary)} "
                "characters, and each needs one"
            )
        unknown = None if vocabulary.unknown in named else vocabulary.unknown
        allowed = np.isfinite(bias)
        if unknown is not None:
            allowed[unknown] = False
        if not allowed.any():
            raise OptionError("logit_bias forbids every character; allow at least one")
        return cls(sampling, bias, unknown)

    def stops(self, stop: str | Sequence[str], vocabulary: Vocabulary) -> tuple[str, ...]:
        """Return the stop texts of `Vocabulary.stops`. All of them can be drawn.

        The end of a document may be forbidden: it is left out, and a text goes on to its length.

        Raises:
            OptionError: as in `Vocabulary.stops`, or a stop text has a character that is never
                drawn.
        """
        stops = vocabulary.stops(stop)
        never = {text: self._never(text, vocabulary) for text in stops}
        given = stops if vocabulary.end is None else stops[:-1]
        for text in given:
            if never[text]:
                raise OptionError(
                    f"the stop text {text!r:.60} can never come: {never[text]!r} is never drawn; "
                    "allow it in logit_bias (--forbid, --bias), or drop the stop text"
                )
        return tuple(text for text in stops if not never[text])

    def _never(self, text: str, vocabulary: Vocabulary) -> str:
        """Return the first character of a known text that is never drawn, or an empty text."""
        for char, token in zip(text, vocabulary.encode(text, "error").tolist(), strict=True):
            if token == self.unknown or (self.bias is not None and self.bias[token] == -np.inf):
                return char
        return ""

    @cached_property
    def by_steps(self) -> bool:
        """Whether the logits must be changed before each draw, which no graph does."""
        return self.bias is not None or self.sampling.repetition_penalty != 1

    @cached_property
    def filters(self) -> tuple[float, int, float, int | None]:
        """What a draw depends on besides the logits. Rows with equal filters are drawn at once."""
        sampling = self.sampling
        return sampling.temperature, sampling.top_k, sampling.top_p, self.unknown


def _by_character(
    given: Mapping[str, float], vocabulary: Vocabulary
) -> tuple[NDArray[np.float32], set[int]]:
    """Return the bias [n], and the tokens that were named."""
    bias, named = np.zeros(len(vocabulary), np.float32), set()
    for char, value in given.items():
        token = _token(char, vocabulary)
        if token in named:
            raise OptionError(f"logit_bias names {char!r} twice; keep one of them")
        named.add(token)
        bias[token] = value
    return bias, named


def _token(char: str, vocabulary: Vocabulary) -> int:
    """Return the token of a character, in any canonical form of it."""
    known = vocabulary.encode(char, "skip")
    normal = vocabulary.normalize(char)
    if len(normal) == 1 and not len(known):
        raise UnknownCharacterError(
            f"logit_bias: character {char!r} (U+{ord(normal):04X}) is not in the model's "
            "vocabulary; leave it out"
        )
    # A composed form may be two characters of the vocabulary, and two may be a composed one.
    if len(known) > 1 and len(normalize("NFC", normal)) == 1:
        parts = " and ".join(map(repr, vocabulary.decode(known)))
        raise OptionError(
            f"logit_bias: {char!r} is not one character of the model, which writes {parts}; name "
            "one of these"
        )
    if len(known) != 1 or vocabulary.decode(known) not in (normal, normalize("NFC", normal)):
        raise OptionError(f"logit_bias: {char!r:.60} is not one character; give each its own")
    return int(known[0])
