"""The proof of an export: the file gives the model's numbers, as `rnn_infer` runs it.

Each comparison computes the same numbers in two ways. The largest difference of each goes into
the file. The tolerance allows for rounding only, see `exact`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from torch import nn

from rnn_infer.contract import Golden
from rnn_infer.errors import RnnInferError
from rnn_infer.modelfile.reader import read_model
from rnn_infer.runtime.load_options import LoadOptions
from rnn_infer.runtime.stepper import State, Stepper
from rnn_infer.sampling import Sampling, Uniforms, draw
from rnn_train.errors import ExportError
from rnn_train.exporting.exact import FACTOR, Exact

TOLERANCE = 1e-4
"""Largest difference of a file from itself, relative to the largest logit (at least 1)."""
GOLDEN_TOLERANCE = {"float32": 1e-3, "int8": 1e-2, "float16": 5e-2}
"""How far the logits of a right host may lie from the recorded ones, by the type of the weights. In
int8 a state near the middle of two steps may be rounded the other way, and a host may add products
of float16 in float16. See `golden_tolerance` for large logits."""
_USUAL_LOGIT = 10.0
MAX_ROUNDING_LOSS = 0.01
"""The loss that rounded weights may cost at most, in nats a character, or nats a text."""
Loss = Callable[[Stepper], float]
"""Measures a file's loss on data, in nats a character (or nats a text)."""
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
    """Open a file's bytes with `rnn_infer`, as a user's file is opened.

    Raises:
        ExportError: `rnn_infer` refuses the file, or fails to run it.
    """
    try:
        # Not `Stepper.open`: a draft has no recorded run yet.
        yield Stepper.of(read_model(data), LoadOptions(device="cpu"))
    except RnnInferError as error:
        message = str(error).replace("<bytes>", "the draft")
        raise ExportError(f"rnn_infer refuses the exported file: {message}") from error


def record(stepper: Stepper) -> Golden:
    """Record one run from the zero state, which each reader repeats at load."""
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
        tolerance=GOLDEN_TOLERANCE[str(stepper.file.metadata.training["weights"])],
    )


def golden_tolerance(golden: Golden, figures: dict[str, float]) -> float:
    """Return how far a right host may lie from a recorded run, given how the file is rounded.

    Args:
        golden: as `record` returns it.
        figures: of the proof.
    """
    assert golden.tolerance is not None
    size = max(1.0, max(map(abs, golden.logits)) / _USUAL_LOGIT)
    return _two_digits(max(golden.tolerance * size, 10 * figures.get("torch", 0.0)))


def prove(model: nn.Module, temperature: float, stepper: Stepper) -> dict[str, float]:
    """Run all comparisons of a float32 file.

    Args:
        model: the model behind the file, on the CPU, in evaluation mode; it is called as
            `model(tokens, state)`.
        temperature: divides its logits in the file.
        stepper: runs the file.

    Returns:
        The largest difference of each comparison.

    Raises:
        ExportError: a comparison fails; the message names it.
    """
    tokens = _tokens(stepper, (_BATCH, _TIME), seed=2)
    whole, state = stepper.forward(tokens, stepper.zeros(_BATCH))
    exact = Exact.of(model, temperature, tokens)
    largest, difference, allowed = exact.excess([whole, *state])
    if not difference < allowed:
        raise _failed("torch", difference, allowed)
    rounding = FACTOR * max(float(each.max()) for each in exact.rounding)
    return {"torch": _two_digits(largest), **_check(_consistency(stepper), stepper, rounding)}


def prove_rounded(exact: Stepper, rounded: Stepper, loss: Loss, weights: str) -> dict[str, float]:
    """Run the comparisons of a file with rounded weights, and measure what the rounding costs.

    Args:
        exact: runs the same model in float32.
        rounded: runs the file.
        loss: measures both.
        weights: the number type of the file's large matrices, "int8" or "float16".

    Returns:
        The largest difference of each comparison, and the loss above that of `exact` (nats) as
        `int8_loss` or `float16_loss`. In float16, rounding may give a batch another text than its
        streams alone, so these texts are not compared.

    Raises:
        ExportError: a comparison fails, or the rounding costs more than MAX_ROUNDING_LOSS.
    """
    cost = loss(rounded) - loss(exact)
    if not cost <= MAX_ROUNDING_LOSS:  # NaN fails too
        raise ExportError(
            f"{weights} weights make this model worse by {cost:.2g} nats, over "
            f"{MAX_ROUNDING_LOSS}; nothing was written: export it without --quantize"
        )
    figures = _check(_consistency(rounded), rounded, same_text=weights != "float16")
    return figures | {f"{weights}_loss": float(f"{cost:.2g}")}


def _consistency(stepper: Stepper) -> dict[str, float]:
    """Compare a file with itself: in steps, and in a batch."""
    tokens = _tokens(stepper, (_BATCH, _TIME), seed=2)
    whole, state = stepper.forward(tokens, stepper.zeros(_BATCH))
    return {
        "stepwise": _stepwise_difference(stepper, tokens, whole, state),
        "batch": _batch_difference(stepper, tokens, whole),
    }


def _check(
    figures: dict[str, float], stepper: Stepper, rounding: float = 0.0, same_text: bool = True
) -> dict[str, float]:
    """Check all differences and the generation; return the figures with two digits.

    Args:
        figures: the differences of the file from itself, by name.
        stepper: runs the file.
        rounding: difference that is allowed in any case.
        same_text: see `_check_generation`.
    """
    tokens = _tokens(stepper, (_BATCH, _TIME), seed=2)
    logits, _ = stepper.forward(tokens, stepper.zeros(_BATCH))
    allowed = max(TOLERANCE * max(1.0, float(np.abs(logits).max())), rounding)
    for name, difference in figures.items():
        if not difference < allowed:  # NaN fails too
            raise _failed(name, difference, allowed)
    if stepper.file.generates:
        _check_generation(stepper, tokens, same_text, max(1e-5, figures["stepwise"]))
    return {name: _two_digits(value) for name, value in figures.items()}


def _failed(name: str, difference: float, allowed: float) -> ExportError:
    return ExportError(
        f"the file failed its proof: {name} differs by {difference:.2g}, over {allowed:.2g}; "
        "nothing was written"
    )


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")


def _stepwise_difference(
    stepper: Stepper, tokens: NDArray[np.int64], whole: NDArray[np.float32], state: State
) -> float:
    """Compare single steps, and pieces of 5, with the whole sequence in one call."""
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
    """Compare each stream alone with all streams in one batch."""
    alone = [stepper.forward(row[None], stepper.zeros(1))[0] for row in tokens]
    return _difference(np.concatenate(alone), whole)


def _check_generation(
    stepper: Stepper, tokens: NDArray[np.int64], same_text: bool, near: float
) -> None:
    """Check that one call, calls in pieces, single streams (if `same_text`) and the numpy rule
    draw the same tokens. A uniform as near as `near` to a boundary decides nothing."""
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
        _check_rule(stepper, tokens, uniform, at_once, sampling, near)


def _check_rule(
    stepper: Stepper,
    tokens: NDArray[np.int64],
    uniform: NDArray[np.float32],
    drawn: NDArray[np.int64],
    sampling: Sampling,
    near: float,
) -> None:
    """Check each drawn token against the numpy rule on the same logits.

    The file reads the drawn tokens as given ones, so one different token does not change those
    after it. A token may differ only if its uniform lies within rounding of a boundary: then a
    uniform that is moved by `near` gives the drawn token.
    """
    read = np.concatenate([tokens, drawn[:, :-1]], 1)
    logits, _ = stepper.forward(read, stepper.zeros(len(tokens)))
    logits = logits[:, tokens.shape[1] - 1 :]
    for step in range(drawn.shape[1]):
        candidates = [
            draw(logits[:, step], np.clip(uniform[:, step] + shift, 0, 1), sampling)
            for shift in np.array([0, -near, near], np.float32)
        ]
        if not np.any([each == drawn[:, step] for each in candidates], 0).all():
            raise ExportError(
                f"the file failed its proof: a drawn token breaks the sampling rule ({sampling}); "
                "nothing was written"
            )


def _tokens(stepper: Stepper, shape: tuple[int, int], seed: int) -> NDArray[np.int64]:
    """Draw random tokens of the file's vocabulary."""
    count = len(stepper.file.metadata.vocabulary)
    return np.random.default_rng(seed).integers(count, size=shape)


def _difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the largest difference of two arrays; infinity if their shapes differ."""
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")
