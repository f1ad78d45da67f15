"""Dynamic evaluation: a model that goes on learning from the text it has just been scored on.

Krause, Kahembwe, Murray, Renals: "Dynamic evaluation of neural sequence models" (2018), with their
update: gradient descent scaled by each weight's gradient size in training, and a pull back to the
trained weights.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnn_train.models.cells import State
from rnn_train.models.charlm import CharLSTM
from rnn_train.progress import progress_bar


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adaptation:
    """How fast a model follows the text. Defaults: the best of a dozen tries with a one-layer model
    of tiny Shakespeare, on a slice of its training side that the model had not seen."""

    rate: float = 5e-4
    """Size of a step, in units of a weight's usual gradient."""
    decay: float = 1e-3
    """Share of the way back to the trained weights at each step, for a weight of usual size."""
    segment: int = 20
    """Characters scored, and then learnt from, at a time."""
    statistics: int = 500
    """Segments of the training text that the usual gradients are taken from."""
    floor: float = 1e-4
    """Added to a usual gradient, so that a weight that never had one stays in place."""


def dynamic_loss(
    model: CharLSTM,
    tokens: NDArray[np.integer],
    training: NDArray[np.integer],
    temperature: float = 1.0,
    adaptation: Adaptation | None = None,
) -> float:
    """Nats a character of one pass in which each segment is scored first and then learnt from.

    Args:
        model: left as it is.
        tokens: [characters], at least 2.
        training: the text the model was trained on, for the usual size of each gradient.
        temperature: divides the logits.
    """
    how = adaptation or Adaptation()
    follower = _AdaptingModel(model, temperature)
    follower.measure(training, how)
    total = 0.0
    with progress_bar(len(tokens) - 1, "dynamic evaluation", unit=" characters") as bar:
        for loss, scored in follower.read(tokens, how.segment):
            total += float(loss.detach()) * scored
            follower.learn(loss, how)
            bar.update(scored)
    return total / (len(tokens) - 1)


class _AdaptingModel:
    """A copy of a model that changes as it reads."""

    def __init__(self, model: CharLSTM, temperature: float) -> None:
        config = dataclasses.replace(
            model.config, dropout_input=0.0, dropout_layer=0.0, dropout_output=0.0, weight_drop=0.0
        )
        device = model.embedding.weight.device
        self._model = CharLSTM(config).to(device)
        self._model.load_state_dict(model.state_dict())
        self._model.train()  # cuDNN differentiates in training mode only
        self._weights = list(self._model.parameters())
        self._trained = [weight.detach().clone() for weight in self._weights]
        self._usual: list[Tensor] = []
        self._pull: list[Tensor] = []
        self._temperature = temperature

    def read(self, tokens: NDArray[np.integer], segment: int) -> Iterator[tuple[Tensor, int]]:
        """One pass: each segment's mean loss with its graph, and its scored characters."""
        device = self._trained[0].device
        state: State = self._model.zeros(1)
        for begin in range(0, len(tokens) - 1, segment):
            piece = tokens[None, begin : begin + segment + 1].astype(np.int64)
            given = torch.from_numpy(piece).to(device)
            logits, after = self._model(given[:, :-1], state)
            state = tuple(each.detach() for each in after)
            loss = cross_entropy(logits[0].float() / self._temperature, given[0, 1:])
            yield loss, piece.shape[1] - 1

    def measure(self, training: NDArray[np.integer], how: Adaptation) -> None:
        """Takes each weight's usual gradient, its root mean square, from the training text."""
        squares = [torch.zeros_like(weight) for weight in self._trained]
        stretch = training[: how.statistics * how.segment + 1]
        count = 0
        for loss, _ in self.read(stretch, how.segment):
            for square, gradient in zip(squares, self._gradients(loss), strict=True):
                square.addcmul_(gradient, gradient)
            count += 1
        self._usual = [(square / count).sqrt() for square in squares]
        # A weight that matters more is pulled back harder, at most all the way.
        numbers = sum(usual.numel() for usual in self._usual)
        mean = float(sum(usual.sum() for usual in self._usual)) / numbers
        self._pull = [(how.decay * usual / mean).clamp(max=1.0) for usual in self._usual]

    def learn(self, loss: Tensor, how: Adaptation) -> None:
        """One step down the gradient, and one back towards the trained weights."""
        gradients = self._gradients(loss)
        with torch.no_grad():
            for weight, trained, usual, pull, gradient in zip(
                self._weights, self._trained, self._usual, self._pull, gradients, strict=True
            ):
                step = (trained - weight) * pull
                weight.add_(step).addcdiv_(gradient, usual + how.floor, value=-how.rate)

    def _gradients(self, loss: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(loss, self._weights)
