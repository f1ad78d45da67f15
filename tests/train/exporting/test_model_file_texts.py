"""A file of a classifier answers random texts as its network does."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import rnn_infer
from rnn_train.data.alphabet import BEGIN, END, Alphabet
from rnn_train.data.rows import Rows
from rnn_train.evaluation.classification import logits_of
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.models.hashing import MAX_PREFIX, MAX_ROWS
from rnn_train.tasks.classifier.evidence import choose_ngrams, count_evidence

from .examples import no_loss, shaken

SHAPES: dict[str, dict[str, Any]] = {
    "word so far": {"ngrams": 3, "prefix": 4, "bag": True, "frequent_ngrams": 30},
    "longest word": {"ngrams": 2, "prefix": MAX_PREFIX, "frequent_ngrams": 20, "layers": 2},
    "word alone": {"prefix": 3, "pool": False},
    "evidence": {"ngrams": 2, "evidence": 4, "prefix": 2, "cell": "gru"},
    "large tables": {"ngrams": 4, "prefix": 8, "ngram_rows": MAX_ROWS, "frequent_ngrams": 50},
}
RANDOM = random.Random(8)


def texts(letters: str, count: int) -> tuple[str, ...]:
    """Make texts of one character to 40, words beyond `MAX_PREFIX` characters among them."""
    return tuple(
        "".join(RANDOM.choices(letters, k=RANDOM.choice((1, 2, 5, 9, 17, 40))))
        for _ in range(count)
    )


def trained(letters: str, shape: dict[str, Any]) -> tuple[RecurrentClassifier, Alphabet]:
    """Make a network that has counted the n-grams of random rows."""
    rows = Rows(texts(letters, 60), ("a", "b", "c") * 20)
    alphabet = Alphabet.of(rows)
    characters = alphabet.vocabulary
    config = ClassifierConfig(
        vocabulary=len(characters),
        labels=3,
        space=characters.index(" ") + 1 if " " in characters else 0,
        **{"embedding": 5, "hidden": 6, "ngram_rows": 64, "ngram_width": 3} | shape,
    )
    model = shaken(RecurrentClassifier(config))
    choose_ngrams(model, alphabet, rows)
    count_evidence(model, alphabet, rows)
    return model.eval(), alphabet


def card(alphabet: Alphabet) -> ModelCard:
    return ModelCard(
        vocabulary=alphabet.vocabulary,
        unknown=alphabet.unknown,
        normalization="NFC",
        labels=alphabet.labels,
        begin=BEGIN,
        end=END,
        log_prior=(-1.1, -1.1, -1.1),
    )


def answers(path: Path, read: tuple[str, ...]) -> Tensor:
    """Return the logits of a file, [texts, labels]."""
    labeller = rnn_infer.Classifier.load(path, device="cpu")._labeller
    return torch.from_numpy(labeller.logits(list(read), "default"))


@pytest.mark.parametrize("letters", ["abc ", "abcdefgh"], ids=["spaces", "no space"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_file_answers_as_its_network(letters: str, shape: dict[str, Any], tmp_path: Path) -> None:
    model, alphabet = trained(letters, shape)
    # A space that no row had, and characters that are unknown, are a part of what is read.
    read = (
        *texts(letters, 20),
        *texts(letters + " 漢", 20),
        "漢",
        "漢漢漢",
        " ",
        "   a",
        "a" * 300,
    )
    for without_if in (False, True):
        path = tmp_path / f"{without_if}.onnx"
        export(model, card(alphabet), path, without_if=without_if)
        expected = logits_of(model, alphabet, read)
        torch.testing.assert_close(answers(path, read), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("letters", ["abc ", "abcdefgh"], ids=["spaces", "no space"])
def test_rounded_file_answers_each_text_alone_as_in_a_batch(letters: str, tmp_path: Path) -> None:
    shape = {"ngrams": 3, "prefix": 4, "bag": True, "ngram_rows": 2048, "ngram_width": 32}
    model, alphabet = trained(letters, shape)
    read = (*texts(letters + "漢", 20), "漢", "a" * 100)
    path = tmp_path / "rounded.onnx"
    export(model, card(alphabet), path, weights="int8", loss=no_loss, log=pytest.fail)
    found = answers(path, read)
    alone = [answers(path, (text,))[0].numpy() for text in read[-8:]]
    np.testing.assert_array_equal(np.stack(alone), found[-8:].numpy())
    torch.testing.assert_close(found, logits_of(model, alphabet, read), rtol=0, atol=0.05)
