"""Each target on its seeds, on the corpus of coverage-guided runs, and on changed inputs."""

import base64
import random
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).with_name("corpus")


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_corpus(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds():
        target.run(seed)
    path = CORPUS / f"{name}.txt"
    found = path.read_text("ascii").split() if path.exists() else []
    assert found or name == "model"
    for line in found:
        target.run(base64.b64decode(line))


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs(name: str) -> None:
    target, rng = TARGETS[name], random.Random(1)
    data = target.seeds()[0]
    for _ in range(300 if name == "model" else 600):
        data = rng.choice(target.seeds()) if rng.random() < 0.5 else data
        if target.mutate:
            data = target.mutate(data, rng)
        else:
            at = rng.randrange(1, len(data) + 1)
            data = data[:at] + rng.randbytes(rng.randrange(4)) + data[at + rng.randrange(4) :]
        target.run(data)
