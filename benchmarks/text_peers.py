"""Two peers of `rnn-train charlm`: what people train on a text of their own on a CPU.

- nanoGPT's recipe for a CPU, by its published hyperparameters: 4 layers, 4 heads, width 128,
  64 characters of context, batch 12, AdamW 1e-3 to 1e-4 (beta2 0.99, weight decay 0.1), no
  dropout, gradients clipped at 1, a tenth of the text held out. The checkpoint that is best on 20
  batches of it, read every 250 steps, is kept. The schedule ends with the minutes, not after 2,000
  steps.
- A plain `nn.LSTM` of 1×384 with AdamW 5e-3, a cosine, and the state carried along, that learns the
  whole text, in bfloat16 where the processor has it.

The minutes are CPU time of a thread, from the first step. So imports and set-up are free for the
peers, and other programs take nothing from them.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

_CONTEXT, _BATCH = 64, 12
_CHECK_STEPS, _CHECK_BATCHES = 250, 20
_STREAMS, _WINDOW = 32, 64
_PIECE = 4096
_TEMPERATURES = (1.0, 0.8, 0.9, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0)


@dataclass(frozen=True)
class PeerScore:
    """Nats a character of a text that a peer never saw."""

    nats: float
    """At temperature 1: the peers fit none."""
    best_temperature_nats: float
    """At the temperature that fits this text best, which nobody can know before."""

    @classmethod
    def of(cls, sums: Tensor, characters: int) -> "PeerScore":
        """Takes the sums of the loss at `_TEMPERATURES`, [temperatures]."""
        nats = (sums / characters).tolist()
        return cls(nats[0], min(nats))


Peer = Callable[[Tensor, Tensor, int, float, int], PeerScore]
"""Trains on tokens [time] for some seconds, and scores other tokens. Also takes the number of
different tokens, before the seconds, and a seed, after them."""


def _seconds() -> float:
    """CPU seconds of this process, by thread."""
    return time.process_time() / torch.get_num_threads()


def _sums(logits: Tensor, targets: Tensor) -> Tensor:
    """Sums the loss of logits [characters, vocabulary] at each of `_TEMPERATURES`."""
    return torch.stack(
        [cross_entropy(logits / each, targets, reduction="sum").double() for each in _TEMPERATURES]
    )


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width, bias=False) for _ in range(2)])
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, time_, width = x.shape
        split = self.qkv(self.norms[0](x)).view(batch, time_, 3, self.heads, -1)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, time_, width))
        after: Tensor = x + self.down(nn.functional.gelu(self.up(self.norms[1](x))))
        return after


class _Transformer(nn.Module):
    def __init__(self, vocabulary: int, width: int = 128, layers: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.characters = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(_CONTEXT, width)
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                small = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * layers) if small else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.characters(tokens) + self.places.weight[: tokens.shape[1]]
        logits: Tensor = self.norm(self.blocks(x)) @ self.characters.weight.T
        return logits


def nano_gpt(
    text: Tensor, future: Tensor, vocabulary: int, seconds: float, seed: int = 0
) -> PeerScore:
    """See the module. The future is read with half a context before each character, or more."""
    torch.manual_seed(seed)
    model = _Transformer(vocabulary)
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    vectors = [weight for weight in model.parameters() if weight.dim() < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1)
    train, held_out = text[: -len(text) // 10], text[-len(text) // 10 :]
    offsets = torch.arange(_CONTEXT + 1)
    best, kept = math.inf, model.state_dict()
    step, done, began = 0, 0.0, _seconds()
    while done < 1:
        rate = 1e-4 + 4.5e-4 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100)
        at = torch.randint(len(train) - _CONTEXT, (_BATCH, 1)) + offsets
        windows = train[at]
        optimizer.zero_grad()
        cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten()).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        done = (_seconds() - began) / seconds
        if (step % _CHECK_STEPS == 0 or done >= 1) and (loss := _checked(model, held_out)) < best:
            best, kept = loss, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    return _windows_score(model, future)


@torch.no_grad()
def _checked(model: nn.Module, held_out: Tensor) -> float:
    """Nats a character of batches from all over the held-out text."""
    count = _CHECK_BATCHES * _BATCH
    starts = torch.linspace(0, len(held_out) - _CONTEXT - 1, count).long()
    windows = held_out[starts[:, None] + torch.arange(_CONTEXT + 1)]
    logits = model(windows[:, :-1])
    return cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten()).item()


@torch.no_grad()
def _windows_score(model: nn.Module, tokens: Tensor) -> PeerScore:
    """Scores every character but the first once, in windows that overlap by half."""
    last = len(tokens) - _CONTEXT - 1
    starts = torch.unique(torch.cat([torch.arange(0, last, _CONTEXT // 2), torch.tensor([last])]))
    before = torch.cat([torch.zeros(1, dtype=torch.long), starts[:-1] + _CONTEXT])
    places = starts[:, None] + torch.arange(_CONTEXT + 1)
    sums = torch.zeros(len(_TEMPERATURES), dtype=torch.double)
    for begin in range(0, len(starts), 256):
        rows = places[begin : begin + 256]
        fresh = rows[:, 1:] > before[begin : begin + 256, None]
        windows = tokens[rows]
        sums += _sums(model(windows[:, :-1])[fresh], windows[:, 1:][fresh])
    return PeerScore.of(sums, len(tokens) - 1)


class _LSTM(nn.Module):
    def __init__(self, vocabulary: int, width: int = 384) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(
        self, tokens: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        out, state = self.lstm(self.embedding(tokens), state)
        assert state is not None
        return self.head(out), state


def plain_lstm(
    text: Tensor, future: Tensor, vocabulary: int, seconds: float, seed: int = 0
) -> PeerScore:
    """See the module. The future is read once, with the state carried along."""
    torch.manual_seed(seed)
    model = _LSTM(vocabulary)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    half = torch.cpu._is_avx512_bf16_supported()
    length = (len(text) - 1) // _STREAMS
    inputs = text[: _STREAMS * length].view(_STREAMS, length)
    targets = text[1 : _STREAMS * length + 1].view(_STREAMS, length)
    state, at = None, 0
    began = _seconds()
    while (done := (_seconds() - began) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 2.5e-3 * (1 + math.cos(math.pi * done))
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits, state = model(inputs[:, at : at + _WINDOW], state)
        wanted = targets[:, at : at + _WINDOW].flatten()
        cross_entropy(logits.float().flatten(0, 1), wanted).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        state = (state[0].detach(), state[1].detach())
        at += _WINDOW
        if at >= length:
            state, at = None, 0
    return _stateful_score(model, future)


@torch.no_grad()
def _stateful_score(model: nn.Module, tokens: Tensor) -> PeerScore:
    state, sums = None, torch.zeros(len(_TEMPERATURES), dtype=torch.double)
    for begin in range(0, len(tokens) - 1, _PIECE):
        part = tokens[begin : begin + _PIECE + 1][None]
        logits, state = model(part[:, :-1], state)
        sums += _sums(logits[0], part[0, 1:])
    return PeerScore.of(sums, len(tokens) - 1)


PLAIN = "plain nn.LSTM"
PEERS: dict[str, Peer] = {"nanoGPT, CPU recipe": nano_gpt, PLAIN: plain_lstm}
