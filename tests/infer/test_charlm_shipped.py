"""The shipped character models: sizes, a scored text, a drawn text."""

from pathlib import Path

import pytest

from rnn_infer import CharLM
from rnn_infer.runtime.stepper import Stepper

EXPORTED = Path(__file__).parents[2] / "exported"
TEXT = """Two households, both alike in dignity,
In fair Verona, where we lay our scene,
From ancient grudge break to new mutiny,
Where civil blood makes civil hands unclean.
"""
SCORES = {
    "charlm.onnx": 1.35382,
    "charlm.int8.onnx": 1.35745,
    "charlm-small.onnx": 1.43514,
    "charlm-small.int8.onnx": 1.43772,
}
"""Nats a character of the text."""


@pytest.mark.parametrize("name", SCORES)
def test_fixed_text_has_its_score(name: str) -> None:
    shipped = CharLM.load(EXPORTED / name, device="cpu")
    assert shipped.score(TEXT).nats_per_char == pytest.approx(SCORES[name], abs=1e-3)


@pytest.mark.parametrize("name", SCORES)
def test_text_is_drawn_alone_as_in_a_batch(name: str) -> None:
    shipped = CharLM.load(EXPORTED / name, device="cpu")
    text = shipped.generate("ROMEO:", length=120, seed=3)
    assert len(text) == 120
    assert len(text.split()) > 12
    assert shipped.generate(["KING", "ROMEO:"], length=120, seed=[2, 3])[1] == text


@pytest.mark.parametrize("name", ["charlm-small.onnx", "charlm-small.int8.onnx"])
def test_small_model_is_small(name: str) -> None:
    file = Stepper.open(EXPORTED / name, device="cpu").file
    parameters = file.metadata.training["parameters"]
    assert isinstance(parameters, int)
    assert parameters <= 1_000_000
    assert [state.name for state in file.states] == ["h0", "c0"]
    limit = 1_200_000 if "int8" in name else 4_000_000
    assert (EXPORTED / name).stat().st_size <= limit
