"""Fixed-step files on the CPU: the same states and texts as a file of any number of steps."""

from pathlib import Path

import numpy as np
import pytest

from rnn_infer import CharLM
from rnn_infer.runtime.replay import ManyStepsReplay, OneStepReplay
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling


@pytest.mark.parametrize("model", ["charlm.one", "charlm.three"])
@pytest.mark.parametrize("read", range(8))
@pytest.mark.parametrize("drawn", [1, 2, 3, 4, 6, 7, 17])
def test_state_and_text_after_any_number_of_steps(
    data: Path, lm: CharLM, model: str, read: int, drawn: int
) -> None:
    stepper, plain = Stepper.open(data / f"{model}.onnx", device="cpu"), lm._stepper
    random = np.random.default_rng(read)
    given = random.integers(40, size=(2, read))
    uniform = random.random((2, drawn), np.float32)
    texts, states = [], []
    for each in (stepper, plain):
        state = each.consume(given, each.zeros(2))
        text, state = each.draw(np.ones((2, 1), np.int64), state, uniform, Sampling())
        _, state = each.forward(text[:, -1:], state)
        texts.append(text)
        states.append(state)
    assert np.array_equal(texts[0], texts[1])
    for ours, theirs in zip(*states, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("kind", [OneStepReplay, ManyStepsReplay])
def test_reading_a_prompt_does_not_fetch_logits(
    data: Path, lm: CharLM, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    name = "charlm.one" if kind is OneStepReplay else "charlm.three"
    found = CharLM.load(data / f"{name}.onnx", device="cpu")
    monkeypatch.setattr(kind, "read_logits", None)
    assert found.generate("dead beef", length=9, seed=1) == lm.generate(
        "dead beef", length=9, seed=1
    )
