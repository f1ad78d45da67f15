"""The JSON document of a model file: the model card, facts of the model, proof and golden run."""

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import torch

import rnn_train
from rnn_infer import contract
from rnn_infer.contract import (
    CharLMSection,
    ClassifierSection,
    Golden,
    HeldOutScores,
    Metadata,
    TextRules,
)
from rnn_train.exporting.products import Weights
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.classifier import RecurrentClassifier

Facts = dict[str, bool | str | int | float]


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a file tells about its model, besides the weights."""

    vocabulary: tuple[str, ...]
    """One character each. The index is the token."""
    unknown: int | None
    """Token for characters outside the vocabulary. None: texts with such characters are refused."""
    normalization: Literal["none", "NFC"] = "none"
    start: str = "\n"
    """charlm: the text that is read in place of an empty prompt."""
    document_end: str | None = None
    """charlm: the character that ends a document; None: the model was trained on one text."""
    labels: tuple[str, ...] = ()
    """classifier: the labels, in the order of the logits."""
    begin: str = ""
    """classifier: put before each text."""
    end: str = ""
    """classifier: put after each text."""
    log_prior: tuple[float, ...] = ()
    """classifier: log of each label's share in the training data."""
    held_out: HeldOutScores | None = None
    """classifier: for prediction sets; None: nothing was held out."""
    temperature: float = 1.0
    """Divides the logits; it is folded into the weights of the last layer."""
    noise: tuple[float, ...] = ()
    """classifier: probability of each label whatever the text says; empty: there is none."""
    training: Facts = field(default_factory=dict)
    """Facts of the training: hash of the data, held-out figures …"""


def draft(
    model: CharLSTM | RecurrentClassifier, card: ModelCard, weights: Weights, draws: bool
) -> Metadata:
    """Write the document without a proof, and with a golden run of zeros.

    Args:
        model: the trained model.
        card: describes it.
        weights: number type of the large matrices.
        draws: whether the file draws.
    """
    is_lm = isinstance(model, CharLSTM)
    classifier = ClassifierSection(
        labels=card.labels,
        begin=card.begin,
        end=card.end,
        log_prior=card.log_prior,
        held_out=card.held_out,
        noise=card.noise or None,
    )
    document = Metadata(
        format_version=contract.FORMAT_VERSION,
        kind="charlm" if is_lm else "classifier",
        producer=f"rnn_train {rnn_train.__version__}",
        text=TextRules(normalization=card.normalization, newlines="lf", unknown=card.unknown),
        vocabulary=card.vocabulary,
        charlm=CharLMSection(start=card.start, end=card.document_end) if is_lm else None,
        classifier=None if is_lm else classifier,
        training=_facts(model, card) | {"weights": weights},
        proof={},
        golden=Golden(tokens=(0,), logits=(), uniform=(), generated=()),
    )
    golden = Golden(
        tokens=(0,),
        logits=(0.0,) * document.outputs,
        uniform=(0.0,) if draws else (),
        generated=(0,) if draws else (),
    )
    return dataclasses.replace(document, golden=golden).with_version()


def _facts(model: CharLSTM | RecurrentClassifier, card: ModelCard) -> Facts:
    """Return facts of the model and its configuration, then those of the card."""
    facts: Facts = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "temperature": round(card.temperature, 4),
        "torch": torch.__version__.partition("+")[0],
    }
    facts |= {
        f"model.{key}": value
        for key, value in dataclasses.asdict(model.config).items()
        if isinstance(value, bool | str | int | float)
    }
    return facts | card.training
