"""Tokens that ask for fewer logits. Files that give fewer are tested with the exporter."""

from dataclasses import replace

import numpy as np
import pytest

from rnn_infer import CharLM, Classifier
from rnn_infer.modelfile.reader import ModelFile
from rnn_infer.runtime.shortening import last_alone, no_logits, shortens

TOKENS = np.array([[1, 2, 3], [4, 0, 2]])


@pytest.fixture
def new(classifier: Classifier) -> ModelFile:
    """Stands for a file that gives fewer logits."""
    file = classifier._stepper.file
    return replace(file, operators=file.operators | {"If"})


def test_which_files_give_fewer(new: ModelFile, classifier: Classifier, lm: CharLM) -> None:
    assert shortens(new)
    assert not shortens(replace(new, steps=4))
    assert not shortens(classifier._stepper.file)
    assert not shortens(lm._stepper.file)


def test_tokens_of_the_first_row_are_shifted(new: ModelFile) -> None:
    size = len(new.metadata.vocabulary)
    given = TOKENS.copy()
    np.testing.assert_array_equal(last_alone(new, given), [[1 - size, 2, 3], [4, 0, 2]])
    np.testing.assert_array_equal(no_logits(new, given), [[1 - size, 2, 3 - size], [4, 0, 2]])
    np.testing.assert_array_equal(given, TOKENS)


def test_a_single_token_is_shifted_once(new: ModelFile) -> None:
    single, size = TOKENS[:, :1], len(new.metadata.vocabulary)
    np.testing.assert_array_equal(last_alone(new, single), single)
    np.testing.assert_array_equal(no_logits(new, single), [[1 - size], [4]])


def test_other_files_get_their_tokens(classifier: Classifier) -> None:
    file = classifier._stepper.file
    assert last_alone(file, TOKENS) is TOKENS
    assert no_logits(file, TOKENS) is TOKENS
