"""n-gram features: vectors by hash, and naive-Bayes weights of evidence."""

import numpy as np
import pytest
import torch
from torch import Tensor

from rnn_train.models.cells import Cell
from rnn_train.models.ngrams import Counted, NGramCell

BATCH, TIME, IN = 3, 7, 5


def same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)


def coded(batch: int = BATCH, time: int = TIME, codes: int = 3) -> Tensor:
    """Make inputs whose last column is a code from 1."""
    vectors = torch.randn(batch, time, IN - 1)
    return torch.cat([vectors, torch.randint(1, codes + 1, (batch, time, 1)).float()], -1)


def test_each_ngram_has_one_vector() -> None:
    cell, x = NGramCell(IN, (50, 101), (3, 1), width=6), coded(batch=20)
    outputs, _ = cell.scan(x, cell.zeros(len(x), x))
    torch.testing.assert_close(outputs[..., : IN - 1], x[..., :-1])
    for place, order in enumerate((2, 3)):
        begin = IN - 1 + 6 * place
        found: dict[tuple[float, ...], Tensor] = {}
        for row, vectors in zip(x[..., -1].tolist(), outputs[..., begin : begin + 6], strict=True):
            for end in range(TIME):
                ngram = tuple([0.0] * order + row[: end + 1])[-order:]
                same(vectors[end], found.setdefault(ngram, vectors[end]))
        distinct = {tuple(vector.tolist()) for vector in found.values()}
        assert 0.6 * len(found) < len(distinct) <= len(found)


def test_largest_codes_stay_inside_the_table() -> None:
    cell = NGramCell(2, (20, 30, 2**15), (4, 1), width=2)
    x = torch.tensor([[[0.0, code] for code in (100_000.0, 99_999.0, 100_000.0, 1.0)]])
    outputs, _ = cell.scan(x, cell.zeros(1, x))
    code, row = [int(each) for each in x[0, :, 1]], 0
    for each in code:
        row = (row * 257 + each % 2**15) % 2**15
    same(outputs[0, -1, -2:], cell.vectors[50 + row])


@pytest.mark.parametrize(
    ("longest", "shape"),
    [
        *(((vectors, evidence), {}) for vectors, evidence in ((4, 1), (3, 4), (1, 4), (4, 4))),
        ((4, 1), {"prefix": 5, "space": 2, "frequent": 6}),
        ((3, 3), {"prefix": 2}),
        ((2, 4), {"frequent": 4}),
    ],
)
def test_steps_and_pieces_equal_one_scan(longest: tuple[int, int], shape: dict[str, int]) -> None:
    rows = (*((64,) if "prefix" in shape else ()), *(31, 97, 89)[: max(longest) - 1])
    cell, x = NGramCell(IN, rows, longest, width=3, labels=2, **shape), coded()
    texts = [Counted(x[..., -1], torch.full((BATCH,), TIME), torch.tensor([0, 1, 0]))]
    cell.count(texts)
    if cell.frequent:
        cell.choose(texts)
        assert len(set(cell.row_of.tolist())) == cell.frequent + 1
    whole, last = cell.scan(x, cell.zeros(BATCH, x))
    stepped, after = Cell.scan(cell, x, cell.zeros(BATCH, x))
    same(stepped, whole)
    same(after[0], last[0])
    first, state = cell.scan(x[:, :2], cell.zeros(BATCH, x))
    second, state = cell.scan(x[:, 2:], state)
    same(torch.cat([first, second], 1), whole)
    same(state[0], last[0])
    assert whole.shape[-1] == cell.output_size


def test_evidence_is_that_of_naive_bayes() -> None:
    """Texts "ab" and "aab" have label 0, "ba" has label 1. Codes: a 1, b 2, before a text 0."""
    cell = NGramCell(3, (40,), (2, 2), width=1, labels=2)
    codes = torch.tensor([[1.0, 2, 9], [1, 1, 2], [2, 1, 9]])
    cell.count([Counted(codes, torch.tensor([2, 3, 2]), torch.tensor([0, 0, 1]))])
    pairs = {(0, 1): (2, 0), (1, 2): (2, 0), (1, 1): (1, 0), (0, 2): (0, 1), (2, 1): (0, 1)}
    for (first, second), (in_0, in_1) in pairs.items():
        x = torch.tensor([[[0.0, 0.0, first], [0.0, 0.0, second]]])
        outputs, _ = cell.scan(x, cell.zeros(1, x))
        logs = [np.log((in_0 + 0.1) / (5 + 4)), np.log((in_1 + 0.1) / (2 + 4))]
        expected = [0.1 * (each - np.mean(logs)) for each in logs]
        np.testing.assert_allclose(outputs[0, 1, -2:].detach(), expected, atol=1e-6)


def test_a_text_is_left_out_of_its_own_evidence() -> None:
    """The texts are those above. Only "aab" has "aa", so "aa" must not give its label away."""
    cell = NGramCell(3, (40,), (2, 2), width=1, labels=2)
    codes = torch.tensor([[1.0, 2, 9], [1, 1, 2], [2, 1, 9]])
    cell.count([Counted(codes, torch.tensor([2, 3, 2]), torch.tensor([0, 0, 1]))])
    x = torch.tensor([[[0.0, 0.0, code] for code in (1.0, 1.0, 2.0)]])
    cell.own = torch.tensor([0])
    outputs, _ = cell.scan(x, cell.zeros(1, x))
    for place, (in_0, in_1) in enumerate([(2 - 1, 0), (1 - 1, 0), (2 - 1, 0)]):
        logs = [np.log((in_0 + 0.1) / (5 + 4)), np.log((in_1 + 0.1) / (2 + 4))]
        expected = [0.1 * (each - np.mean(logs)) for each in logs]
        np.testing.assert_allclose(outputs[0, place, -2:].detach(), expected, atol=1e-6)
    # An n-gram that was never counted has nothing to leave out. Dropped characters make such ones.
    cell.own = torch.tensor([1])
    with_own, _ = cell.scan(x, cell.zeros(1, x))
    cell.own = None
    same(with_own, cell.scan(x, cell.zeros(1, x))[0])


def test_the_most_frequent_ngrams_have_a_vector() -> None:
    """In "abab" and "ba", with a 1, b 2 and 0 before a text: "ab" twice, "ba" twice, "0a" and "0b"
    once."""
    cell = NGramCell(2, (40,), (2, 1), width=2, frequent=2)
    codes = torch.tensor([[1, 2, 1, 2], [2, 1, 9, 9]])
    cell.choose([Counted(codes, torch.tensor([4, 2]), torch.tensor([0, 1]))])
    outputs, _ = cell.scan(codes[..., None].float().expand(-1, -1, 2), cell.zeros(2, cell.vectors))
    found = outputs[..., 1:]
    shared = cell.vectors[2].expand(2, 2)
    same(found[:, 0], shared)
    same(found[0, 1], found[0, 3])
    same(found[0, 2], found[1, 1])
    assert not torch.equal(found[0, 1], found[0, 2])
    assert "row_of" in cell.state_dict()


def test_texts_of_rare_labels_may_count_more() -> None:
    """ "ab" stands in three texts of label 0, "ba" in one of label 1."""
    codes, labels = torch.tensor([[1, 2]] * 3 + [[2, 1]]), torch.tensor([0, 0, 0, 1])
    cell = NGramCell(2, (40,), (2, 1), width=2, frequent=2)
    ab, ba = (int(cell.hash.of_codes(torch.tensor(pair))) for pair in ([2.0, 1], [1.0, 2]))
    texts = Counted(codes, torch.full((4,), 2), labels)
    cell.choose([texts])
    assert cell.row_of[ab] < 2 == cell.row_of[ba]
    cell.choose([texts], torch.tensor([0.3, 1.0], dtype=torch.float64))
    assert cell.row_of[ba] < 2 == cell.row_of[ab]


def test_the_frequent_ngrams_of_pieces_are_those_of_texts() -> None:
    codes = torch.randint(1, 5, (4, 12))
    labels = torch.zeros(4, dtype=torch.long)
    whole, pieces = (
        NGramCell(2, (128, 40, 50), (3, 1), width=2, prefix=4, space=1, frequent=9)
        for _ in range(2)
    )
    whole.choose([Counted(codes, torch.full((4,), 12), labels)])
    pieces.choose(
        [
            Counted(codes[:, :5], torch.full((4,), 5), labels),
            Counted(codes[:, 1:], torch.full((4,), 11), labels, 4),
        ]
    )
    assert torch.equal(whole.row_of, pieces.row_of)


def test_vectors_of_the_word_so_far_come_first() -> None:
    cell = NGramCell(2, (64, 40), (2, 2), width=2, labels=2, prefix=3, space=1)
    codes = torch.tensor([[2.0, 3, 1, 2, 3]])
    cell.count([Counted(codes, torch.tensor([5]), torch.tensor([1]))])
    outputs, _ = cell.scan(codes[..., None].expand(-1, -1, 2), cell.zeros(1, cell.vectors))
    words, pairs, evidence = torch.split(outputs[0, :, 1:], [2, 2, 2], -1)
    same(words[1], words[4])
    assert not torch.equal(pairs[0], pairs[3])
    assert (evidence[:, 1] > evidence[:, 0]).all()
