"""Dropout with one mask a sequence, and dropout of recurrent weights."""

import pytest
import torch
from torch import nn

from rnn_train.distributed.share import Share
from rnn_train.models.dropout import drawn_for, drop_per_sequence, dropped_weights


def test_a_sequence_has_one_mask() -> None:
    x = torch.ones(4, 6, 200)
    dropped = drop_per_sequence(x, 0.25, training=True)
    assert torch.equal(dropped, dropped[:, :1].expand_as(x))
    assert not torch.equal(dropped[0], dropped[1])
    assert 0.2 < (dropped == 0).float().mean() < 0.3
    assert set(dropped.flatten().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}


@pytest.mark.parametrize(("rate", "training"), [(0.0, True), (0.5, False)])
def test_no_dropout(rate: float, training: bool) -> None:
    x = torch.randn(2, 3, 4)
    assert drop_per_sequence(x, rate, training) is x


def test_weights_are_dropped_in_place_and_restored() -> None:
    weight = nn.Parameter(torch.randn(50, 40))
    before, place = weight.detach().clone(), weight.data_ptr()
    with dropped_weights([weight], 0.3):
        zero = weight == 0
        assert 0.25 < zero.float().mean() < 0.35
        torch.testing.assert_close(weight[~zero], before[~zero] / 0.7)
    assert torch.equal(weight, before)
    assert weight.data_ptr() == place


def test_gradients_pass_the_mask() -> None:
    """d/dw of f(w m) is m f'(w m); with f(v) = v and a rate of one half, m is 0 or 2."""
    weight = nn.Parameter(torch.ones(20, 20))
    with dropped_weights([weight], 0.5):
        mask = weight.detach().clone()
        weight.sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert torch.equal(weight.grad, mask)
    assert set(mask.flatten().tolist()) == {0.0, 2.0}


def test_shares_drop_what_the_whole_batch_drops() -> None:
    x = torch.ones(5, 3, 40)
    torch.manual_seed(7)
    whole = drop_per_sequence(x, 0.5, training=True)
    for rank in range(2):
        share = Share(rank, 2)
        torch.manual_seed(7)
        with drawn_for(share, 5):
            part = drop_per_sequence(x[share.rows], 0.5, training=True)
        assert torch.equal(part, whole[share.rows])
        after = torch.rand(1)
        torch.manual_seed(7)
        drop_per_sequence(x, 0.5, training=True)
        assert torch.equal(after, torch.rand(1)), "as many random numbers were drawn"
