"""Cells of a user: traced and exported, or refused with the reason."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

import rnn_infer
from rnn_train.data.alphabet import BEGIN, END, Alphabet
from rnn_train.data.rows import Rows
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.models.cells import CELLS, Cell, State
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.tasks.classifier.objective import ClassifierObjective
from tests.train.exporting.examples import operators

Refused = Callable[[nn.Module, ModelCard, str], None]


class Springy(Cell):
    """Position and speed: two states, with `project` and `output` overridden."""

    def __init__(self, input_size: int, width: int) -> None:
        super().__init__(input_size, {"place": width, "speed": width})
        self.pull = nn.Linear(input_size, width)
        self.mix = nn.Linear(2 * width, width)

    @property
    def output_size(self) -> int:
        return 2 * self.state_sizes["place"]

    def project(self, x: Tensor) -> Tensor:
        return torch.tanh(self.pull(x))

    def forward(self, x: Tensor, state: State) -> State:
        place, speed = state
        speed = 0.9 * speed + 0.1 * torch.relu(self.mix(torch.cat([place, speed], -1))) + 0.1 * x
        return place + 0.1 * speed, speed

    def output(self, x: Tensor, state: State) -> Tensor:
        place, speed = state
        return torch.cat([torch.sigmoid(place) * x, speed.clamp(-1, 1)], -1)


class Plain(Cell):
    """The shortest possible cell: no `project`."""

    def __init__(self, input_size: int, width: int) -> None:
        super().__init__(input_size, {"s": width})
        self.mix = nn.Linear(input_size + width, width)

    def step(self, x: Tensor, s: Tensor) -> Tensor:
        return torch.tanh(self.mix(torch.cat([x, s], -1)))

    def forward(self, x: Tensor, state: State) -> State:
        return (self.step(x, state[0]),)


class Uneven(Cell):
    """Its gate is narrower than its candidate, and both come from one product."""

    def __init__(self, input_size: int, width: int) -> None:
        super().__init__(input_size, {"s": width})
        self.mix = nn.Linear(input_size + width, width + 1)

    def forward(self, x: Tensor, state: State) -> State:
        (s,) = state
        candidate, gate = self.mix(torch.cat([x, s], -1)).split([s.shape[-1], 1], -1)
        return (s + torch.sigmoid(gate) * (torch.tanh(candidate) - s),)


class Sine(Plain):
    def step(self, x: Tensor, s: Tensor) -> Tensor:
        return torch.sin(super().step(x, s))


class Branching(Plain):
    def step(self, x: Tensor, s: Tensor) -> Tensor:
        s = super().step(x, s)
        return s if s.sum() > 0 else -s


class MixingStreams(Plain):
    def step(self, x: Tensor, s: Tensor) -> Tensor:
        s = super().step(x, s)
        return s - s.mean(0, keepdim=True)


CARD = ModelCard(
    vocabulary=tuple("\n abcdefghi"),
    unknown=3,
    normalization="NFC",
    labels=("no", "perhaps", "yes"),
    begin="\n",
    end=" ",
    log_prior=(-1.0, -1.1, -1.2),
)
ROWS = Rows(("abba", "bad", "cage", "hide", "dig", "big"), ("yes", "no", "yes", "no", "no", "yes"))


def own_classifier() -> RecurrentClassifier:
    """Make a classifier for CARD from the cell that is registered as "own"."""
    return RecurrentClassifier(
        ClassifierConfig(
            vocabulary=len(CARD.vocabulary),
            labels=len(CARD.labels),
            cell="own",
            embedding=5,
            hidden=6,
            pool=False,
        )
    )


@pytest.mark.parametrize(("cell", "layers"), [(Springy, 1), (Plain, 2)])
def test_a_users_cell_is_trained_exported_and_run(
    cell: type[Cell], layers: int, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CELLS, "own", cell)
    alphabet = Alphabet.of(ROWS)
    model = RecurrentClassifier(
        ClassifierConfig(
            vocabulary=len(alphabet.vocabulary),
            labels=2,
            cell="own",
            embedding=5,
            hidden=6,
            layers=layers,
            pool=False,
        )
    )
    cpu = torch.device("cpu")
    objective = ClassifierObjective(model, alphabet, ROWS, ROWS, 6, 0.0, 0, cpu)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.eval()  # without dropout, one step along the gradient must lower the loss
    before, _ = objective.loss(0)
    before.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in model.parameters())
    optimizer.step()
    assert objective.loss(0)[0] < before

    card = ModelCard(
        vocabulary=alphabet.vocabulary,
        unknown=alphabet.unknown,
        labels=alphabet.labels,
        begin=BEGIN,
        end=END,
        log_prior=alphabet.log_prior(ROWS),
    )
    shown = export(model, card, out)
    assert all(value < 1e-4 for value in shown.values())
    loaded = rnn_infer.Classifier.load(out)
    for text, tokens in zip(ROWS.texts, alphabet.encode(ROWS.texts), strict=True):
        with torch.inference_mode():
            logits, _ = model(torch.from_numpy(tokens[None]), model.zeros(1))
        expected = logits[0, -1]
        assert loaded.classify(text).label == alphabet.labels[int(expected.argmax())]


@pytest.mark.parametrize("steps", [None, 1, 2])
def test_uneven_split_is_sliced_for_a_cuda_graph(
    steps: int | None, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CELLS, "own", Uneven)
    shown = export(own_classifier(), CARD, out, steps=steps, without_if=steps is None)
    assert all(value < 1e-4 for value in shown.values())
    kinds = operators(onnx.load(out).graph)
    assert ("Split" in kinds, "Slice" in kinds) == (steps != 1, steps is not None)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (Sine, r"the cell uses ai\.onnx\.Sin, .*rnn_infer/contract\.py"),
        (Branching, "the cell cannot be traced"),
        (MixingStreams, "failed its proof: batch differs by"),
    ],
)
def test_cells_that_cannot_be_exported(
    cell: type[Cell], message: str, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CELLS, "own", cell)
    refused(own_classifier(), CARD, message)


def test_tracing_is_silent(
    out: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(CELLS, "own", Plain)
    export(own_classifier(), CARD, out)
    assert capfd.readouterr() == ("", "")
