"""Drawing tokens with torch, for the samples shown during training."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rnn_train.models.charlm import CharLSTM


@torch.inference_mode()
def generate(
    model: CharLSTM, start: int, length: int, temperature: float = 0.8, seed: int = 0
) -> list[int]:
    """Draws tokens with torch: for the samples shown while training."""
    device = model.embedding.weight.device
    generator = torch.Generator(device=device).manual_seed(seed)
    token = torch.tensor([[start]], device=device)
    state = model.zeros(1)
    drawn = []
    # oneDNN's LSTM repacks its weights at every call: five times slower for single steps.
    with without_onednn():
        for _ in range(length):
            logits, state = model(token, state)
            weights = torch.softmax(logits[:, -1].float() / temperature, -1)
            token = torch.multinomial(weights, 1, generator=generator)
            drawn.append(int(token))
    return drawn


@contextmanager
def without_onednn() -> Iterator[None]:
    """torch's own kernels: oneDNN's LSTM repacks its weights at every call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch asks about Intel GPUs here
        flags = torch.backends.mkldnn.flags(enabled=False)
        flags.__enter__()
    try:
        yield
    finally:
        flags.__exit__(None, None, None)
