"""Text to tokens and back, by the rules in the model file."""

import unicodedata
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnn_infer.contract import Metadata
from rnn_infer.errors import OptionError, UnknownCharacterError
from rnn_infer.text.ragged import Ragged

Unknown = Literal["default", "error", "skip", "fold"]
"""What to do with a character outside the vocabulary: see `Vocabulary.encode`."""
UNKNOWN_POLICIES: tuple[Unknown, ...] = ("default", "error", "skip", "fold")
_MISSING = -1


class Vocabulary:
    """Encodes texts as int64 tokens, and decodes them. One token is one code point."""

    def __init__(self, metadata: Metadata) -> None:
        self._rules = metadata.text
        self._start = metadata.charlm.start if metadata.charlm else ""
        self._chars = np.array([ord(char) for char in metadata.vocabulary], np.uint32)
        self._tokens = np.full(int(self._chars.max()) + 1, _MISSING, np.int64)
        self._tokens[self._chars] = np.arange(len(self._chars))

    def __len__(self) -> int:
        return len(self._chars)

    def normalize(self, text: str) -> str:
        """Apply the file's rules for line ends and Unicode normalisation."""
        if self._rules.newlines == "lf" and "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if self._rules.normalization != "none":
            text = unicodedata.normalize(self._rules.normalization, text)
        return text

    def encode(self, text: str, unknown: Unknown = "default") -> NDArray[np.int64]:
        """Encode a text as tokens [time].

        Args:
            text: any text.
            unknown: what to do with a character outside the vocabulary.
                "default": use the file's unknown token; if it has none, raise an error.
                "error": raise an error.
                "skip": leave the character out.
                "fold": use the nearest character of the vocabulary (compatibility form, without
                accents, other case); if there is none, leave it out.

        Raises:
            UnknownCharacterError: the message names the first such character and its position.
            OptionError: `unknown` is none of these.
        """
        if unknown not in UNKNOWN_POLICIES:
            raise OptionError(f"unknown must be one of {', '.join(UNKNOWN_POLICIES)}")
        text = self.normalize(text)
        tokens = self._look_up(text)
        missing = tokens == _MISSING
        if not missing.any():
            return tokens
        if unknown == "default" and self._rules.unknown is not None:
            tokens[missing] = self._rules.unknown
            return tokens
        if unknown == "skip":
            return self._look_up("".join(c for c, m in zip(text, missing, strict=True) if not m))
        if unknown == "fold":
            folds: dict[str, str | int | None] = {
                text[i]: self._fold(text[i]) for i in np.flatnonzero(missing)
            }
            return self._look_up(text.translate(str.maketrans(folds)))
        position = int(missing.argmax())
        raise UnknownCharacterError(
            f"character {text[position]!r} (U+{ord(text[position]):04X}) at position {position} "
            "is not in the model's vocabulary; skip or fold unknown characters, or remove it"
        )

    def encode_prompt(self, prompt: str, unknown: Unknown = "default") -> NDArray[np.int64]:
        """Encode a prompt as tokens [time].

        An empty prompt becomes the file's start text. Arguments and errors: as in `encode`.
        """
        tokens = self.encode(prompt, unknown)
        return tokens if len(tokens) else self.encode(self._start)

    def encode_all(self, texts: Sequence[str], unknown: Unknown = "default") -> Ragged:
        """Encode many texts at once, as fast as one text of their total length.

        Arguments and errors: as in `encode`.
        """
        if unknown not in UNKNOWN_POLICIES:
            raise OptionError(f"unknown must be one of {', '.join(UNKNOWN_POLICIES)}")
        joined = "".join(texts)
        if not self._is_normal(joined):
            texts = [self.normalize(text) for text in texts]
            joined = "".join(texts)
        tokens = self._look_up(joined)
        missing = tokens == _MISSING
        if missing.any():
            if unknown != "default" or self._rules.unknown is None:
                return Ragged.of([self.encode(text, unknown) for text in texts])
            tokens[missing] = self._rules.unknown
        return Ragged(tokens, np.fromiter(map(len, texts), np.int64, len(texts)))

    def _is_normal(self, text: str) -> bool:
        """Return whether `normalize` leaves every part of a text unchanged.

        Every part of a normalised text is normalised: Unicode Standard Annex 15.
        """
        if self._rules.newlines == "lf" and "\r" in text:
            return False
        form = self._rules.normalization
        return form == "none" or unicodedata.is_normalized(form, text)

    def decode(self, tokens: NDArray[np.int64]) -> str:
        """Return the text of tokens [time]."""
        return self._chars[tokens].astype("<u4").tobytes().decode("utf-32-le")

    def _look_up(self, text: str) -> NDArray[np.int64]:
        # With surrogatepass a single surrogate is an unknown character, not an error.
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        known = codes < len(self._tokens)
        return np.where(known, self._tokens[np.where(known, codes, 0)], _MISSING)

    def _fold(self, char: str) -> str:
        """Return the nearest text of known characters, or an empty text."""
        decomposed = unicodedata.normalize("NFKD", char)
        bare = "".join(c for c in decomposed if not unicodedata.combining(c))
        for candidate in (bare, bare.lower(), bare.upper(), char.lower(), char.upper()):
            if candidate and (self._look_up(candidate) != _MISSING).all():
                return candidate
        return ""
