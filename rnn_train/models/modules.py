"""Small functions on torch modules."""

import torch
from torch import Tensor, nn


def parameter_count(model: nn.Module) -> int:
    """Number of trained scalars."""
    return sum(parameter.numel() for parameter in model.parameters())


def drop_per_sequence(x: Tensor, rate: float, training: bool) -> Tensor:
    """Dropout with one mask for all times of a sequence (Gal & Ghahramani, 2016). [B, T, C]"""
    if not rate or not training:
        return x
    mask = torch.bernoulli(x.new_full((x.shape[0], 1, x.shape[2]), 1 - rate)) / (1 - rate)
    return x * mask
