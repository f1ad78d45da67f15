"""A character model's text in its run folder: encoded, and split into training and held-out."""

import dataclasses
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
from rnn_train.data.document_streams import DocumentStreams
from rnn_train.data.held_out import Parts
from rnn_train.data.streams import ArrayRing, PartsRing, Ring, Streams
from rnn_train.distillation.teachers import Teachers
from rnn_train.distillation.warm_start import WarmStart
from rnn_train.errors import RunError
from rnn_train.tasks.charlm.plan import CharLMPlan, fraction_of, joining_of
from rnn_train.tasks.charlm.split import (
    choose_pieces,
    joined,
    read_pieces,
    training_parts,
    write_pieces,
)
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training.config import TrainingConfig
from rnn_train.training.run import Run

Tokens = NDArray[np.integer]
_CORPUS, _HELD_OUT, _PIECES = "corpus.bin", "held_out.bin", "pieces.bin"


@dataclass(frozen=True)
class CharLMData:
    """An encoded text, and its split."""

    corpus: Corpus
    parts: Parts
    """The parts of the text for training, see `split.training_parts`."""
    held_out: Tokens
    """Held-out tokens, [characters]; may be empty."""
    pieces: int = 0
    """Number of pieces of the text that are held out. 0: none of the text is."""
    mark: int | None = None
    """Token between documents; None: there are no documents."""

    @property
    def train(self) -> Tokens:
        """Tokens for training, [characters]. They are copied if there are several parts."""
        return joined(self.corpus.tokens, self.parts)

    @property
    def train_characters(self) -> int:
        """Number of tokens for training."""
        return int((self.parts[:, 1] - self.parts[:, 0]).sum())

    @property
    def has_held_out(self) -> bool:
        """Whether a held-out loss can be measured, which needs two characters."""
        return len(self.held_out) >= 2

    def whole(self) -> "CharLMData":
        """Returns the same text with nothing held out."""
        parts = training_parts(self.corpus.tokens, np.empty((0, 2), np.int64), self.mark)
        return dataclasses.replace(self, parts=parts, held_out=self.corpus.tokens[:0], pieces=0)

    def holding_out(self, fraction: float) -> "CharLMData":
        """Returns the same text with another share of it held out."""
        return _split(self.corpus, choose_pieces(self.corpus, fraction, self.mark), self.mark)

    def streams(self, training: TrainingConfig, seed: int) -> Streams | DocumentStreams:
        """Returns the windows of the training text."""
        batch, window = training.batch, training.window
        if self.mark is not None:
            text = ArrayRing(self.corpus.tokens)
            return DocumentStreams(text, self.parts, batch, window, seed)
        return Streams(self.ring(ArrayRing(self.corpus.tokens)), batch, window, seed)

    def ring(self, items: Ring) -> Ring:
        """Returns the items that belong to the training text.

        Args:
            items: one for each character of the whole text.
        """
        whole = len(self.parts) == 1 and self.train_characters == len(items)
        return items if whole or self.mark is not None else PartsRing(items, self.parts)

    @property
    def start(self) -> int:
        """Token of an empty prompt: the mark of documents, or the line end, or the text's first
        character if the text has no line end."""
        if self.mark is not None:
            return self.mark
        vocabulary = self.corpus.vocabulary
        return vocabulary.index("\n") if "\n" in vocabulary else int(self.corpus.tokens[0])


def write_data(
    run: Run, request: CharLMRequest, warm: WarmStart | None, teachers: Teachers | None
) -> Corpus:
    """Encodes a new run's texts into its folder, and chooses what is held out.

    Args:
        warm, teachers: keep their vocabulary; both None: the text gives the vocabulary.

    Raises:
        DataError: a text cannot be used.
        RunError: the vocabularies differ, or --min-count would change them.
    """
    files = open_texts(sources_of(request))
    joining = joining_of(request)
    if warm and teachers and warm.vocabulary != teachers.vocabulary:
        raise RunError(
            f"{request.init_from} and {request.teachers[0]} have different vocabularies; give "
            "models that were trained on the same characters"
        )
    path = run.folder / _CORPUS
    if known := warm or teachers:
        if request.min_count > 1:
            option = "--init-from" if warm else "--teacher"
            raise RunError(f"{option} keeps the vocabulary as it is; drop --min-count")
        grow = teachers is None  # a teacher has no soft targets for new characters
        corpus = encode_text(
            files, known.vocabulary, known.unknown, path, MIN_CHARACTERS, joining, grow
        )
    else:
        corpus = build_corpus(files, path, request.min_count, joining)
    if request.val_data:
        held_out = open_texts([request.val_data])
        target = run.folder / _HELD_OUT
        encode_text(held_out, corpus.vocabulary, corpus.unknown, target, joining=joining)
    else:
        mark = corpus.vocabulary.index(joining.mark) if joining.mark else None
        pieces = choose_pieces(corpus, fraction_of(request, len(corpus.tokens)), mark)
        write_pieces(run.folder / _PIECES, pieces)
    return corpus


def sources_of(request: CharLMRequest) -> Sequence[str]:
    """Returns the sources of the request, or the default set."""
    return request.data or ("python",)


def open_data(run: Run, plan: CharLMPlan) -> CharLMData:
    """Opens what `write_data` wrote, memory-mapped."""
    corpus = open_corpus(run.folder / _CORPUS, plan.vocabulary, plan.unknown, plan.sha256)
    mark = plan.joining.mark
    token = None if mark is None else corpus.vocabulary.index(mark)
    # A killed attempt may have left a file in the folder, so the plan decides.
    if plan.val_data:
        held_out = open_corpus(run.folder / _HELD_OUT, plan.vocabulary, plan.unknown, "")
        whole = _split(corpus, np.empty((0, 2), np.int64), token)
        return dataclasses.replace(whole, held_out=held_out.tokens)
    if not plan.spread:
        train, held = corpus.split(plan.val_fraction)
        return CharLMData(corpus, np.array([[0, len(train)]]), held)
    return _split(corpus, read_pieces(run.folder / _PIECES), token)


def _split(corpus: Corpus, pieces: Parts, mark: int | None) -> CharLMData:
    parts = training_parts(corpus.tokens, pieces, mark)
    held_out = joined(corpus.tokens, pieces)
    return CharLMData(corpus, parts, held_out, len(pieces), mark)
