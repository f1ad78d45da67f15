"""Model files on a GPU, where onnxruntime has one: the answers of the CPU."""

from pathlib import Path

import numpy as np
import pytest

from rnn_infer import CharLM, Classifier
from rnn_infer.runtime.providers import cuda_problem
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling

DATA = Path(__file__).parents[1] / "data"
FORMS = ("charlm", "charlm.step", "charlm.one", "charlm.three")
TOLERANCE = 1e-3

pytestmark = pytest.mark.skipif(cuda_problem() is not None, reason="no CUDA in onnxruntime here")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch", [1, 3, 70])
def test_logits_and_states(form: str, batch: int) -> None:
    here, there = (Stepper.open(DATA / f"{form}.onnx", device=device) for device in ("cpu", "cuda"))
    assert there.device == "cuda"
    tokens = np.random.default_rng(batch).integers(40, size=(batch, 11))
    logits, state = here.forward(tokens, here.zeros(batch))
    found, after = there.forward(tokens, there.zeros(batch))
    np.testing.assert_allclose(found, logits, atol=TOLERANCE)
    for ours, theirs in zip(after, state, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "sampling", [Sampling(), Sampling(temperature=0), Sampling(top_k=5), Sampling(top_p=0.8)]
)
def test_nearly_all_texts_are_those_of_the_cpu(form: str, sampling: Sampling) -> None:
    """A draw that lies on a boundary may fall to its other side."""
    here, there = (Stepper.open(DATA / f"{form}.onnx", device=device) for device in ("cpu", "cuda"))
    uniform = np.random.default_rng(2).random((50, 40), np.float32)
    tokens = np.ones((50, 1), np.int64)
    drawn, _ = here.draw(tokens, here.zeros(50), uniform, sampling)
    found, _ = there.draw(tokens, there.zeros(50), uniform, sampling)
    assert np.mean((drawn == found).all(1)) > 0.9


@pytest.mark.parametrize("form", FORMS)
def test_lengths_and_batches_take_turns(form: str) -> None:
    lm, plain = (
        CharLM.load(DATA / f"{form}.onnx", device=device, streams=None)
        for device in ("cuda", "cpu")
    )
    for count, length in ((1, 5), (3, 17), (1, 40), (100, 3), (2, 1)):
        prompts = ["dead beef"] * count
        found = lm.generate(prompts, length=length, seed=4, temperature=0)
        assert found == plain.generate(prompts, length=length, seed=4, temperature=0)


@pytest.mark.parametrize("name", ["classifier", "gru"])
def test_classifier(name: str) -> None:
    here, there = (
        Classifier.load(DATA / f"{name}.onnx", device=device) for device in ("cpu", "cuda")
    )
    names = ["Nakamura", "O'Neil", "Kowalski"]
    for ours, theirs in zip(there.classify(names), here.classify(names), strict=True):
        assert ours.label == theirs.label
        assert ours.probability == pytest.approx(theirs.probability, abs=TOLERANCE)
