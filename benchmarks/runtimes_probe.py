"""Measures what the model files give with the packages of this environment.

    python -m benchmarks.runtimes_probe

`benchmarks.runtimes` starts it in a process of its own, with another onnxruntime each time. It
prints one JSON object. It needs numpy, onnxruntime, protobuf and click, and refuses to run beside
torch.
"""

import hashlib
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from click.testing import CliRunner
from numpy.typing import NDArray

from rnn_infer import CharLM, Classifier
from rnn_infer.cli import main as command_line
from rnn_infer.inspection import verify
from rnn_infer.runtime.stepper import State, Stepper

ROOT = Path(__file__).parents[1]
CHARACTER_MODELS = ("charlm.onnx", "charlm.int8.onnx")
CLASSIFIERS = ("classifier.onnx", "classifier.int8.onnx")
BATCH, TIME, CHUNK = 8, 50, 7
PROMPTS = ["ROMEO:", "KING RICHARD III:\nMy lord, ", "", "First Citizen:\nWe are "]
LENGTH = 300
SEED = 20
TEXT = """Two households, both alike in dignity,
In fair Verona, where we lay our scene,
From ancient grudge break to new mutiny,
Where civil blood makes civil hands unclean.
From forth the fatal loins of these two foes
A pair of star-cross'd lovers take their life;
Whose misadventured piteous overthrows
Do with their death bury their parents' strife.
"""
NAMES = [
    *("Schmidhuber", "Tanaka", "O'Neill", "Rossi", "Nguyen", "Kowalski", "Papadopoulos"),
    *("Fernandez", "Dubois", "Ivanov", "Kim", "Haddad", "Novak", "van Dijk", "Silva"),
    *("MacDonald", "Wang", "Smith", "Johansson", "Yamamoto", "Li", "Bauer", "Moretti", "A"),
]

Outputs = tuple[NDArray[np.float32], State]


def golden_runs() -> dict[str, Any]:
    """Repeats the recorded run of every model file of the repository."""
    paths = [*ROOT.glob("exported/*.onnx"), *ROOT.glob("tests/data/*.onnx")]
    found = {}
    for path in sorted(paths):
        result = verify(Stepper.open(path, device="cpu"))
        name = str(path.relative_to(ROOT))
        found[name] = {key: result[key] for key in ("ok", "logits_difference", "same_generated")}
    return found


def exactness() -> dict[str, dict[str, float]]:
    """Returns the largest differences between two ways to read the same tokens, by file.

    0 means that all logits and states have the same bits.
    """
    found = {}
    for name in (*CHARACTER_MODELS, *CLASSIFIERS):
        stepper = Stepper.open(ROOT / "exported" / name, device="cpu")
        vocabulary = len(stepper.file.metadata.vocabulary)
        tokens = np.random.default_rng(SEED).integers(0, vocabulary, (BATCH, TIME))
        batch = stepper.forward(tokens, stepper.zeros(BATCH))
        rows = [stepper.forward(row[None], stepper.zeros(1)) for row in tokens]
        found[name] = {
            "batch": _difference(batch, _stacked(rows)),
            "chunks": _difference(batch, _in_chunks(stepper, tokens, CHUNK)),
            "steps": _difference(batch, _in_chunks(stepper, tokens, 1)),
        }
    return found


def _in_chunks(stepper: Stepper, tokens: NDArray[np.int64], size: int) -> Outputs:
    state, logits = stepper.zeros(len(tokens)), []
    for start in range(0, tokens.shape[1], size):
        part, state = stepper.forward(tokens[:, start : start + size], state)
        logits.append(part)
    return np.concatenate(logits, 1), state


def _stacked(rows: list[Outputs]) -> Outputs:
    states = zip(*(state for _, state in rows), strict=True)
    return np.concatenate([each for each, _ in rows]), tuple(map(np.concatenate, states))


def _difference(one: Outputs, other: Outputs) -> float:
    pairs = zip((one[0], *one[1]), (other[0], *other[1]), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def texts(name: str) -> dict[str, Any]:
    """Draws texts by seed: in a batch, each alone, and in pieces of a session."""
    lm = CharLM.load(ROOT / "exported" / name, device="cpu")
    seeds = [SEED + each for each in range(len(PROMPTS))]
    batch = lm.generate(PROMPTS, length=LENGTH, seed=seeds)
    cut = []
    for prompt, seed in zip(PROMPTS, seeds, strict=True):
        session = lm.session(seed=seed)
        session.feed(prompt)
        cut.append("".join(session.stream(LENGTH, chunk=CHUNK)))
    pairs = zip(PROMPTS, seeds, strict=True)
    alone = [lm.generate(prompt, length=LENGTH, seed=seed) for prompt, seed in pairs]
    return {"sha256": _sha256(batch), "same_alone": alone == batch, "same_in_pieces": cut == batch}


def score(name: str) -> float:
    """Scores the fixed text: nats per character, all digits."""
    lm = CharLM.load(ROOT / "exported" / name, device="cpu")
    return lm.score(TEXT).nats_per_char


def answers(name: str) -> dict[str, str]:
    """Classifies the fixed names: a hash of the ranked labels, and one of the probabilities."""
    classifier = Classifier.load(ROOT / "exported" / name, device="cpu")
    predictions = classifier.classify(NAMES, top=len(classifier.labels))
    return {
        "labels": _sha256([each.labels for each in predictions]),
        "probabilities": _sha256([each.probabilities for each in predictions]),
    }


def command() -> str:
    """Draws a text with the command line, and returns the hash of what it prints."""
    model = str(ROOT / "exported" / CHARACTER_MODELS[0])
    arguments = ["generate", "--model", model, "--seed", str(SEED), "--length", "100", "--json"]
    result = CliRunner().invoke(command_line, arguments, catch_exceptions=False)
    if result.exit_code:
        raise RuntimeError(f"rnn-infer generate ends with {result.exit_code}: {result.output}")
    return _sha256(json.loads(result.output)["text"])


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _each(measure: Callable[[str], Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: measure(name) for name in names}


def main() -> None:
    """Prints all measurements."""
    if find_spec("torch"):
        raise SystemExit("torch is installed here; use an environment without it")
    found = {
        "onnxruntime": onnxruntime.__version__,
        "numpy": np.__version__,
        "golden": golden_runs(),
        "exactness": exactness(),
        "texts": _each(texts, CHARACTER_MODELS),
        "scores": _each(score, CHARACTER_MODELS),
        "answers": _each(answers, CLASSIFIERS),
        "command": command(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
