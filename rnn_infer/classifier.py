"""A text classifier: the label of a text, and the belief after each of its letters."""

import os
from collections.abc import Sequence
from typing import NamedTuple, Self, overload

import numpy as np
from numpy.typing import NDArray

from rnn_infer.contract import ClassifierSection, Metadata
from rnn_infer.errors import OptionError, WrongKindError
from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import State, Stepper
from rnn_infer.runtime.streams import chunk_length
from rnn_infer.text.prefix_tree import PrefixTree
from rnn_infer.text.ragged import Ragged
from rnn_infer.text.vocabulary import Unknown, Vocabulary

_BATCH = 96
"""Texts a run: of short ones, what passes between two operators then stays in a near cache."""
_MANY = 512
"""Texts of which enough begin alike for it to pay to find out."""
_STEP_BATCH = 256
"""Texts a run of one step: more, since a run has a price of its own."""
_BLOCK = 4096
"""Texts whose beginnings are looked at together."""


class LabelProbability(NamedTuple):
    """One label and how likely it is."""

    label: str
    probability: float


# Flat, and a tuple: of a large table, tens of thousands a second are made.
class Prediction(NamedTuple):
    """An answer."""

    text: str
    labels: tuple[str, ...]
    """The most likely ones, most likely first."""
    probabilities: tuple[float, ...]
    """Of `labels`."""
    abstains: bool = False
    """No label is as likely as was asked with `min_probability`."""

    @property
    def top(self) -> tuple[LabelProbability, ...]:
        """`labels` and `probabilities`, pair by pair."""
        return tuple(map(LabelProbability, self.labels, self.probabilities))

    @property
    def label(self) -> str | None:
        """The most likely label; none where the answer abstains."""
        return None if self.abstains else self.labels[0]

    @property
    def probability(self) -> float:
        """Probability of the most likely label."""
        return self.probabilities[0]


class Classifier:
    """A classifier from a file. Threads may share it.

    >>> classifier = Classifier.load("exported/classifier.onnx")
    >>> classifier.classify("Schmidhuber").label
    """

    def __init__(self, stepper: Stepper) -> None:
        if stepper.file.metadata.classifier is None:
            raise WrongKindError(
                f"{stepper.file.path}: is a character model, not a classifier; "
                "use CharLM.load or rnn-infer generate"
            )
        self._stepper = stepper
        self._section: ClassifierSection = stepper.file.metadata.classifier
        self._vocabulary = Vocabulary(stepper.file.metadata)
        self._begin = self._vocabulary.encode(self._section.begin)
        self._end = self._vocabulary.encode(self._section.end)
        self._names = np.array(self._section.labels, object)

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
        """Loads a model file. Arguments and errors: as `CharLM.load`."""
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

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order of the logits."""
        return self._section.labels

    @overload
    def classify(
        self,
        text: str,
        *,
        top: int = 3,
        prior: float = 0.0,
        min_probability: float = 0.0,
        unknown: Unknown = "default",
    ) -> Prediction: ...
    @overload
    def classify(
        self,
        text: list[str] | tuple[str, ...],
        *,
        top: int = 3,
        prior: float = 0.0,
        min_probability: float = 0.0,
        unknown: Unknown = "default",
    ) -> list[Prediction]: ...
    def classify(
        self,
        text: str | list[str] | tuple[str, ...],
        *,
        top: int = 3,
        prior: float = 0.0,
        min_probability: float = 0.0,
        unknown: Unknown = "default",
    ) -> Prediction | list[Prediction]:
        """The label of a text, or of each of a list of texts.

        Args:
            text: not empty.
            top: labels a prediction names.
            prior: 0 takes labels to be as frequent as in training, 1 all equally frequent, which
                serves rare labels (logit adjustment, Menon et al., 2021).
            min_probability: below it a prediction abstains: its `label` is None.
            unknown: what becomes of characters outside the vocabulary, see `Vocabulary.encode`.

        Raises:
            OptionError: a text empty or without a known character, or an argument out of range.
            UnknownCharacterError: a text holds one, and the file has no token for such.
            ModelFileError: the model gives no numbers.
        """
        texts = [text] if isinstance(text, str) else list(text)
        self._check(texts, top, prior, min_probability)
        tokens = self._vocabulary.encode_all(texts, unknown)
        if not tokens.lengths.all():
            raise _nothing_known(texts[int(tokens.lengths.argmin())])
        tokens = tokens.between(self._begin, self._end)
        logits = np.empty((len(texts), len(self.labels)), np.float32)
        for begin in range(0, len(texts), _BLOCK):
            self._fill(logits, tokens, np.arange(begin, min(begin + _BLOCK, len(texts))))
        predictions = self._predictions(texts, logits, top, prior, min_probability)
        return predictions[0] if isinstance(text, str) else predictions

    def trace(
        self,
        text: str,
        *,
        top: int = 3,
        prior: float = 0.0,
        min_probability: float = 0.0,
        unknown: Unknown = "default",
    ) -> list[Prediction]:
        """The belief after each character, were it the last: one prediction a character.

        Arguments and errors: as `classify`. The last one is what `classify` gives.
        """
        self._check([text], top, prior, min_probability)
        tokens = self._vocabulary.encode(text, unknown)
        if not len(tokens):
            raise _nothing_known(text)
        shown = self._vocabulary.decode(tokens)
        state = self._stepper.consume(self._begin[None], self._stepper.zeros(1))
        rows = []
        for token in tokens:
            logits, state = self._stepper.forward(token.reshape(1, 1), state)
            if len(self._end):
                logits, _ = self._stepper.forward(self._end[None], state)
            rows.append(logits[0, -1])
        prefixes = [shown[: i + 1] for i in range(len(shown))]
        return self._predictions(prefixes, np.array(rows), top, prior, min_probability)

    def _check(self, texts: Sequence[str], top: int, prior: float, min_probability: float) -> None:
        if top < 1:
            raise OptionError(f"top must be 1 or more, got {top}")
        if not 0 <= prior <= 1:
            raise OptionError(f"prior must be from 0 to 1, got {prior}")
        if not 0 <= min_probability <= 1:
            raise OptionError(f"min_probability must be from 0 to 1, got {min_probability}")
        if not all(texts):
            raise OptionError(
                f"text {list(texts).index('')} is empty; there is nothing to classify"
            )

    def _fill(self, logits: NDArray[np.float32], texts: Ragged, rows: NDArray[np.int64]) -> None:
        """Writes logits [texts, labels] after the last token of each of some texts.

        What many of them begin with is read once, then each goes its own way.
        """
        if len(rows) < _MANY:
            nodes = np.zeros(len(rows), np.int64)
            logits[rows] = self._rest(texts, rows, 0, self._stepper.zeros(1), nodes)
            return
        tree = PrefixTree(texts, rows)
        found = np.empty((len(tree.rows), len(self.labels)), np.float32)
        state, nodes, depth = self._stepper.zeros(1), np.zeros(len(tree.rows), np.int64), 0
        for level in tree.levels():
            answers, state = self._step(level.tokens, state, level.parents)
            nodes, depth = level.nodes, depth + 1
            found[level.ended] = answers[nodes[level.ended]]
        left = np.flatnonzero(tree.lengths > depth)
        found[left] = self._rest(texts, tree.rows[left], depth, state, nodes[left])
        copies, places = tree.copies
        logits[copies] = found[places]

    def _rest(
        self,
        texts: Ragged,
        rows: NDArray[np.int64],
        start: int,
        state: State,
        nodes: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Logits [rows, labels] after the last token of each of some texts, of which `start`
        tokens have been read: row i of them into row `nodes[i]` of a state."""
        logits = np.empty((len(rows), len(self.labels)), np.float32)
        # By length, so that a batch is hardly padded.
        order = np.argsort(texts.lengths[rows], kind="stable")
        for begin in range(0, len(rows), _BATCH):
            some = order[begin : begin + _BATCH]
            own = self._stepper.zeros(len(some))
            if start:
                own = tuple(each[nodes[some]] for each in state)
            logits[some] = self._last_logits(texts, rows[some], start, own)
        return logits

    def _step(
        self, tokens: NDArray[np.int64], state: State, parents: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], State]:
        """Logits and states after one token each, from the rows `parents` of a state."""
        parts = []
        for begin in range(0, len(tokens), _STEP_BATCH):
            some = slice(begin, begin + _STEP_BATCH)
            own = tuple(each[parents[some]] for each in state)
            parts.append(self._stepper.forward(tokens[some, None], own))
        logits = np.concatenate([part[0][:, 0] for part in parts])
        return logits, tuple(map(np.concatenate, zip(*(part[1] for part in parts), strict=True)))

    def _last_logits(
        self, texts: Ragged, chosen: NDArray[np.int64], start: int, state: State
    ) -> NDArray[np.float32]:
        """Logits [chosen, labels] after the last token of each of some texts, of which `start`
        tokens have been read into `state`.

        Shorter rows are padded at their end, which comes later in time than what is read, and
        leave the batch once they are over.
        """
        lengths = texts.lengths[chosen]
        last = np.empty((len(chosen), len(self.labels)), np.float32)
        rows = np.arange(len(chosen))
        size = chunk_length(self._stepper, len(chosen))
        for begin in range(start, int(lengths.max()), size):
            going = lengths[rows] > begin
            if not going.all():
                rows, state = rows[going], tuple(each[going] for each in state)
            padded = texts.window(chosen[rows], begin, min(size, int(lengths.max()) - begin))
            logits, state = self._stepper.forward(padded, state)
            ended = np.flatnonzero(lengths[rows] <= begin + size)
            last[rows[ended]] = logits[ended, lengths[rows[ended]] - 1 - begin]
        return last

    def _predictions(
        self,
        texts: Sequence[str],
        logits: NDArray[np.float32],
        top: int,
        prior: float,
        min_probability: float,
    ) -> list[Prediction]:
        with np.errstate(invalid="ignore", over="ignore"):
            adjusted = logits - np.float32(prior) * np.array(self._section.log_prior, np.float32)
            weights = np.exp(adjusted - adjusted.max(-1, keepdims=True))
            probabilities = weights / weights.sum(-1, keepdims=True)
        if not np.isfinite(probabilities).all():
            raise self._stepper.file.not_numbers()
        order = np.argsort(-probabilities, -1, kind="stable")[:, :top]
        ranked = np.take_along_axis(probabilities, order, -1)
        abstains = ranked[:, 0].astype(np.float64) < min_probability
        columns = (
            texts,
            zip(*self._names[order.T].tolist(), strict=True),
            zip(*ranked.T.tolist(), strict=True),
            abstains.tolist(),
        )
        return list(map(Prediction._make, zip(*columns, strict=True)))


def _nothing_known(text: str) -> OptionError:
    return OptionError(
        f"text {text!r:.60} has no character the model knows; there is nothing to classify"
    )
