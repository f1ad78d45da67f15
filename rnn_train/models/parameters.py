"""The size of a model."""

from torch import nn


def parameter_count(model: nn.Module) -> int:
    """Return the number of scalars in all parameters of a model."""
    return sum(parameter.numel() for parameter in model.parameters())
