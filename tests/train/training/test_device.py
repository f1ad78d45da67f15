"""Nothing that a training step needs is left on the CPU where the model is elsewhere.

torch's `meta` device stands in for a GPU: it knows shapes and devices, and holds no numbers. An
operation on tensors of two devices fails there as it does on CUDA.
"""

import numpy as np
import pytest
import torch

from rnn_train.data.alphabet import Alphabet
from rnn_train.data.labelled import Rows
from rnn_train.data.streams import ArrayRing, Streams
from rnn_train.models.cells import CELLS
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.classifier.objective import ClassifierObjective, count_evidence
from rnn_train.training.muon import Muon
from rnn_train.training.objective import Objective

ELSEWHERE = torch.device("meta")
ROWS = Rows(("abc", "bca", "cabd", "ddddd") * 8, ("x", "y", "z", "y") * 8)


def learn(objective: Objective) -> None:
    """Two steps, of which the second goes on from the first."""
    for step in range(2):
        with objective.around_step():
            loss, _ = objective.loss(step)
            objective.model.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        assert loss.device == ELSEWHERE
        for name, weight in objective.model.named_parameters():
            assert weight.device == ELSEWHERE, name
            if weight.requires_grad:
                assert weight.grad is not None, name
                assert weight.grad.device == ELSEWHERE, name
        torch.nn.utils.clip_grad_norm_(objective.model.parameters(), 1.0)
        if objective.gates:
            Muon(objective.gates, lr=0.1).step()


@pytest.mark.parametrize("taught", [False, True])
@pytest.mark.parametrize("head", [0, 8])
def test_character_model(taught: bool, head: int) -> None:
    text = np.random.default_rng(0).integers(65, size=2000).astype(np.uint8)
    config = CharLSTMConfig(
        vocabulary=65, embedding=16, hidden=32, head=head, skip=True, weight_drop=0.1
    )
    answers = ArrayRing(np.full((len(text), 65), 1 / 65, np.float16)) if taught else None
    names = tuple(map(chr, range(100, 165)))
    model = CharLSTM(config).to(ELSEWHERE)
    streams = Streams(ArrayRing(text), 4, 8, 0)
    learn(CharLMObjective(model, streams, text[:0], names, 0, ELSEWHERE, answers, 0.8))


@pytest.mark.parametrize("taught", [False, True])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_classifier(cell: str, taught: bool) -> None:
    alphabet = Alphabet.of(ROWS)
    config = ClassifierConfig(
        vocabulary=len(alphabet.vocabulary),
        labels=len(alphabet.labels),
        cell=cell,
        embedding=8,
        hidden=8,
        layers=2,
        ngrams=3,
        evidence=3,
    )
    model = RecurrentClassifier(config)
    count_evidence(model, alphabet, ROWS)
    model.to(ELSEWHERE)
    targets = np.full((len(ROWS), 3), 1 / 3, np.float32) if taught else None
    learn(ClassifierObjective(model, alphabet, ROWS, ROWS, 6, 0.1, 0, ELSEWHERE, 0.2, targets))
