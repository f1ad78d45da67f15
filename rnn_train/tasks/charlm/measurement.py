"""Metrics of a character model on its held-out text, and its model card."""

import numpy as np
from numpy.typing import NDArray

from rnn_infer.runtime.stepper import Stepper
from rnn_infer.scoring import sequence_loss
from rnn_train.evaluation import language_model
from rnn_train.exporting.model_file import ModelCard
from rnn_train.models.charlm import CharLSTM
from rnn_train.tasks.charlm.data import CharLMData, Tokens
from rnn_train.tasks.task import HeldOutResult, rounded

_BLOCK = 2**20
_LEARNT = 0.01
"""Nats per character that a model must be better than the frequencies of the characters."""
_LOSS_CHARACTERS = 40_000
"""Characters that are read to measure the loss of a file."""


def measure(model: CharLSTM, data: CharLMData) -> HeldOutResult:
    """Fits the temperature to the held-out text, then measures the loss at it.

    Args:
        model: the model, in evaluation mode.
        data: at least 2 characters are held out.
    """
    held_out, mark = data.held_out, data.mark
    counts = _counts(data)
    trained = counts > 0
    fit = language_model.fit_temperature(model, held_out, mark, trained)
    temperature, warnings = fit.temperature, fit.warnings
    if foreign := int((~trained[held_out]).sum()):
        warnings.append(
            f"held-out characters that never occur in the training text: {foreign:,} of "
            f"{len(held_out):,}; the temperature leaves them out"
        )
    nats = language_model.held_out_loss(model, held_out, temperature=temperature, mark=mark)
    frequencies = _frequency_loss(counts, held_out)
    if nats > frequencies - _LEARNT:
        warnings.append(
            "the model is no better than the frequencies of the characters alone "
            f"({frequencies:.4g} nats per char): train it for longer or on more text, unless the "
            "characters come by chance"
        )
    metrics = {
        "held_out_nats_per_char": nats,
        "held_out_bits_per_char": language_model.bits(nats),
        "character_frequencies_nats_per_char": frequencies,
        "held_out_characters": float(len(held_out)),
        **({"held_out_pieces": float(data.pieces)} if data.pieces else {}),
    }
    return HeldOutResult(metrics, temperature, warnings=tuple(warnings))


def _counts(data: CharLMData) -> NDArray[np.int64]:
    """Returns how often each token occurs in the training text, [vocabulary]."""
    size = len(data.corpus.vocabulary)
    found = np.zeros(size, np.int64)
    for begin, end in data.parts.tolist():
        for block in range(begin, end, _BLOCK):  # the text may be larger than the memory
            piece = data.corpus.tokens[block : min(block + _BLOCK, end)]
            found += np.bincount(piece, minlength=size)
    return found


def _frequency_loss(counts: NDArray[np.int64], held_out: Tokens) -> float:
    """Returns the nats per character of a model that knows only how frequent each character is.

    Each token counts once more than it occurs (Laplace's rule of succession).

    Args:
        counts: of the tokens in the training text, [vocabulary].
        held_out: [characters].
    """
    log_shares = np.log((counts + 1) / (counts.sum() + len(counts)))
    rows = np.bincount(held_out[1:], minlength=len(counts))
    return -float(rows @ log_shares) / int(rows.sum())


def loss_of_file(stepper: Stepper, data: CharLMData) -> float:
    """Computes the loss of an exported file in nats a character.

    The text is held out, or is training text if too little is held out.
    """
    held_out = len(data.held_out) > _LOSS_CHARACTERS // 10
    tokens = data.held_out if held_out else _beginning(data)
    streams = max(1, min(32, len(tokens) // 1000))
    length = min(len(tokens) - 1, _LOSS_CHARACTERS) // streams
    rows = np.stack([tokens[i * length : (i + 1) * length + 1] for i in range(streams)])
    return sequence_loss(stepper, rows.astype(np.int64))


def _beginning(data: CharLMData) -> Tokens:
    """Returns the longest part of the training text, or of documents all that fits."""
    if data.mark is not None:
        return data.corpus.tokens[: _LOSS_CHARACTERS + 1]
    begin, end = data.parts[(data.parts[:, 1] - data.parts[:, 0]).argmax()]
    return data.corpus.tokens[begin:end]


def model_card(data: CharLMData, result: HeldOutResult, teachers: int = 0) -> ModelCard:
    """Returns the model card of an exported file.

    Args:
        data: the text.
        result: of the model on the held-out text.
        teachers: number of teachers that the model learnt from.
    """
    corpus = data.corpus
    return ModelCard(
        vocabulary=corpus.vocabulary,
        unknown=corpus.unknown,
        start=corpus.vocabulary[data.start],
        document_end=None if data.mark is None else corpus.vocabulary[data.mark],
        temperature=result.temperature,
        training={
            "data_sha256": corpus.sha256,
            "data_characters": len(corpus.tokens),
            **({"teachers": teachers} if teachers else {}),
            **rounded(result.metrics),
        },
    )
