"""The JSON document of a model file."""

import pytest
import torch

from rnn_infer import contract
from rnn_train.exporting import metadata
from tests.train.exporting.examples import (
    LABELS,
    VOCABULARY,
    char_lstm,
    classifier,
    classifier_card,
    lm_card,
)


def test_document_of_a_character_model() -> None:
    model = char_lstm(layers=2)
    card = lm_card(unknown=4, start="a", training={"data_sha256": "abc", "data_characters": 5})
    document = metadata.draft(model, card, "float32", draws=True)
    assert document.kind == "charlm"
    assert document.vocabulary == VOCABULARY
    assert document.text == contract.TextRules("none", "lf", 4)
    assert document.charlm == contract.CharLMSection(start="a")
    assert document.classifier is None
    assert document.producer.startswith("rnn_train ")


def test_document_of_a_classifier() -> None:
    document = metadata.draft(classifier(), classifier_card(), "float32", draws=False)
    assert document.kind == "classifier"
    assert document.text == contract.TextRules("NFC", "lf", 3)
    assert document.charlm is None
    assert document.classifier == contract.ClassifierSection(
        labels=LABELS, begin="\n", end=" ", log_prior=(-1.0, -1.1, -1.2)
    )


def test_training_facts() -> None:
    model = char_lstm(layers=2)
    card = lm_card(temperature=1.23456, training={"data_sha256": "abc", "model.layers": 9})
    facts = metadata.draft(model, card, "int8", draws=True).training
    assert facts["parameters"] == sum(p.numel() for p in model.parameters())
    assert facts["torch"] == torch.__version__.partition("+")[0]
    assert facts["temperature"] == 1.2346
    assert facts["weights"] == "int8"
    assert facts["model.hidden"] == 7
    assert facts["data_sha256"] == "abc"
    assert facts["model.layers"] == 9, "the card's facts come last"


@pytest.mark.parametrize("draws", [True, False])
def test_a_draft_has_a_golden_run_of_zeros(draws: bool) -> None:
    document = metadata.draft(char_lstm(), lm_card(), "float32", draws)
    assert document.proof == {}
    assert document.golden == contract.Golden(
        tokens=(0,),
        logits=(0.0,) * len(VOCABULARY),
        uniform=(0.0,) * draws,
        generated=(0,) * draws,
    )


def test_golden_logits_of_a_classifier_are_its_labels() -> None:
    document = metadata.draft(classifier(), classifier_card(), "float32", draws=False)
    assert len(document.golden.logits) == len(LABELS)
