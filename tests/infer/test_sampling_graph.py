"""Drawing in the graph of a file: the same tokens as in numpy."""

import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling, Uniforms, draw

INF, NAN = math.inf, math.nan
BELOW_ONE = 1 - 2**-24
"""The largest float32 below 1."""


SPECIAL: dict[str, Callable[[int], Sequence[float]]] = {
    "ties": lambda n: [0.0] * n,
    "steps": lambda n: [float(i % 5) for i in range(n)],
    "falling": lambda n: [-0.3 * i for i in range(n)],
    "one": lambda n: [0.0, *[-INF] * (n - 1)],
    "last": lambda n: [*[-INF] * (n - 1), 0.0],
    "none": lambda n: [-INF] * n,
    "nan": lambda n: [NAN] * n,
    "one nan": lambda n: [1.0, NAN, *[0.0] * (n - 2)],
    "inf": lambda n: [0.0, INF, *[0.0] * (n - 2)],
    "huge": lambda n: [3e38, -3e38, *[1e38] * (n - 2)],
}


OPTIONS = [
    Sampling(temperature=1),
    Sampling(temperature=0),
    Sampling(temperature=1e-46),
    Sampling(temperature=1e-30),
    Sampling(temperature=1e6),
    Sampling(temperature=1, top_k=1),
    Sampling(temperature=0.7, top_k=7),
    Sampling(temperature=1, top_k=2**31 - 1),
    Sampling(temperature=1, top_p=1e-30),
    Sampling(temperature=1, top_p=0.6),
    Sampling(temperature=1, top_p=1 - 1e-12),
    Sampling(temperature=2, top_k=9, top_p=0.45),
]


# No multiples of 1/41 (except 0): these are the boundaries of ties, which float32 rounds.
EDGES = np.array([0, 2**-24, 0.1, 0.37, 0.5, 0.73, 0.9, BELOW_ONE], np.float32)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", sorted(SPECIAL))
def test_graph_draws_the_same_as_numpy(edited: Callable[..., Path], shape: str) -> None:
    """The last layer of the model is replaced by constants, so that any logits are possible."""

    def replace(model: Any) -> None:
        tensors = {each.name: each for each in model.graph.initializer}
        weight, bias = tensors[b"head0.W"], tensors[b"head0.b"]
        weight.raw_data = bytes(len(weight.raw_data))
        size = bias.dims[0]
        bias.raw_data = struct.pack(f"<{size}f", *SPECIAL[shape](size))

    stepper = Stepper.open(edited(replace), device="cpu")
    tokens, state = np.zeros((len(EDGES), 1), np.int64), stepper.zeros(len(EDGES))
    logits = stepper.forward(tokens, state)[0][:, -1]
    for sampling in OPTIONS:
        drawn, _ = stepper.draw(tokens, state, np.stack([EDGES] * 2, 1), sampling)
        expected = draw(logits, EDGES, sampling)
        assert drawn[:, 0].tolist() == drawn[:, 1].tolist() == expected.tolist(), sampling


def test_graph_takes_options_per_row(stepper: Stepper) -> None:
    """The graph itself takes other options for each row."""
    filters = ((0, 1.0), (1, 1.0), (5, 1.0), (0, 0.4), (4, 0.8))
    many = [
        Sampling(temperature=heat, top_k=k, top_p=p) for heat in (0, 0.7, 3) for k, p in filters
    ]
    size = len(many)
    tokens, state = np.full((size, 2), 3), stepper.zeros(size)
    uniform = np.stack([Uniforms(i).take(6) for i in range(size)])
    feed = {"tokens": tokens, "uniform": uniform}
    feed |= {spec.name: each for spec, each in zip(stepper.file.states, state, strict=True)}
    feed["temperature"] = np.array([each.temperature for each in many], np.float32)
    feed["top_k"] = np.array([each.top_k for each in many], np.int64)
    feed["top_p"] = np.array([each.top_p for each in many], np.float32)
    drawn = raw_session(stepper).run(["generated"], feed)[0]
    for row, sampling in enumerate(many):
        alone, _ = stepper.draw(tokens[:1], stepper.zeros(1), uniform[row : row + 1], sampling)
        assert drawn[row].tolist() == alone[0].tolist(), sampling


def raw_session(stepper: Stepper) -> Any:
    return onnxruntime.InferenceSession(stepper.file.data, providers=["CPUExecutionProvider"])
