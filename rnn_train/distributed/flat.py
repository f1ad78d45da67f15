"""Many tensors in one: one message is faster than one for each."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def through_flat(tensors: Sequence[Tensor], exchange: Callable[[Tensor], None]) -> None:
    """Calls `exchange` with one flat tensor of all values, for each type of number; then copies its
    values back.

    Args:
        tensors: of any shapes; they are changed in place.
        exchange: changes a flat tensor in place.
    """
    for kind in dict.fromkeys(each.dtype for each in tensors):
        own = [each.detach() for each in tensors if each.dtype is kind]
        flat = torch.cat([each.reshape(-1) for each in own])
        exchange(flat)
        parts = torch.split(flat, [each.numel() for each in own])
        for each, part in zip(own, parts, strict=True):
            each.copy_(part.view_as(each))
