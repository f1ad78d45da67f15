"""A training step of a hand-written cell, compared with torch's own and with the usual loop.

    python -m benchmarks.cells

One layer of the Elman cell, s_t = tanh(W x_t + U s_{t-1} + b), forward and backward over a batch of
sequences: this project's `ElmanCell`, in the precision that a training run takes, with its input
product taken out of time and its gradients by hand; `nn.RNN` (oneDNN); and a Python loop over
`nn.Linear` of the input and the state side by side.
"""

import torch
from torch import Tensor, nn

from rnn_train.models.cells import ElmanCell
from rnn_train.tasks.classifier.objective import BFLOAT16_WIDTH
from rnn_train.training.allocator import keep_freed
from rnn_train.training.device import pick_precision

from .harness import Work, apart, race, write

BATCH, TIME = 64, 32
WIDTHS = (128, 256, 512)


class _PlainLoop(nn.Module):
    """The loop as tutorials write it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), x.shape[2])
        outputs = []
        for t in range(x.shape[1]):
            state = torch.tanh(self.mix(torch.cat([x[:, t], state], 1)))
            outputs.append(state)
        return torch.stack(outputs, 1)


class _Ours(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = ElmanCell(width, width)

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.cell.scan(x, self.cell.zeros(len(x), x))
        return outputs


class _Torch(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.rnn = nn.RNN(width, width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.rnn(x)[0]
        return outputs


def step(kind: type[nn.Module], width: int, threads: int) -> Work:
    """Works one forward pass, a loss and the backward pass."""
    torch.set_num_threads(threads)
    precision = torch.float32
    if kind is _Ours:  # as a training run does it
        keep_freed()
        precision = pick_precision(torch.device("cpu"), width >= BFLOAT16_WIDTH)
    mixed = torch.autocast("cpu", precision, enabled=precision is not torch.float32)
    module, x = kind(width), torch.randn(BATCH, TIME, width, requires_grad=True)

    def work(count: int) -> None:
        for _ in range(count):
            module.zero_grad()
            with mixed:
                outputs = module(x)
            outputs.float().square().mean().backward()

    return work


def main() -> None:
    """Measures all widths, on one core and on all cores."""
    races = []
    for threads in (1, torch.get_num_threads()):
        for width in WIDTHS:
            contestants = {
                "ours": apart(step, _Ours, width, threads),
                "torch nn.RNN": apart(step, _Torch, width, threads),
                "plain loop": apart(step, _PlainLoop, width, threads),
            }
            found = race(f"{width}; {threads} threads", "step", contestants, slice_=0.3)
            races.append(found)
            ratios = {rival: found.ratio("ours", rival) for rival in list(contestants)[1:]}
            print(found.name, {name: f"{ratio:.2f}×" for name, ratio in ratios.items()})
    write("cells", races, batch=BATCH, time=TIME)


if __name__ == "__main__":
    main()
