"""Does the exported file say what the model says? Asked through `rnn_infer`, before it is written.

Every comparison is between two ways to the same numbers; the largest difference of each goes
into the file. The tolerance is for rounding alone.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rnn_infer.contract import Golden
from rnn_infer.errors import RnnInferError
from rnn_infer.runtime.stepper import State, Stepper
from rnn_infer.sampling import Sampling, Uniforms, draw
from rnn_train.errors import ExportError

TOLERANCE = 1e-4
MAX_ROUNDING_LOSS = 0.01
"""Nats a character, or a text, that rounded weights may cost."""
Loss = Callable[[Stepper], float]
"""How well a file foretells data, in nats a character (or a text); less is better."""
_BATCH, _TIME, _STEPS, _GOLDEN = 3, 24, 24, 16
_SAMPLINGS = (
    Sampling(temperature=1.0),
    Sampling(temperature=0.0),
    Sampling(temperature=0.8, top_k=5),
    Sampling(temperature=1.2, top_p=0.9),
    Sampling(temperature=0.7, top_k=20, top_p=0.8),
)


@contextmanager
def opened(data: bytes) -> Iterator[Stepper]:
    """A stepper over a file's bytes, read exactly as a user's would be."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "draft.onnx"
        path.write_bytes(data)
        try:
            yield Stepper.open(path, device="cpu")
        except RnnInferError as error:
            message = str(error).replace(str(path), "the draft")
            raise ExportError(f"rnn_infer refuses the exported file: {message}") from error


def record(stepper: Stepper) -> Golden:
    """One run from zero state, for `verify` to repeat."""
    tokens = _tokens(stepper, (1, _GOLDEN), seed=1)
    logits, _ = stepper.forward(tokens, stepper.zeros(1))
    uniform, generated = np.empty(0, np.float32), np.empty(0, np.int64)
    if stepper.file.generates:
        uniform = Uniforms(1).take(_GOLDEN)
        drawn, _ = stepper.draw(tokens, stepper.zeros(1), uniform[None], Sampling(temperature=1.0))
        generated = drawn[0]
    return Golden(
        tokens=tuple(tokens[0].tolist()),
        logits=tuple(round(value, 6) for value in logits[0, -1].tolist()),
        uniform=tuple(uniform.tolist()),
        generated=tuple(generated.tolist()),
    )


def prove(model: nn.Module, temperature: float, stepper: Stepper) -> dict[str, float]:
    """Runs all comparisons.

    Args:
        model: what the file was made from, on the CPU, in evaluation mode; `model(tokens, state)`.
        temperature: what its logits were divided by.

    Raises:
        ExportError: one of them fails; names it.
    """
    tokens = _tokens(stepper, (_BATCH, _TIME), seed=2)
    whole, state = stepper.forward(tokens, stepper.zeros(_BATCH))
    against_torch = _torch_difference(model, temperature, tokens, whole, state)
    return _prove({"torch": against_torch, **_consistency(stepper)}, stepper)


def prove_rounded(exact: Stepper, rounded: Stepper, loss: Loss, weights: str) -> dict[str, float]:
    """Runs the comparisons of a file of rounded weights, and measures what they cost.

    Args:
        exact: the same model in float32.

    Returns:
        The proof's figures, and how much worse than `exact` it is (nats), as `int8_loss` or
        `float16_loss`. A batch's text may differ from one stream's by rounding in float16 alone.

    Raises:
        ExportError: a comparison fails, or it is worse by more than MAX_ROUNDING_LOSS.
    """
    cost = loss(rounded) - loss(exact)
    if not cost <= MAX_ROUNDING_LOSS:
        raise ExportError(
            f"{weights} weights make this model worse by {cost:.2g} nats, over "
            f"{MAX_ROUNDING_LOSS}; nothing was written: export it without --quantize"
        )
    shown = _prove(_consistency(rounded), rounded, same_text=weights != "float16")
    return shown | {f"{weights}_loss": float(f"{cost:.2g}")}


def _consistency(stepper: Stepper) -> dict[str, float]:
    tokens = _tokens(stepper, (_BATCH, _TIME), seed=2)
    whole, state = stepper.forward(tokens, stepper.zeros(_BATCH))
    return {
        "stepwise": _stepwise_difference(stepper, tokens, whole, state),
        "batch": _batch_difference(stepper, tokens, whole),
    }


def _prove(shown: dict[str, float], stepper: Stepper, same_text: bool = True) -> dict[str, float]:
    for name, difference in shown.items():
        if not difference < TOLERANCE:  # NaN fails too
            raise ExportError(
                f"the file failed its proof: {name} differs by {difference:.2g}, "
                f"over {TOLERANCE}; nothing was written"
            )
    if stepper.file.generates:
        _prove_generation(stepper, _tokens(stepper, (_BATCH, _TIME), seed=2), same_text)
    return {name: float(f"{value:.2g}") for name, value in shown.items()}


def _torch_difference(
    model: nn.Module,
    temperature: float,
    tokens: NDArray[np.int64],
    whole: NDArray[np.float32],
    state: State,
) -> float:
    with torch.inference_mode():
        logits, after = model(torch.from_numpy(tokens), model.zeros(len(tokens)))  # type: ignore[operator]
    expected = [logits.numpy() / temperature, *(each.numpy() for each in after)]
    return max(_difference(a, b) for a, b in zip(expected, [whole, *state], strict=True))


def _stepwise_difference(
    stepper: Stepper, tokens: NDArray[np.int64], whole: NDArray[np.float32], state: State
) -> float:
    """One step at a time, and in pieces of 5, against all at once."""
    worst = 0.0
    for size in (1, 5):
        pieces, now = [], stepper.zeros(len(tokens))
        for begin in range(0, tokens.shape[1], size):
            logits, now = stepper.forward(tokens[:, begin : begin + size], now)
            pieces.append(logits)
        worst = max(worst, _difference(np.concatenate(pieces, 1), whole))
        worst = max(worst, *(_difference(a, b) for a, b in zip(now, state, strict=True)))
    return worst


def _batch_difference(
    stepper: Stepper, tokens: NDArray[np.int64], whole: NDArray[np.float32]
) -> float:
    """Each stream alone against all in one batch."""
    alone = [stepper.forward(row[None], stepper.zeros(1))[0] for row in tokens]
    return _difference(np.concatenate(alone), whole)


def _prove_generation(stepper: Stepper, tokens: NDArray[np.int64], same_text: bool) -> None:
    """Draws in one run, in pieces, alone (if `same_text`), and by the numpy rule: the same
    tokens."""
    uniform = np.stack([Uniforms(seed).take(_STEPS) for seed in range(_BATCH)])
    for sampling in _SAMPLINGS:
        at_once, _ = stepper.draw(tokens, stepper.zeros(_BATCH), uniform, sampling)
        pieces, state, now = [], stepper.zeros(_BATCH), tokens
        for begin in range(0, _STEPS, 7):
            piece, state = stepper.draw(now, state, uniform[:, begin : begin + 7], sampling)
            pieces.append(piece)
            now = piece[:, -1:]
        alone = [
            stepper.draw(tokens[i : i + 1], stepper.zeros(1), uniform[i : i + 1], sampling)[0]
            for i in range(_BATCH)
        ]
        for name, other in (
            ("in pieces", np.concatenate(pieces, 1)),
            ("alone", np.concatenate(alone)),
        ):
            if same_text and not np.array_equal(at_once, other):
                raise ExportError(
                    f"the file failed its proof: text drawn {name} differs ({sampling}); "
                    "nothing was written"
                )
        _prove_rule(stepper, tokens, uniform, at_once, sampling)


def _prove_rule(
    stepper: Stepper,
    tokens: NDArray[np.int64],
    uniform: NDArray[np.float32],
    drawn: NDArray[np.int64],
    sampling: Sampling,
) -> None:
    """Teacher-forced: each drawn token against the numpy rule on the same logits.

    A token may differ only where the uniform lies within rounding of a boundary: there a
    uniform moved by that much gives it.
    """
    read = np.concatenate([tokens, drawn[:, :-1]], 1)
    logits, _ = stepper.forward(read, stepper.zeros(len(tokens)))
    logits = logits[:, tokens.shape[1] - 1 :]
    for step in range(drawn.shape[1]):
        candidates = [
            draw(logits[:, step], np.clip(uniform[:, step] + shift, 0, 1), sampling)
            for shift in np.array([0, -1e-5, 1e-5], np.float32)
        ]
        if not np.any([each == drawn[:, step] for each in candidates], 0).all():
            raise ExportError(
                f"the file failed its proof: a drawn token breaks the sampling rule ({sampling}); "
                "nothing was written"
            )


def _tokens(stepper: Stepper, shape: tuple[int, int], seed: int) -> NDArray[np.int64]:
    count = len(stepper.file.metadata.vocabulary)
    return np.random.default_rng(seed).integers(count, size=shape)


def _difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")
