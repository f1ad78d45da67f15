"""The loop that the engines share, with onnxruntime as the engine."""

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import rnn_infer
from hosts.driver import Call, Host, measured
from rnn_infer.sampling import Uniforms
from rnn_train import ExportOptions, export

PROMPT, LENGTH, ROWS = "ab", 30, 3
VARIANTS: dict[str, dict[str, Any]] = {
    "ordinary": {},
    "steps": {"steps": 4},
    "step only": {"step_only": True},
    "single step": {"step_only": True, "steps": 1},
}
SOURCE = Path(__file__).parents[1] / "data" / "charlm.onnx"
Make = Callable[[str], tuple[Call, dict[str, Any]]]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Exports a variant, once, and returns a call of it and its case."""
    lm = rnn_infer.CharLM.load(SOURCE, device="cpu")
    token = {char: index for index, char in enumerate(lm.metadata.vocabulary)}
    drawn = lm.generate(PROMPT, length=LENGTH, seed=1, temperature=0.8)

    @cache
    def made(variant: str) -> tuple[Call, dict[str, Any]]:
        path = tmp_path_factory.mktemp("file") / "model.onnx"
        options = VARIANTS[variant]
        export(SOURCE, path, ExportOptions(**options), log=lambda _: None)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_outputs()]
        inputs = {each.name: each.shape for each in session.get_inputs()}
        text = {"temperature": 0.8, "top_k": 0, "top_p": 1, "drawn": [token[c] for c in drawn]}
        case = {
            "kind": "charlm",
            "states": {name: inputs[name][1] for name in inputs if f"{name}_next" in names},
            "steps": options.get("steps"),
            "draws": not options.get("step_only"),
            "golden": dataclasses.asdict(lm.metadata.golden),
            "prompt": [token[char] for char in PROMPT],
            "uniform": Uniforms(1).take(LENGTH).tolist(),
            "texts": [text],
        }
        return lambda feed: dict(zip(names, session.run(names, feed), strict=True)), case

    return made


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_gives_the_text_of_the_ordinary_file(variant: str, make: Make) -> None:
    call, case = make(variant)
    found = measured(Host(call, case), case)
    assert found["difference"] < 1e-4
    assert found["same"] == [LENGTH]
    assert found["batch"] == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_row_of_many_draws_what_it_draws_alone(variant: str, make: Make) -> None:
    call, case = make(variant)
    host = Host(call, case)
    prompt = np.array([case["prompt"]] * ROWS)
    uniform = np.random.default_rng(0).random((ROWS, LENGTH), np.float32)
    together = host.draw(prompt, uniform)
    assert together.shape == (ROWS, LENGTH)
    for row in range(ROWS):
        alone = host.draw(prompt[:1], uniform[row : row + 1])
        assert (alone[0] == together[row]).all()


def test_an_engine_that_computes_wrongly_is_seen(make: Make) -> None:
    call, case = make("ordinary")

    def wrong(feed: dict[str, Any]) -> dict[str, Any]:
        results = call(feed)
        off = 0.5 * (len(feed["tokens"]) > 1)
        return results | {"logits": results["logits"] + 1 + off}

    found = measured(Host(wrong, case), case)
    assert found["difference"] == pytest.approx(1, abs=1e-3)
    assert found["batch"] == pytest.approx(0.5, abs=1e-3)

    def one_row_only(feed: dict[str, Any]) -> dict[str, Any]:
        if len(feed["tokens"]) > 1:
            raise ValueError("one row only")
        return call(feed)

    assert measured(Host(one_row_only, case), case)["batch"] == "ValueError: one row only"
