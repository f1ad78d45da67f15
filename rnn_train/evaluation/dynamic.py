"""Dynamic evaluation: the model is scored on a text and trained on it at the same time.

Krause, Kahembwe, Murray, Renals: "Dynamic evaluation of neural sequence models" (2018). The text is
read in segments. Each segment is first scored and then trained on. The update is theirs: a gradient
step, divided by the root mean square of each weight's gradient on the training text, and a decay
towards the trained weights.
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
    """Hyperparameters of dynamic evaluation.

    The defaults were the best of twelve trials with a one-layer model of tiny Shakespeare, on a
    part of its training text that the model had not seen.
    """

    rate: float = 5e-4
    """Learning rate, for gradients divided by their root mean square."""
    decay: float = 1e-3
    """Decay towards the trained weights at each step. A weight whose gradient has the mean size has
    this decay; with a larger gradient it is larger."""
    segment: int = 20
    """Characters of a segment."""
    statistics: int = 500
    """Number of segments of the training text from which the root mean square is measured."""
    floor: float = 1e-4
    """Added to each root mean square: a weight without a gradient in training must not move far."""


def dynamic_loss(
    model: CharLSTM,
    tokens: NDArray[np.integer],
    training: NDArray[np.integer],
    temperature: float = 1.0,
    adaptation: Adaptation | None = None,
) -> float:
    """Scores a text in one pass; the model is trained on each segment after it was scored.

    Args:
        model: is not changed; a copy of it is trained.
        tokens: [characters], at least 2.
        training: the text that the model was trained on, [characters].
        temperature: every logit is divided by it.
        adaptation: hyperparameters; None: the defaults.

    Returns:
        Nats per character.
    """
    adaptation = adaptation or Adaptation()
    adapting = _AdaptingModel(model, temperature)
    adapting.measure_gradients(training, adaptation)
    total = 0.0
    with progress_bar(len(tokens) - 1, "dynamic evaluation", unit=" characters") as bar:
        for loss, scored in adapting.read(tokens, adaptation.segment):
            total += float(loss.detach()) * scored
            adapting.learn(loss, adaptation)
            bar.update(scored)
    return total / (len(tokens) - 1)


class _AdaptingModel:
    """A copy of a model that is trained while it reads."""

    def __init__(self, model: CharLSTM, temperature: float) -> None:
        config = dataclasses.replace(
            model.config, dropout_input=0.0, dropout_layer=0.0, dropout_output=0.0, weight_drop=0.0
        )
        device = model.embedding.weight.device
        self._model = CharLSTM(config).to(device)
        self._model.load_state_dict(model.state_dict())
        self._model.train()  # cuDNN computes gradients in training mode only
        self._weights = list(self._model.parameters())
        self._trained = [weight.detach().clone() for weight in self._weights]
        self._rms: list[Tensor] = []
        """Root mean square of each weight's gradient on the training text."""
        self._decay: list[Tensor] = []
        self._temperature = temperature

    def read(self, tokens: NDArray[np.integer], segment: int) -> Iterator[tuple[Tensor, int]]:
        """Reads a text in one pass.

        Args:
            tokens: [characters].
            segment: characters of a segment.

        Yields:
            For each segment its mean loss, with gradient, and the number of scored characters.
        """
        device = self._trained[0].device
        state: State = self._model.zeros(1)
        for begin in range(0, len(tokens) - 1, segment):
            piece = tokens[None, begin : begin + segment + 1].astype(np.int64)
            given = torch.from_numpy(piece).to(device)
            logits, after = self._model(given[:, :-1], state)
            state = tuple(each.detach() for each in after)
            loss = cross_entropy(logits[0].float() / self._temperature, given[0, 1:])
            yield loss, piece.shape[1] - 1

    def measure_gradients(self, training: NDArray[np.integer], adaptation: Adaptation) -> None:
        """Measures the root mean square of each weight's gradient on the training text."""
        squares = [torch.zeros_like(weight) for weight in self._trained]
        beginning = training[: adaptation.statistics * adaptation.segment + 1]
        count = 0
        for loss, _ in self.read(beginning, adaptation.segment):
            for square, gradient in zip(squares, self._gradients(loss), strict=True):
                square.addcmul_(gradient, gradient)
            count += 1
        self._rms = [(square / count).sqrt() for square in squares]
        # A weight with larger gradients decays faster. A decay of 1 is a full return.
        numbers = sum(rms.numel() for rms in self._rms)
        mean = float(sum(rms.sum() for rms in self._rms)) / numbers
        self._decay = [(adaptation.decay * rms / mean).clamp(max=1.0) for rms in self._rms]

    def learn(self, loss: Tensor, adaptation: Adaptation) -> None:
        """Takes one gradient step, and decays the weights towards the trained ones."""
        gradients = self._gradients(loss)
        with torch.no_grad():
            for weight, trained, rms, decay, gradient in zip(
                self._weights, self._trained, self._rms, self._decay, gradients, strict=True
            ):
                step = (trained - weight) * decay
                weight.add_(step).addcdiv_(gradient, rms + adaptation.floor, value=-adaptation.rate)

    def _gradients(self, loss: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(loss, self._weights)
