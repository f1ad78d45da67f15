"""Drawing tokens with torch, for the samples that training shows."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rnn_train.models.charlm import CharLSTM


@torch.inference_mode()
def generate(
    model: CharLSTM, start: int, length: int, temperature: float = 0.8, seed: int = 0
) -> list[int]:
    """Draw tokens from the zero state.

    Args:
        model: in evaluation mode.
        start: the first token that is read. It is not part of the result.
        length: number of tokens to draw.
        temperature: divides the logits; above 0.
        seed: of the random numbers.

    Returns:
        The drawn tokens.
    """
    device = model.embedding.weight.device
    generator = torch.Generator(device=device).manual_seed(seed)
    token = torch.tensor([[start]], device=device)
    state = model.zeros(1)
    drawn = []
    with without_onednn():
        for _ in range(length):
            logits, state = model(token, state)
            weights = torch.softmax(logits[:, -1].float() / temperature, -1)
            token = torch.multinomial(weights, 1, generator=generator)
            drawn.append(int(token))
    return drawn


@contextmanager
def without_onednn() -> Iterator[None]:
    """Use torch's own kernels while the block runs.

    oneDNN's LSTM repacks its weights at every call, which makes single steps five times slower.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch looks for Intel GPUs here, and may warn
        flags = torch.backends.mkldnn.flags(enabled=False)
        flags.__enter__()
    try:
        yield
    finally:
        flags.__exit__(None, None, None)
