"""Both objectives train on the device of their model, with every tensor there.

torch's `meta` device replaces a GPU. Its tensors have a shape and a device, but no values. As on
CUDA, an operation on tensors of two devices fails.
"""

import numpy as np
import pytest
import torch

from rnn_train.data.alphabet import Alphabet
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.rows import Rows
from rnn_train.data.streams import ArrayRing, Streams
from rnn_train.models.cells import CELLS
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.classifier.evidence import count_evidence
from rnn_train.tasks.classifier.objective import ClassifierObjective, TaughtRows
from rnn_train.training.objective import Objective
from rnn_train.training.optimizers.muon import Muon

META = torch.device("meta")
ROWS = Rows(("abc", "bca", "cabd", "ddddd") * 8, ("x", "y", "z", "y") * 8)


def train(objective: Objective) -> None:
    """Trains two steps; the second uses the state that the first carries over."""
    for step in range(2):
        with objective.around_step():
            loss, _ = objective.loss(step)
            objective.model.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        assert loss.device == META
        for name, weight in objective.model.named_parameters():
            assert weight.device == META, name
            if weight.requires_grad:
                assert weight.grad is not None, name
                assert weight.grad.device == META, name
        torch.nn.utils.clip_grad_norm_(objective.model.parameters(), 1.0)
        if objective.gates:
            Muon(objective.gates, lr=0.1).step()


@pytest.mark.parametrize("with_teacher", [False, True])
@pytest.mark.parametrize("head", [0, 8])
def test_character_model_objective(with_teacher: bool, head: int) -> None:
    text = np.random.default_rng(0).integers(65, size=2000).astype(np.uint8)
    config = CharLSTMConfig(
        vocabulary=65, embedding=16, hidden=32, head=head, skip=True, weight_drop=0.1
    )
    soft_targets = ArrayRing(np.full((len(text), 65), 1 / 65, np.float16)) if with_teacher else None
    names = tuple(map(chr, range(100, 165)))
    model = CharLSTM(config).to(META)
    streams = Streams(ArrayRing(text), 4, 8, 0)
    train(CharLMObjective(model, streams, text[:0], names, 0, META, soft_targets, 0.8))


@pytest.mark.parametrize("with_teacher", [False, True])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_classifier_objective(cell: str, with_teacher: bool) -> None:
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
    model.to(META)
    soft = np.full((len(ROWS), 3), 1 / 3, np.float32)
    taught = TaughtRows(EncodedRows.of(ROWS), soft, np.arange(len(ROWS)))
    targets = taught if with_teacher else None
    train(ClassifierObjective(model, alphabet, ROWS, ROWS, 6, 0.1, 0, META, 0.2, targets))
