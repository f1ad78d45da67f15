"""A text classifier: labels and their probabilities for texts and for each prefix of a text."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple, Self, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from rnn_infer.contract import ClassifierSection, Metadata
from rnn_infer.errors import OptionError, WrongKindError
from rnn_infer.modelfile.source import ModelSource
from rnn_infer.runtime.last_logits import last_logits
from rnn_infer.runtime.load_options import LoadKeywords, LoadOptions
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.text.vocabulary import Unknown, Vocabulary


class LabelProbability(NamedTuple):
    """One label and its probability."""

    label: str
    """The label."""
    probability: float
    """From 0 to 1."""


# A flat tuple, because a large table makes tens of thousands of these per second.
class Prediction(NamedTuple):
    """The prediction for one text."""

    text: str
    """The text that was classified."""
    labels: tuple[str, ...]
    """The most likely labels, the most likely first."""
    probabilities: tuple[float, ...]
    """The probabilities of `labels`, from 0 to 1."""
    abstains: bool = False
    """True if no label reaches `min_probability`."""

    @property
    def top(self) -> tuple[LabelProbability, ...]:
        """The pairs of `labels` and `probabilities`, the most likely first."""
        return tuple(map(LabelProbability, self.labels, self.probabilities))

    @property
    def label(self) -> str | None:
        """The most likely label. None if the prediction abstains."""
        return None if self.abstains else self.labels[0]

    @property
    def probability(self) -> float:
        """The probability of the most likely label."""
        return self.probabilities[0]


class ClassifyKeywords(TypedDict, total=False):
    """Keywords of `Classifier.classify` and `Classifier.trace`."""

    top: int
    prior: float
    min_probability: float
    unknown: Unknown


@dataclass(frozen=True)
class _Choice:
    """How predictions are made from logits. The fields are explained in `Classifier.classify`."""

    top: int = 3
    prior: float = 0.0
    min_probability: float = 0.0
    unknown: Unknown = "default"

    def __post_init__(self) -> None:
        if self.top < 1:
            raise OptionError(f"top must be 1 or more, got {self.top}")
        if not 0 <= self.prior <= 1:  # NaN fails every comparison
            raise OptionError(f"prior must be from 0 to 1, got {self.prior}")
        if not 0 <= self.min_probability <= 1:
            raise OptionError(f"min_probability must be from 0 to 1, got {self.min_probability}")


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
        choice = _Choice(**options)
        texts = [text] if isinstance(text, str) else list(text)
        _refuse_empty(texts)
        tokens = self._vocabulary.encode_all(texts, choice.unknown)
        if not tokens.lengths.all():
            raise _no_known_character(texts[int(tokens.lengths.argmin())])
        logits = last_logits(self._stepper, tokens.between(self._begin, self._end))
        predictions = self._predictions(texts, logits, choice)
        return predictions[0] if isinstance(text, str) else predictions

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
        choice = _Choice(**options)
        _refuse_empty([text])
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

    def _predictions(
        self, texts: Sequence[str], logits: NDArray[np.float32], choice: _Choice
    ) -> list[Prediction]:
        """Turn logits [texts, labels] into predictions."""
        with np.errstate(invalid="ignore", over="ignore"):
            log_prior = np.array(self._section.log_prior, np.float32)
            adjusted = logits - np.float32(choice.prior) * log_prior
            weights = np.exp(adjusted - adjusted.max(-1, keepdims=True))
            probabilities = weights / weights.sum(-1, keepdims=True)
        if not np.isfinite(probabilities).all():
            raise self._stepper.file.not_finite()
        order = np.argsort(-probabilities, -1, kind="stable")[:, : choice.top]
        ranked = np.take_along_axis(probabilities, order, -1)
        abstains = ranked[:, 0].astype(np.float64) < choice.min_probability
        columns = (
            texts,
            zip(*self._names[order.T].tolist(), strict=True),
            zip(*ranked.T.tolist(), strict=True),
            abstains.tolist(),
        )
        return list(map(Prediction._make, zip(*columns, strict=True)))


def _refuse_empty(texts: Sequence[str]) -> None:
    if not all(texts):
        raise OptionError(f"text {texts.index('')} is empty; there is nothing to classify")


def _no_known_character(text: str) -> OptionError:
    return OptionError(
        f"text {text!r:.60} has no character the model knows; there is nothing to classify"
    )
