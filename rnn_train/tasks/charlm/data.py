"""A character model's text in its run folder: encoded, and split into training and held-out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_train.data.corpus import (
    MIN_CHARACTERS,
    Corpus,
    build_corpus,
    encode_text,
    open_corpus,
)
from rnn_train.data.datasets import open_texts
from rnn_train.distillation.teachers import Teachers
from rnn_train.distillation.warm_start import WarmStart
from rnn_train.errors import RunError
from rnn_train.tasks.charlm.plan import CharLMPlan
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training.run import Run

Tokens = NDArray[np.integer]
_CORPUS, _HELD_OUT = "corpus.bin", "held_out.bin"


@dataclass(frozen=True)
class CharLMData:
    """An encoded text, and its split."""

    corpus: Corpus
    train: Tokens
    """Tokens for training, [characters]."""
    held_out: Tokens
    """Held-out tokens, [characters]; may be empty."""

    @property
    def has_held_out(self) -> bool:
        """Whether a held-out loss can be measured, which needs two characters."""
        return len(self.held_out) >= 2

    @property
    def start(self) -> int:
        """Token of an empty prompt: the line end, or the text's first character if the text has no
        line end."""
        vocabulary = self.corpus.vocabulary
        return vocabulary.index("\n") if "\n" in vocabulary else int(self.corpus.tokens[0])


def write_data(
    run: Run, request: CharLMRequest, warm: WarmStart | None, teachers: Teachers | None
) -> Corpus:
    """Encodes a new run's texts into its folder.

    Args:
        warm, teachers: keep their vocabulary; both None: the text gives the vocabulary.

    Raises:
        DataError: a text cannot be used.
        RunError: the vocabularies differ, or --min-count would change them.
    """
    files = open_texts(sources_of(request))
    if warm and teachers and warm.vocabulary != teachers.vocabulary:
        raise RunError(
            f"{request.init_from} and {request.teachers[0]} have different vocabularies; give "
            "models that were trained on the same characters"
        )
    if known := warm or teachers:
        if request.min_count > 1:
            option = "--init-from" if warm else "--teacher"
            raise RunError(f"{option} keeps the vocabulary as it is; drop --min-count")
        path = run.folder / _CORPUS
        corpus = encode_text(files, known.vocabulary, known.unknown, path, MIN_CHARACTERS)
    else:
        corpus = build_corpus(files, run.folder / _CORPUS, request.min_count)
    if request.val_data:
        held_out = open_texts([request.val_data])
        encode_text(held_out, corpus.vocabulary, corpus.unknown, run.folder / _HELD_OUT)
    return corpus


def sources_of(request: CharLMRequest) -> Sequence[str]:
    """Returns the sources of the request, or the default set."""
    return request.data or ("python",)


def open_data(run: Run, plan: CharLMPlan) -> CharLMData:
    """Opens what `write_data` wrote, memory-mapped."""
    corpus = open_corpus(run.folder / _CORPUS, plan.vocabulary, plan.unknown, plan.sha256)
    # A killed attempt may have left a file in the folder, so the plan decides.
    if plan.val_data:
        held_out = open_corpus(run.folder / _HELD_OUT, plan.vocabulary, plan.unknown, "")
        return CharLMData(corpus, corpus.tokens, held_out.tokens)
    return CharLMData(corpus, *corpus.split(plan.val_fraction))
