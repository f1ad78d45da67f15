"""Training: characters a second of this project's loop against the loop that tutorials write.

    python -m benchmarks.training [--threads N] [--before FOLDER]

The tutorial's: windows from a DataLoader, one-hot input, `nn.LSTM`, Adam, float32, the state zero
at each window. The same model, batch and window in both; training steps, optimizer included.
`--before` is a folder with another version of this project, whose loop takes turns with this one.
`products` is the limit of the processor: the matrix products of the LSTM layers alone, in our
precision, each over all characters of a window at once. A step that ends sooner is not possible.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot
from torch.utils.data import DataLoader, Dataset

from rnn_train.data.streams import ArrayRing, Streams
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.training.config import TrainingConfig
from rnn_train.training.device import pick_precision
from rnn_train.training.loop import Trainer
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

from .harness import Work, apart, race, work_of_other, write

VOCABULARY, BATCH, WINDOW = 65, 32, 64
SHAPES = ((1, 256), (1, 384), (2, 512))


class _Windows(Dataset[tuple[Tensor, Tensor]]):
    """All windows of a text, as tutorials cut it."""

    def __init__(self, tokens: Tensor, window: int) -> None:
        self._tokens = tokens
        self._window = window

    def __len__(self) -> int:
        return len(self._tokens) - self._window - 1

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        window = self._tokens[index : index + self._window + 1]
        return one_hot(window[:-1], VOCABULARY).float(), window[1:]


class _Tutorial(nn.Module):
    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(VOCABULARY, width, layers, batch_first=True)
        self.head = nn.Linear(width, VOCABULARY)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.lstm(x)[0])
        return logits


def tutorial(
    layers: int,
    width: int,
    tokens: Tensor,
    device: str = "cpu",
    batch: int = BATCH,
    window: int = WINDOW,
) -> Work:
    """The loop as tutorials write it."""
    model = _Tutorial(layers, width).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(_Windows(tokens, window), batch_size=batch, shuffle=True)
    batches = iter(loader)

    def work(count: int) -> None:
        for _ in range(count):
            x, y = (each.to(device) for each in next(batches))
            optimizer.zero_grad()
            loss = cross_entropy(model(x).flatten(0, 1), y.flatten())
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        loss.item()  # on a GPU all of it only begins before this

    return work


def ours(
    layers: int,
    width: int,
    tokens: NDArray[np.uint8],
    folder: Path,
    device_name: str = "cpu",
    capture: bool = True,
    batch: int = BATCH,
    window: int = WINDOW,
) -> Work:
    """This project's loop: `Trainer.fit`, with nothing to validate."""
    config = CharLSTMConfig(
        vocabulary=VOCABULARY, embedding=VOCABULARY, hidden=width, layers=layers
    )
    training = TrainingConfig(batch=batch, window=window, validate_every=1e9)
    names = tuple(chr(0x4E00 + i) for i in range(VOCABULARY))
    device = torch.device(device_name)
    objective = CharLMObjective(
        CharLSTM(config).to(device),
        Streams(ArrayRing(tokens), batch, window, 0),
        tokens[:0],
        names,
        0,
        device,
        capture=capture,
    )
    run = Run.create("charlm", folder / f"{layers}x{width}")
    run.write_config({})
    trainer = Trainer(run, objective, Schedule(4e-3, steps=10**9, minutes=None), training, device)

    def work(count: int) -> None:
        for _ in range(count):
            trainer.take_step(4e-3)

    return work


def products(layers: int, width: int) -> Work:
    """The products of the LSTM layers of one step: forward, and for two gradients."""
    kind = pick_precision(torch.device("cpu"), bfloat16=True)
    operands = []
    for layer in range(layers):
        inner = width + (width if layer else VOCABULARY)
        left = torch.randn(BATCH * WINDOW, inner).to(kind)
        operands.append((left, torch.randn(inner, 4 * width).to(kind)))

    def work(count: int) -> None:
        for _ in range(3 * count):
            for left, right in operands:
                torch.mm(left, right)

    return work


_BEFORE = """
import sys, tempfile
from pathlib import Path
import numpy as np, torch
from benchmarks.training import VOCABULARY, ours
layers, width, threads = map(int, sys.argv[1:])
torch.set_num_threads(threads)
tokens = np.random.default_rng(0).integers(VOCABULARY, size=400_000).astype(np.uint8)
with tempfile.TemporaryDirectory() as folder:
    work = ours(layers, width, tokens, Path(folder))
    for line in sys.stdin:
        work(int(line))
        print("done", flush=True)
"""


def _before(sources: Path, layers: int, width: int, threads: int) -> Work:
    """Starts the loop of another version, which works when its turn comes."""
    return work_of_other(sources, _BEFORE, [str(layers), str(width), str(threads)])


def _with_threads(threads: int, make: Callable[..., Work], *arguments: Any) -> Work:
    torch.set_num_threads(threads)
    return make(*arguments)


def main() -> None:
    """Measures all shapes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--before", type=Path)
    asked = parser.parse_args()
    tokens = np.random.default_rng(0).integers(VOCABULARY, size=400_000).astype(np.uint8)
    text = torch.from_numpy(tokens.astype(np.int64))
    races = []
    with tempfile.TemporaryDirectory() as folder:
        for layers, width in SHAPES:
            # Each in a process of its own: ours changes how its process keeps memory.
            shape = (layers, width)
            contestants = {
                "ours": apart(_with_threads, asked.threads, ours, *shape, tokens, Path(folder)),
                "tutorial": apart(_with_threads, asked.threads, tutorial, *shape, text),
            }
            contestants["products"] = apart(_with_threads, asked.threads, products, *shape)
            if asked.before:
                contestants["before"] = _before(asked.before, *shape, asked.threads)
            found = race(f"{layers}×{width}", "step", contestants, rounds=7, slice_=0.5)
            races.append(found)
            rate = BATCH * WINDOW / found.typical("ours")
            times = ", ".join(
                f"{found.ratio('ours', rival):.2f} × {rival}" for rival in list(contestants)[1:]
            )
            print(f"{found.name}: {rate:,.0f} characters/s, {times}", flush=True)
    write("training", races, threads=asked.threads)


if __name__ == "__main__":
    main()
