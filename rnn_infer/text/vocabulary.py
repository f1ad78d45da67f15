"""Text to tokens and back, by the rules in the model file."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnn_infer.contract import Metadata
from rnn_infer.errors import OptionError, UnknownCharacterError
from rnn_infer.text.documents import from_last_document
from rnn_infer.text.known_forms import KnownForms
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
        self._end = metadata.charlm.end if metadata.charlm else None
        self._chars = np.array([ord(char) for char in metadata.vocabulary], np.uint32)
        self._tokens = np.full(int(self._chars.max()) + 1, _MISSING, np.int64)
        self._tokens[self._chars] = np.arange(len(self._chars))
        self._forms = KnownForms(lambda text: bool((self._look_up(text) != _MISSING).all()))

    def __len__(self) -> int:
        return len(self._chars)

    @property
    def chars(self) -> str:
        """The characters of the tokens, in order."""
        return self.decode(np.arange(len(self)))

    @property
    def unknown(self) -> int | None:
        """The token for characters outside the vocabulary. None: there is none."""
        return self._rules.unknown

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
                A character of which the vocabulary has another canonical form (é, or e and an
                accent) is not unknown: that form is taken.

        Raises:
            UnknownCharacterError: the message names the first such character and its position.
            OptionError: `unknown` is none of these, or `text` is no str.
        """
        if not isinstance(text, str):
            raise OptionError(f"a text must be a str, got {text!r:.60}")
        if unknown not in UNKNOWN_POLICIES:
            raise OptionError(f"unknown must be one of {', '.join(UNKNOWN_POLICIES)}")
        text = self.normalize(text)
        tokens = self._look_up(text)
        if (tokens == _MISSING).any():
            whole, text = text, self.in_known_forms(text)
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
                char: self._forms.fold(char) for char in {text[i] for i in np.flatnonzero(missing)}
            }
            return self._look_up(text.translate(str.maketrans(folds)))
        char = text[int(missing.argmax())]
        places = np.flatnonzero(self._look_up(whole) == _MISSING)
        position = self._forms.first_without(whole, places)
        raise UnknownCharacterError(
            f"character {char!r} (U+{ord(char):04X}) at position {position} "
            "is not in the model's vocabulary; skip or fold unknown characters, or remove it"
        )

    def encode_prompt(self, prompt: str, unknown: Unknown = "default") -> NDArray[np.int64]:
        """Encode a prompt as tokens [time].

        An empty prompt becomes the file's start text. Of documents only the last one is read, and
        the start text before it. Arguments and errors: as in `encode`.
        """
        tokens = self.encode(prompt, unknown)
        if self.mark is not None:
            return from_last_document(tokens, self.mark)
        return tokens if len(tokens) else self.encode(self._start)

    @property
    def end(self) -> str | None:
        """The character that ends a document. None: the model does not know documents."""
        return self._end

    @property
    def mark(self) -> int | None:
        """The token that ends a document, or None."""
        return None if self._end is None else int(self._tokens[ord(self._end)])

    def stops(self, stop: str | Sequence[str]) -> tuple[str, ...]:
        """Return stop texts as the model would write them, and the end of a document.

        Args:
            stop: one text, or several.

        Raises:
            OptionError: a stop text is empty, is no text, or has a character that the model cannot
                write.
        """
        if not isinstance(stop, Iterable):
            raise OptionError(f"stop must be one text or several, got {stop!r:.60}")
        found = []
        for text in (stop,) if isinstance(stop, str) else stop:
            if not isinstance(text, str):
                raise OptionError(f"a stop text must be a text, got {text!r}")
            if not text:
                raise OptionError("a stop text is empty; leave it out")
            try:
                tokens = self.encode(text, "error")
            except UnknownCharacterError as error:
                reason = str(error).partition(";")[0]
                raise OptionError(
                    f"the model can never write the stop text {text!r}: {reason}; drop it"
                ) from None
            found.append(self.decode(tokens))
        return tuple(found) if self._end is None else (*found, self._end)

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
            token = self._rules.unknown if unknown == "default" else None
            if token is None or self._forms.possible(joined, np.flatnonzero(missing)):
                return Ragged.of([self.encode(text, unknown) for text in texts])
            tokens[missing] = token
        return Ragged(tokens, np.fromiter(map(len, texts), np.int64, len(texts)))

    def known_shares(self, texts: Sequence[str], unknown: Unknown) -> NDArray[np.float64]:
        """Return the share of each text's characters that the model reads as known ones, [texts].

        With "fold", a character with a nearest known one counts as known. An empty text has 0.

        Args:
            texts: any texts.
            unknown: as in `encode`.
        """
        joined = "".join(texts)
        if not self._is_normal(joined):
            texts = [self.normalize(text) for text in texts]
            joined = "".join(texts)
        tokens = self._look_up(joined)
        missing = np.flatnonzero(tokens == _MISSING)
        if len(missing) and self._forms.possible(joined, missing):
            texts = [self.in_known_forms(text) for text in texts]
            joined = "".join(texts)
            tokens = self._look_up(joined)
        known = tokens != _MISSING
        if self._rules.unknown is not None:
            known &= tokens != self._rules.unknown
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        if known.all():
            return (lengths > 0).astype(np.float64)
        if unknown == "fold":
            places = np.flatnonzero(~known)
            folds = {char: self._forms.fold(char) != "" for char in {joined[i] for i in places}}
            known[places] = [folds[joined[i]] for i in places]
        ends = np.cumsum(lengths)
        counts = np.concatenate([[0], np.cumsum(known)])
        shares: NDArray[np.float64] = (counts[ends] - counts[ends - lengths]) / np.maximum(
            lengths, 1
        )
        return shares

    def in_known_forms(self, text: str) -> str:
        """Return a normalised text with known forms in place of unknown characters.

        The other unknown characters stay. See `KnownForms`.
        """
        return self._forms.replaced(text, np.flatnonzero(self._look_up(text) == _MISSING))

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
