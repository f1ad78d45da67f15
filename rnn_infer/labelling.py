"""Labelling: texts go in, ranked labels come out, as predictions or as columns."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rnn_infer.conformal.threshold import set_sizes, threshold
from rnn_infer.contract import ClassifierSection
from rnn_infer.errors import OptionError
from rnn_infer.predictions import (
    Choice,
    Prediction,
    make_predictions,
    nothing_to_label,
    rank,
    with_noise,
)
from rnn_infer.runtime.last_logits import last_logits
from rnn_infer.runtime.stepper import State, Stepper
from rnn_infer.text.column import Text
from rnn_infer.text.ragged import Ragged, Tokens
from rnn_infer.text.vocabulary import Unknown, Vocabulary

_BLOCK, _LOGITS = 2**14, 2**22
"""Rows, and their logits, that are in memory at once: of many labels, fewer rows."""


class Labeller:
    """Labels texts with an open classifier. Threads may share it."""

    def __init__(self, stepper: Stepper, section: ClassifierSection) -> None:
        self.labels = section.labels
        """All labels, in the order of the logits."""
        self._stepper = stepper
        self._vocabulary = Vocabulary(stepper.file.metadata)
        self._begin = self._vocabulary.encode(section.begin)
        self._end = self._vocabulary.encode(section.end)
        self._names = np.array(section.labels, object)
        self._held_out = section.held_out
        with np.errstate(over="ignore"):
            self._log_prior = np.array(section.log_prior, np.float32)
        self._noise = None if section.noise is None else np.array(section.noise, np.float32)

    def predictions(
        self, texts: Sequence[Text], choice: Choice, refuse: bool = True
    ) -> list[Prediction]:
        """Return one prediction per text.

        Args:
            texts: [rows]. None: a missing row.
            choice: how labels are ranked.
            refuse: raise an error for a row with nothing to classify. Otherwise its prediction has
                no labels.

        Raises:
            OptionError, UnknownCharacterError, ModelFileError: as in `Classifier.classify`.
        """
        found: list[Prediction] = []
        for block in self._blocks(len(texts)):
            found += self._block(texts[block], choice, refuse)
        return found

    def _blocks(self, rows: int) -> Iterator[slice]:
        """Yield the rows whose logits are in memory at once."""
        size = max(1, min(_BLOCK, _LOGITS // len(self.labels)))
        for begin in range(0, rows, size):
            yield slice(begin, min(begin + size, rows))

    def _block(self, texts: Sequence[Text], choice: Choice, refuse: bool) -> list[Prediction]:
        """Return one prediction per text of one block."""
        filled = [text for text in texts if text]
        logits, readable = self._logits(filled, choice.unknown)
        if len(readable) == len(texts):
            return self._predictions(filled, logits, choice)
        if refuse:
            raise _no_known_character(filled[_first_missing(readable, len(filled))])
        known = [filled[i] for i in readable]
        rows = np.flatnonzero(list(map(bool, texts)))[readable]
        found = list(map(nothing_to_label, texts))
        for row, prediction in zip(
            rows.tolist(), self._predictions(known, logits, choice), strict=True
        ):
            found[row] = prediction
        return found

    def logits(self, texts: Sequence[str], unknown: Unknown) -> NDArray[np.float32]:
        """Return the logits of each text, [texts, labels].

        Args:
            texts: none is empty.
            unknown: as in `Classifier.classify`.

        Raises:
            OptionError: a text has no known character.
            UnknownCharacterError, ModelFileError: as in `Classifier.classify`.
        """
        logits = np.empty((len(texts), len(self.labels)), np.float32)
        for block in self._blocks(len(texts)):
            some = texts[block]
            found, readable = self._logits(some, unknown)
            if len(readable) < len(some):
                raise _no_known_character(some[_first_missing(readable, len(some))])
            logits[block] = found
        if not np.isfinite(logits).all():
            raise self._stepper.file.not_finite()
        return logits

    def columns(
        self, texts: list[Text], choice: Choice, refuse: bool
    ) -> tuple[NDArray[np.object_], NDArray[np.float32]]:
        """Return labels [rows, top] and probabilities [rows, top].

        Args:
            texts: [rows]. None: a missing row.
            choice: how labels are ranked.
            refuse: raise an error for a row with nothing to classify. Otherwise its labels are
                None, and its probabilities NaN.

        Raises:
            OptionError, UnknownCharacterError, ModelFileError: as in `Classifier.classify_columns`.
        """
        shape = len(texts), min(choice.top, len(self.labels))
        labels = np.full(shape, None, object)
        probabilities = np.full(shape, np.nan, np.float32)
        for block in self._blocks(len(texts)):
            some, begin = texts[block], block.start
            known = [row for row, text in enumerate(some) if text]
            logits, readable = self._logits([text for text in some if text], choice.unknown)
            rows = np.array(known, np.int64)[readable]
            if refuse and len(rows) < len(some):
                row = _first_missing(rows, len(some))
                raise _nothing_in_row(begin + row, some[row])
            order, found = self._ranked(logits, choice)
            labels[begin + rows], probabilities[begin + rows] = self._names[order], found
        return labels, probabilities

    def trace(self, text: str, choice: Choice) -> list[Prediction]:
        """Return one prediction per prefix of a text.

        Raises:
            OptionError: the text has no known character.
            UnknownCharacterError, ModelFileError: as in `Classifier.trace`.
        """
        if choice.coverage is not None:
            raise OptionError(
                "coverage is for whole texts, as the held-out rows were; a trace has none"
            )
        tokens = self._vocabulary.encode(text, choice.unknown)
        if not len(tokens):
            raise _no_known_character(text)
        shown = self._vocabulary.decode(tokens)
        # Left-out characters have no prediction: then each prefix has the share of the text.
        whole = self._known([text], choice) if len(shown) != len(text) else None
        state = self._stepper.consume(self._begin[None], self._stepper.zeros(1))
        found: list[Prediction] = []
        for block in self._blocks(len(shown)):
            logits, state = self._after_each(tokens[block], state)
            prefixes = [shown[: i + 1] for i in range(block.start, block.stop)]
            known = None if whole is None else np.repeat(whole, len(prefixes))
            found += self._predictions(prefixes, self._with_noise(logits), choice, known)
        return found

    def _after_each(self, tokens: Tokens, state: State) -> tuple[NDArray[np.float32], State]:
        """Return the logits [tokens, labels] of the text that ends with each token, and the state
        after the last one."""
        rows = []
        for token in tokens:
            logits, state = self._stepper.forward(token.reshape(1, 1), state)
            if len(self._end):
                logits, _ = self._stepper.forward(self._end[None], state)
            rows.append(logits[0, -1])
        return np.array(rows), state

    def _logits(
        self, texts: Sequence[str], unknown: Unknown
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the logits [readable, labels] of the texts that have a known character, and the
        positions [readable] of these texts."""
        tokens = self._vocabulary.encode_all(texts, unknown)
        readable = np.flatnonzero(tokens.lengths)
        # A text without tokens adds none, so the others stand next to each other without it.
        kept = Ragged(tokens.tokens, tokens.lengths[readable])
        logits = last_logits(self._stepper, kept.between(self._begin, self._end))
        return self._with_noise(logits), readable

    def _with_noise(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        return logits if self._noise is None else with_noise(logits, self._noise)

    def _ranked(
        self, logits: NDArray[np.float32], choice: Choice
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Turn logits [texts, labels] into the best labels and their probabilities [texts, top]."""
        order, probabilities = rank(logits, self._log_prior, choice)
        if not np.isfinite(probabilities).all():
            raise self._stepper.file.not_finite()
        return order, probabilities

    def _known(self, texts: Sequence[str], choice: Choice) -> NDArray[np.float64]:
        return self._vocabulary.known_shares(texts, choice.unknown)

    def _predictions(
        self,
        texts: Sequence[str],
        logits: NDArray[np.float32],
        choice: Choice,
        known: NDArray[np.float64] | None = None,
    ) -> list[Prediction]:
        known = self._known(texts, choice) if known is None else known
        if choice.coverage is None:
            order, probabilities = self._ranked(logits, choice)
            return make_predictions(texts, self._names[order], probabilities, choice, known)
        largest = threshold(self._held_out, choice.coverage)
        choice = replace(choice, top=len(self.labels))
        order, probabilities = self._ranked(logits, choice)
        sizes = set_sizes(probabilities, largest)
        widest = slice(int(sizes.max(initial=1)))
        names, shares = self._names[order[:, widest]], probabilities[:, widest]
        return make_predictions(texts, names, shares, choice, known, sizes)


def _first_missing(rows: NDArray[np.int64], count: int) -> int:
    """Return the first number below `count` that is not in `rows`."""
    return int(np.setdiff1d(np.arange(count), rows)[0])


def _nothing_in_row(row: int, text: Text) -> OptionError:
    advice = 'give on_empty="none" to get None for such rows, or remove it'
    if text:
        return OptionError(f"text {row} ({text!r:.60}) has no character the model knows; {advice}")
    return OptionError(f"text {row} is {'empty' if text == '' else 'missing'}; {advice}")


def _no_known_character(text: str) -> OptionError:
    return OptionError(
        f"text {text!r:.60} has no character the model knows; there is nothing to classify"
    )
