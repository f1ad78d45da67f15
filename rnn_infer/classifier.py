"""A text classifier: labels and their probabilities for texts and for each prefix of a text."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Literal, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from rnn_infer.batch_worker import BatchWorker
from rnn_infer.classify_calls import ClassifyRequest, answer
from rnn_infer.errors import OptionError, WrongKindError
from rnn_infer.labelling import Labeller
from rnn_infer.predictions import Choice, ClassifyKeywords, Prediction
from rnn_infer.runtime.loaded_model import LoadedModel
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.text.column import read_column, require_texts
from rnn_infer.text.vocabulary import Unknown

OnEmpty = Literal["error", "none"]
"""What to do with a text that has nothing to classify."""


class Classifier(LoadedModel):
    """A text classifier from a file. Make one with `Classifier.load`. Threads may share it.

    Examples:
        >>> classifier = Classifier.load("exported/classifier.onnx")
        >>> classifier.classify("Schmidhuber").label
    """

    def __init__(self, stepper: Stepper) -> None:
        if stepper.file.metadata.classifier is None:
            raise WrongKindError(
                f"{stepper.file.path}: is a character model, not a classifier; "
                "use CharLM.load or rnn-infer generate"
            )
        super().__init__(stepper)
        self._labeller = Labeller(stepper, stepper.file.metadata.classifier)

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order of the logits."""
        return self._labeller.labels

    @overload
    def classify(
        self, text: str, on_empty: OnEmpty = "error", **options: Unpack[ClassifyKeywords]
    ) -> Prediction: ...
    @overload
    def classify(
        self,
        text: list[str] | list[str | None] | tuple[str | None, ...],
        on_empty: OnEmpty = "error",
        **options: Unpack[ClassifyKeywords],
    ) -> list[Prediction]: ...
    def classify(
        self,
        text: str | list[str] | list[str | None] | tuple[str | None, ...],
        on_empty: OnEmpty = "error",
        **options: Unpack[ClassifyKeywords],
    ) -> Prediction | list[Prediction]:
        """Predict the label of a text, or of each text of a list.

        Args:
            text: one text, or a list of texts.
            on_empty: what to do with a text that is "" or None, or has no known character.
                "error": raise an error. "none": its prediction has no labels, and says the reason.
            **options: these keywords.

                top: the number of labels per prediction. Default 3.

                prior: 0 (the default) takes the label frequencies of the training data; 1 takes
                all labels as equally frequent, which helps rare labels. Values between are
                possible. The logits are lowered by prior · log(frequency): logit adjustment,
                Menon et al., "Long-tail learning via logit adjustment", ICLR 2021.

                min_probability: a prediction below it abstains: its `label` is None. Default 0.

                coverage: give a set of labels that holds the right one in at least this share of
                the texts, 0.9 for example: `labels` of the prediction are the set, and `top` is not
                used. Split-conformal prediction (Vovk et al., 2005), from the scores of the
                held-out rows in the file. The texts must come from where these rows came from.

                unknown: what to do with characters outside the vocabulary: "default" (the file's
                unknown token, or an error), "error", "skip", or "fold" (the nearest known one).

        Returns:
            One prediction. A list of predictions if `text` is a list.

        Raises:
            OptionError: a text has nothing to classify, or an option is out of range; or the file
                has too few held-out scores for `coverage`.
            UnknownCharacterError: a text has a character outside the vocabulary.
            ModelFileError: the model returns NaN or infinity.
        """
        choice, refuse = Choice(**options), _refuses(on_empty)
        column = [text] if isinstance(text, str) else text
        texts = require_texts(column, "classify") if refuse else read_column(column)
        found = self._labeller.predictions(texts, choice, refuse)
        return found[0] if isinstance(text, str) else found

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
        request = ClassifyRequest(self._labeller.predictions, text, Choice(**options))
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
        return self._labeller.columns(read_column(texts), choice, _refuses(on_empty))

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
        return self._labeller.trace(text, choice)

    @cached_property
    def _worker(self) -> BatchWorker[ClassifyRequest]:
        return BatchWorker(answer)


def _refuses(on_empty: OnEmpty) -> bool:
    if on_empty not in ("error", "none"):
        raise OptionError(f"on_empty must be error or none, got {on_empty!r}")
    return on_empty == "error"
