"""An embedding that also tells which token it was."""

import torch
from torch import Tensor, nn


class CodedEmbedding(nn.Module):
    """An embedding whose last column is the token's code, token + 1, for `NGramCell`."""

    codes: Tensor

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(vocabulary, width) * width**-0.5)
        self.register_buffer("codes", torch.arange(1.0, vocabulary + 1)[:, None], persistent=False)

    @property
    def weight(self) -> Tensor:
        """The whole table [vocabulary, width + 1]."""
        return torch.cat([self.vectors, self.codes], 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Look tokens [...] up: [..., width + 1]."""
        return nn.functional.embedding(tokens, self.weight)
