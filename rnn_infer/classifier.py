"""A text classifier: labels and their probabilities for texts and for each prefix of a text."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from functools import cached_property
from typing import Any, Literal, Self, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from rnn_infer.batch_worker import BatchWorker
from rnn_infer.classify_calls import ClassifyRequest, answer
from rnn_infer.contract import ClassifierSection, Metadata
from rnn_infer.errors import OptionError, WrongKindError
from rnn_infer.modelfile.source import ModelSource
from rnn_infer.predictions import Choice, ClassifyKeywords, Prediction, make_predictions, rank
from rnn_infer.runtime.last_logits import last_logits
from rnn_infer.runtime.load_options import LoadKeywords, LoadOptions
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.text.column import Text, read_column, require_texts
from rnn_infer.text.ragged import Ragged
from rnn_infer.text.vocabulary import Unknown, Vocabulary

OnEmpty = Literal["error", "none"]
"""What `Classifier.classify_columns` does with a row that has nothing to classify."""
_BLOCK = 2**16
"""Rows whose tokens and logits are in memory at once."""


class Classifier:
    """A text classifier from a file. Make one with `Classifier.load`. Threads may share it.

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
        with np.errstate(over="ignore"):
            self._log_prior = np.array(self._section.log_prior, np.float32)

    @classmethod
    def load(
        cls,
        source: ModelSource,
        *,
        options: LoadOptions | None = None,
        **keywords: Unpack[LoadKeywords],
    ) -> Self:
        """Load a classifier.

        Args:
            source: a path, bytes, an open binary file, or a resource of `importlib.resources`.
                A file object is read to its end.
            options: how to load it.
            **keywords: fields of `LoadOptions`. A keyword replaces that field of `options`.

        Raises:
            ModelFileError: the file is missing, damaged, or breaks the format.
            WrongKindError: the file is a character model.
            DeviceError: `cuda` does not work here.
            OptionError: an option is out of range.
            RuntimeMissingError: onnxruntime is not installed.
        """
        return cls(Stepper.open(source, options=options, **keywords))

    def __reduce__(self) -> tuple[type[Self], tuple[Stepper]]:
        """Pickle the place of the file and the options, see `Stepper`."""
        return type(self), (self._stepper,)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return what a hash of Dask depends on: equal models have equal hashes everywhere."""
        return type(self).__qualname__, *astuple(self._stepper.options)

    @property
    def device(self) -> str:
        """The device that the model runs on: "cpu" or "cuda"."""
        return self._stepper.device

    @property
    def metadata(self) -> Metadata:
        """The metadata document of the file."""
        return self._stepper.file.metadata

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order of the logits."""
        return self._section.labels

    @overload
    def classify(self, text: str, **options: Unpack[ClassifyKeywords]) -> Prediction: ...
    @overload
    def classify(
        self, text: list[str] | tuple[str, ...], **options: Unpack[ClassifyKeywords]
    ) -> list[Prediction]: ...
    def classify(
        self, text: str | list[str] | tuple[str, ...], **options: Unpack[ClassifyKeywords]
    ) -> Prediction | list[Prediction]:
        """Predict the label of a text, or of each text of a list.

        Args:
            text: one text, or a list of texts. None may be empty.
            **options: these keywords.

                top: the number of labels per prediction. Default 3.

                prior: 0 (the default) takes the label frequencies of the training data; 1 takes
                all labels as equally frequent, which helps rare labels. Values between are
                possible. The logits are lowered by prior · log(frequency): logit adjustment,
                Menon et al., "Long-tail learning via logit adjustment", ICLR 2021.

                min_probability: a prediction below it abstains: its `label` is None. Default 0.

                unknown: what to do with characters outside the vocabulary: "default" (the file's
                unknown token, or an error), "error", "skip", or "fold" (the nearest known one).

        Returns:
            One prediction. A list of predictions if `text` is a list.

        Raises:
            OptionError: a text is empty or has no known character, or an option is out of range.
            UnknownCharacterError: a text has a character outside the vocabulary.
            ModelFileError: the model returns NaN or infinity.
        """
        choice = Choice(**options)
        if isinstance(text, str):
            return self._classify([text], choice)[0]
        return self._classify(text, choice)

    async def aclassify(self, text: str, **options: Unpack[ClassifyKeywords]) -> Prediction:
        """Predict the label of a text, in a coroutine.

        Calls of several tasks in the same turn of the event loop are one batch, and so are the
        calls that come while a batch is computed. The event loop does not wait: one thread per
        classifier computes.

        Args:
            text: one text, not empty.
            **options: as in `classify`.

        Raises:
            OptionError, UnknownCharacterError, ModelFileError: as in `classify`. A bad text does
                not disturb other calls.
        """
        request = ClassifyRequest(self._classify, text, Choice(**options))
        prediction: Prediction = await self._worker.ask(request)
        return prediction

    def classify_columns(
        self,
        texts: Iterable[Any],
        top: int = 1,
        on_empty: OnEmpty = "error",
        *,
        prior: float = 0.0,
        unknown: Unknown = "default",
    ) -> tuple[NDArray[np.object_], NDArray[np.float32]]:
        """Predict the labels of a column of texts, and return columns.

        Args:
            texts: a list, a tuple or another iterable of str; a numpy array [rows]; a pandas or
                polars series; a pyarrow array or chunked array.
            top: the number of labels per text. At most all labels are returned.
            on_empty: what to do with a row that has nothing to classify: it is "", None, NaN or
                NA, or has no known character. "error": raise an error. "none": the labels of the
                row are None, and its probabilities NaN.
            prior, unknown: as in `classify`.

        Returns:
            Labels, objects [rows, top], and their probabilities, float32 [rows, top]. The most
            likely label is first.

        Raises:
            OptionError: a row has nothing to classify, `texts` is no column of str, or an option
                is out of range.
            UnknownCharacterError: a text has a character outside the vocabulary.
            ModelFileError: the model returns NaN or infinity.
        """
        choice = Choice(top=top, prior=prior, unknown=unknown)
        if on_empty not in ("error", "none"):
            raise OptionError(f"on_empty must be error or none, got {on_empty!r}")
        column = read_column(texts)
        shape = len(column), min(top, len(self.labels))
        labels = np.full(shape, None, object)
        probabilities = np.full(shape, np.nan, np.float32)
        for begin in range(0, len(column), _BLOCK):
            block = column[begin : begin + _BLOCK]
            known = [row for row, text in enumerate(block) if text]
            logits, readable = self._logits([block[row] or "" for row in known], unknown)
            rows = np.array(known, np.int64)[readable]
            if on_empty == "error" and len(rows) < len(block):
                row = _first_missing(rows, len(block))
                raise _nothing_in_row(begin + row, block[row])
            order, found = self._ranked(logits, choice)
            labels[begin + rows], probabilities[begin + rows] = self._names[order], found
        return labels, probabilities

    def trace(self, text: str, **options: Unpack[ClassifyKeywords]) -> list[Prediction]:
        """Predict the label of each prefix of a text: one prediction per character.

        The last prediction is the one that `classify` returns.

        Args:
            text: one text, not empty.
            **options: as in `classify`.

        Raises:
            OptionError: the text is empty or has no known character, or an option is out of range.
            UnknownCharacterError: the text has a character outside the vocabulary.
            ModelFileError: the model returns NaN or infinity.
        """
        choice = Choice(**options)
        (text,) = require_texts([text], "classify")
        tokens = self._vocabulary.encode(text, choice.unknown)
        if not len(tokens):
            raise _no_known_character(text)
        shown = self._vocabulary.decode(tokens)
        state = self._stepper.consume(self._begin[None], self._stepper.zeros(1))
        rows = []
        for token in tokens:
            logits, state = self._stepper.forward(token.reshape(1, 1), state)
            if len(self._end):
                logits, _ = self._stepper.forward(self._end[None], state)
            rows.append(logits[0, -1])
        prefixes = [shown[: i + 1] for i in range(len(shown))]
        return self._predictions(prefixes, np.array(rows), choice)

    @cached_property
    def _worker(self) -> BatchWorker[ClassifyRequest]:
        return BatchWorker(answer)

    def _classify(self, texts: Iterable[str], choice: Choice) -> list[Prediction]:
        found = require_texts(texts, "classify")
        logits, readable = self._logits(found, choice.unknown)
        if len(readable) < len(found):
            raise _no_known_character(found[_first_missing(readable, len(found))])
        return self._predictions(found, logits, choice)

    def _logits(
        self, texts: Sequence[str], unknown: Unknown
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the logits [readable, labels] of the texts that have a known character, and the
        positions [readable] of these texts."""
        tokens = self._vocabulary.encode_all(texts, unknown)
        readable = np.flatnonzero(tokens.lengths)
        # A text without tokens adds none, so the others stand next to each other without it.
        kept = Ragged(tokens.tokens, tokens.lengths[readable])
        return last_logits(self._stepper, kept.between(self._begin, self._end)), readable

    def _ranked(
        self, logits: NDArray[np.float32], choice: Choice
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Turn logits [texts, labels] into the best labels and their probabilities [texts, top]."""
        order, probabilities = rank(logits, self._log_prior, choice)
        if not np.isfinite(probabilities).all():
            raise self._stepper.file.not_finite()
        return order, probabilities

    def _predictions(
        self, texts: Sequence[str], logits: NDArray[np.float32], choice: Choice
    ) -> list[Prediction]:
        order, probabilities = self._ranked(logits, choice)
        return make_predictions(texts, self._names[order], probabilities, choice)


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
