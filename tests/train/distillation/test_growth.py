"""Weights of an earlier model in a larger one."""

import dataclasses

import pytest
import torch

from rnn_train.distillation.growth import grow_charlm, grow_classifier
from rnn_train.errors import RunError
from rnn_train.models import cells
from rnn_train.models.cells import Cell, State
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier

CHARLM = CharLSTMConfig(vocabulary=5, embedding=3, hidden=4, layers=1)
CLASSIFIER = ClassifierConfig(
    vocabulary=6, labels=2, embedding=3, hidden=4, ngrams=2, evidence=3, ngram_rows=40
)


@pytest.mark.parametrize("head", [0, 7])
def test_known_characters_keep_their_rows(head: int) -> None:
    config = dataclasses.replace(CHARLM, head=head)
    old = CharLSTM(config).eval()
    new = CharLSTM(dataclasses.replace(config, vocabulary=8)).eval()
    grow_charlm(old.state_dict(), new)
    tokens = torch.tensor([[0, 4, 2]])
    before, _ = old(tokens, old.zeros(1))
    after, _ = new(tokens, new.zeros(1))
    torch.testing.assert_close(after[..., :5], before)
    assert (after[..., 5:] <= before.max(-1, keepdim=True).values).all(), "new ones are unlikely"
    assert (new.embedding.weight[5:].abs().sum(1) > 0).all()


def test_new_characters_start_as_the_unknown_one() -> None:
    old = RecurrentClassifier(CLASSIFIER)
    new = RecurrentClassifier(dataclasses.replace(CLASSIFIER, vocabulary=9))
    grow_classifier(old, new, 4, "old")
    vectors = dict(new.named_parameters())["embedding.vectors"]
    assert torch.equal(vectors[:6], dict(old.named_parameters())["embedding.vectors"])
    assert all(torch.equal(row, vectors[4]) for row in vectors[6:])


def test_new_label_has_no_evidence() -> None:
    old = RecurrentClassifier(CLASSIFIER)
    evidence = dict(old.named_parameters())["layers.0.evidence"]
    evidence.data.normal_()
    new = RecurrentClassifier(dataclasses.replace(CLASSIFIER, labels=3))
    grow_classifier(old, new, 4, "old")
    grown = dict(new.named_parameters())["layers.0.evidence"]
    assert torch.equal(grown[:, :2], evidence)
    assert not grown[:, 2].any()


@pytest.mark.parametrize("pool", [False, True])
def test_known_labels_keep_their_logits_with_a_bag(pool: bool) -> None:
    config = dataclasses.replace(CLASSIFIER, bag=True, ngrams=3, layers=2, pool=pool)
    old = RecurrentClassifier(config).eval()
    dict(old.named_parameters())["layers.0.evidence"].data.normal_()
    new = RecurrentClassifier(dataclasses.replace(config, labels=5, vocabulary=8)).eval()
    grow_classifier(old, new, 4, "old")
    tokens = torch.tensor([[0, 5, 2, 3]])
    before, _ = old(tokens, old.zeros(1))
    after, _ = new.eval()(tokens, new.zeros(1))
    torch.testing.assert_close(after[..., :2], before)


class StateFirst(Cell):
    """A cell whose matrix has the columns of its state before those of its input."""

    def __init__(self, input_size: int, width: int) -> None:
        super().__init__(input_size, {"s": width})
        self.mix = torch.nn.Linear(input_size + width, width)

    def forward(self, x: torch.Tensor, state: State) -> State:
        return (torch.tanh(self.mix(torch.cat([state[0], x], -1))),)


def test_cell_whose_columns_are_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cells.CELLS, "state_first", StateFirst)
    config = dataclasses.replace(CLASSIFIER, cell="state_first")
    old = RecurrentClassifier(config)
    dict(old.named_parameters())["layers.0.evidence"].data.normal_()
    with pytest.raises(RunError, match="cannot be carried over to more labels"):
        grow_classifier(
            old, RecurrentClassifier(dataclasses.replace(config, labels=4)), 4, "runs/c"
        )
    grow_classifier(old, RecurrentClassifier(config), 4, "runs/c")
