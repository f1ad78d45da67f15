"""Muon: orthogonalization and the update rule."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rnn_train.training.optimizers.muon import Muon, orthogonalized


def nearest_orthogonal(matrix: Tensor) -> Tensor:
    """Computes U Vᵀ with numpy's singular value decomposition."""
    u, _, vt = np.linalg.svd(matrix.double().numpy(), full_matrices=False)
    return torch.from_numpy(u @ vt)


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (64, 64), (96, 16), (16, 96)])
def test_singular_values_are_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    blocks = torch.randn(3, *shape) * torch.tensor([1e-3, 1.0, 1e3])[:, None, None]
    result = orthogonalized(blocks)
    assert result.shape == blocks.shape
    assert result.dtype == blocks.dtype
    values = torch.linalg.svdvals(result)
    assert values.max() < 1.3
    if 1 not in shape and shape[0] != shape[1]:  # a square matrix has singular values near 0
        assert values.min() > 0.7
    for block, got in zip(blocks, result, strict=True):
        exact = nearest_orthogonal(block)
        similarity = float((exact * got).sum() / exact.norm() / got.norm())
        assert similarity > 0.97


def test_small_singular_values_grow_to_one() -> None:
    """A typical gradient has one large singular value and many small ones."""
    torch.manual_seed(1)
    one = torch.randn(256, 1) @ torch.randn(1, 64)
    for spread in (torch.randn(256, 64) * torch.logspace(0, -3, 64), one + torch.randn(256, 64)):
        result = orthogonalized(spread[None])[0]
        assert torch.linalg.svdvals(result).max() < 1.1
        u, before, v = np.linalg.svd(spread.double().numpy(), full_matrices=False)
        along = np.diag(u.T @ result.double().numpy() @ v.T)
        assert (along[before > 0.02 * before[0]] > 0.9).all()


def test_zero_matrix_stays_zero() -> None:
    assert not orthogonalized(torch.zeros(2, 4, 6)).any()


def stepped(weight: Tensor, gradients: list[Tensor], **options: Any) -> Tensor:
    parameter = nn.Parameter(weight.clone())
    optimizer = Muon([parameter], **options)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


def test_matrices_of_many_shapes() -> None:
    torch.manual_seed(2)
    shapes = [(4, 6), (8, 3), (4, 6)]
    weights = [nn.Parameter(torch.randn(*shape)) for shape in shapes]
    before = [weight.detach().clone() for weight in weights]
    gradients = [torch.randn(*shape) for shape in shapes]
    without_gradient = nn.Parameter(torch.randn(4, 6))
    kept = without_gradient.detach().clone()
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient
    Muon([*weights, without_gradient], lr=0.1).step()
    for weight, start, gradient in zip(weights, before, gradients, strict=True):
        torch.testing.assert_close(weight.detach(), stepped(start, [gradient], lr=0.1))
    assert torch.equal(without_gradient, kept), "a weight without a gradient has changed"


def test_update_rule() -> None:
    """Nesterov momentum, the scale of AdamW's updates, and decoupled weight decay."""
    torch.manual_seed(3)
    weight, gradients = torch.randn(6, 10), [torch.randn(6, 10) for _ in range(2)]
    expected, mean = weight.clone(), torch.zeros(6, 10)
    for gradient in gradients:
        mean = 0.9 * mean + 0.1 * gradient
        update = orthogonalized((0.1 * gradient + 0.9 * mean)[None])[0]
        expected = expected * (1 - 0.05 * 0.3) - 0.05 * 0.2 * 10**0.5 * update
    got = stepped(weight, gradients, lr=0.05, momentum=0.9, weight_decay=0.3)
    torch.testing.assert_close(got, expected)


def test_updates_are_as_large_as_those_of_adam() -> None:
    torch.manual_seed(4)
    weight, gradient = torch.zeros(256, 256), torch.randn(256, 256)
    step = stepped(weight, [gradient], lr=0.01)
    assert float(step.square().mean().sqrt()) == pytest.approx(0.2 * 0.01, rel=0.15)


def test_restored_optimizer_goes_on_exactly() -> None:
    torch.manual_seed(5)
    weight, gradients = torch.randn(4, 4), [torch.randn(4, 4) for _ in range(4)]
    first = nn.Parameter(weight.clone())
    optimizer = Muon([first], lr=0.1)
    for gradient in gradients[:2]:
        first.grad = gradient
        optimizer.step()
    second = nn.Parameter(first.detach().clone())
    again = Muon([second], lr=9.0)
    again.load_state_dict(optimizer.state_dict())
    for gradient in gradients[2:]:
        second.grad = gradient
        again.step()
    assert torch.equal(second.detach(), stepped(weight, gradients, lr=0.1))
