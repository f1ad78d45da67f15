"""The classifier: what it computes, and its dropout in training."""

from typing import Any

import pytest
import torch
from torch import Tensor

from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.models.ngrams import Counted, NGramCell

BATCH, TIME, VOCABULARY = 3, 9, 11


def classifier(**shape: Any) -> RecurrentClassifier:
    chosen = {"vocabulary": VOCABULARY, "labels": 3, "embedding": 6, "hidden": 8} | shape
    return RecurrentClassifier(ClassifierConfig(**chosen))


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(VOCABULARY, (BATCH, TIME))


def same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("pool", [True, False])
@torch.no_grad()
def test_pieces_equal_the_whole(cell: str, layers: int, pool: bool, tokens: Tensor) -> None:
    model = classifier(cell=cell, layers=layers, pool=pool).eval()
    whole, last = model(tokens, model.zeros(BATCH))
    assert whole.shape == (BATCH, TIME, 3)
    assert len(last) == layers * (2 if cell == "lstm" else 1) + 3 * pool
    first, state = model(tokens[:, :4], model.zeros(BATCH))
    second, state = model(tokens[:, 4:], state)
    same(torch.cat([first, second], 1), whole)
    for ours, expected in zip(state, last, strict=True):
        same(ours, expected)


@torch.no_grad()
def test_equation(tokens: Tensor) -> None:
    model = classifier(pool=False).eval()
    (cell,) = model.cells()
    W, U, b = (cell.get_parameter(name) for name in "WUb")
    s = torch.zeros(BATCH, 8)
    logits, _ = model(tokens, model.zeros(BATCH))
    for t in range(TIME):
        s = torch.tanh(model.embedding.weight[tokens[:, t]] @ W + s @ U + b)
        same(logits[:, t], s @ model.readout.weight.T + model.readout.bias)


def test_dropout_only_in_training(tokens: Tensor) -> None:
    model = classifier(dropout=0.5)
    torch.manual_seed(1)
    one, _ = model(tokens, model.zeros(BATCH))
    other, _ = model(tokens, model.zeros(BATCH))
    assert not torch.equal(one, other)
    model.eval()
    one, _ = model(tokens, model.zeros(BATCH))
    other, _ = model(tokens, model.zeros(BATCH))
    assert torch.equal(one, other)


@torch.no_grad()
def test_last_gives_the_logits_at_the_last_character(tokens: Tensor) -> None:
    model = classifier(ngrams=3, evidence=2, ngram_rows=50).eval()
    lengths, labels = torch.tensor([4, 9, 1]), torch.tensor([0, 2, 1])
    model.count([Counted(tokens, lengths, labels)])
    whole, _ = model(tokens, model.zeros(BATCH))
    same(model.last(tokens, lengths), whole[torch.arange(BATCH), lengths - 1])
    assert not torch.allclose(model.last(tokens, lengths, labels), model.last(tokens, lengths))
    # The next call does not leave out the rows of this one.
    same(model(tokens, model.zeros(BATCH))[0], whole)


@pytest.mark.parametrize("bag", [False, True])
@pytest.mark.parametrize(("ngrams", "evidence"), [(1, 1), (3, 1), (1, 3), (2, 4)])
@torch.no_grad()
def test_pieces_equal_the_whole_with_ngrams(
    ngrams: int, evidence: int, bag: bool, tokens: Tensor
) -> None:
    shape = {"ngrams": ngrams, "evidence": evidence, "bag": bag}
    model = classifier(**shape, ngram_rows=50, layers=2).eval()
    model.count([Counted(tokens, torch.tensor([9, 9, 9]), torch.tensor([0, 1, 2]))])
    whole, last = model(tokens, model.zeros(BATCH))
    first, state = model(tokens[:, :2], model.zeros(BATCH))
    second, state = model(tokens[:, 2:], state)
    same(torch.cat([first, second], 1), whole)
    for ours, expected in zip(state, last, strict=True):
        same(ours, expected)


@torch.no_grad()
def test_last_piece_after_the_state_of_another(tokens: Tensor) -> None:
    model = classifier(ngrams=3, evidence=2, ngram_rows=50).eval()
    lengths, labels = torch.tensor([4, 9, 3]), torch.tensor([0, 2, 1])
    model.count([Counted(tokens, lengths, labels)])
    _, state = model.piece(tokens[:, :2], torch.tensor([2, 2, 2]), None, labels)
    found, _ = model.piece(tokens[:, 2:], lengths - 2, state, labels)
    same(found, model.last(tokens, lengths, labels))


@torch.no_grad()
def test_bag_is_the_mean_of_the_vectors(tokens: Tensor) -> None:
    """The readout reads the states, then the n-grams' vectors: of the last character, and their
    mean; the maximum is of the states alone."""
    model = classifier(ngrams=3, ngram_rows=50, ngram_width=4, bag=True).eval()
    ngrams, recurrent, _ = model.cells()
    features, _ = ngrams.scan(model.embedding(tokens), ngrams.zeros(BATCH, torch.zeros(1)))
    states, _ = recurrent.scan(features, recurrent.zeros(BATCH, torch.zeros(1)))
    vectors = features[..., 6:]
    assert vectors.shape[-1] == 8
    same(states[..., 8:], vectors)
    pooled = [states[:, -1], states.mean(1), states[..., :8].amax(1).clamp(min=0)]
    lengths = torch.full((BATCH,), TIME)
    same(model.last(tokens, lengths), model.readout(torch.cat(pooled, -1)))


def with_bag(**shape: Any) -> RecurrentClassifier:
    return classifier(ngrams=4, ngram_rows=50, ngram_width=4, bag=True, **shape)


@torch.no_grad()
def test_word_so_far_alone(tokens: Tensor) -> None:
    """A model that reads no n-grams beside it."""
    model = classifier(prefix=3, space=1, ngram_rows=64, ngram_width=4, bag=True).eval()
    lengths = torch.full((BATCH,), TIME)
    whole, _ = model(tokens, model.zeros(BATCH))
    same(model.last(tokens, lengths), whole[:, -1])
    assert model.of_ngrams(tokens, lengths).shape == (BATCH, 3)


@pytest.mark.parametrize(
    "shape", [{}, {"layers": 2}, {"prefix": 3, "space": 2, "frequent_ngrams": 7}]
)
@torch.no_grad()
def test_ngrams_alone_are_a_part_of_the_network(shape: dict[str, Any], tokens: Tensor) -> None:
    model, lengths = with_bag(**shape).eval(), torch.tensor([9, 1, 4])
    model.choose_ngrams([Counted(tokens, torch.full((BATCH,), TIME), torch.zeros(BATCH))])
    alone = model.of_ngrams(tokens, lengths)
    assert not torch.allclose(alone, model.last(tokens, lengths))
    model.read_ngrams_alone()
    same(model.of_ngrams(tokens, lengths), alone)
    same(model.last(tokens, lengths), alone)


@torch.no_grad()
def test_dropped_ngrams_are_read_as_zeros(tokens: Tensor) -> None:
    model, lengths = with_bag().eval(), torch.tensor([9, 9, 4])
    model.read_ngrams_alone()
    kept = (torch.rand(BATCH, TIME, 3) > 0.5).float() * 2
    logits, _ = model.piece(tokens, lengths, None, None, kept)
    same(model.of_ngrams(tokens, lengths, kept), logits)
    assert not torch.allclose(logits, model.last(tokens, lengths))
    nothing = torch.zeros(BATCH, TIME, 3)
    same(model.of_ngrams(tokens, lengths, nothing), model.readout.bias.expand(BATCH, -1))
    # The next call drops nothing.
    same(model.last(tokens, lengths), model.of_ngrams(tokens, lengths))


def test_ngrams_alone_have_the_gradient_of_the_whole(tokens: Tensor) -> None:
    model, lengths = with_bag().eval(), torch.tensor([9, 2, 4])
    model.read_ngrams_alone()
    (vectors,) = (each.vectors for each in model.cells() if isinstance(each, NGramCell))
    found = [
        torch.autograd.grad(logits[:, 1].sum(), vectors)[0]
        for logits in (model.of_ngrams(tokens, lengths), model.last(tokens, lengths))
    ]
    same(*found)


def test_padding_does_not_change_the_last_logits(tokens: Tensor) -> None:
    model, lengths = classifier().eval(), torch.tensor([4, 9, 1])
    other = tokens.clone()
    other[0, 4:] = 0
    other[2, 1:] = 5
    same(model.last(other, lengths), model.last(tokens, lengths))


def test_own_labels_are_forgotten_after_an_error(tokens: Tensor) -> None:
    """Else the next rows would be left out of the evidence of labels that they do not have."""
    model, lengths = classifier(ngrams=2, evidence=2), torch.full((BATCH,), TIME)
    with pytest.raises(IndexError):
        model.last(tokens + VOCABULARY, lengths, torch.tensor([0, 1, 2]))
    assert [cell.own for cell in model.cells() if isinstance(cell, NGramCell)] == [None]
