"""Write the vectors that the tests of the JavaScript package compare with: js/test/vectors.json.

    python js/test/make_vectors.py            # writes the vectors
    python js/test/make_vectors.py --check F  # restores the sessions of F, which JavaScript saved

Run it again when a file in tests/data or exported changes.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import rnn_infer

ROOT = Path(__file__).parents[2]
VECTORS = Path(__file__).parent / "vectors.json"
CHAR_MODELS = (
    "tests/data/charlm.onnx",
    "tests/data/charlm.step.onnx",
    "tests/data/charlm.one.onnx",
    "tests/data/charlm.three.onnx",
    "tests/data/wide.onnx",
    "exported/charlm.int8.onnx",
    "exported/charlm.onnx",
)
CLASSIFIERS = (
    "tests/data/classifier.onnx",
    "tests/data/gru.onnx",
    "exported/classifier.onnx",
    "exported/classifier.int8.onnx",
)
SEEDS = (0, 1, 2, 2**32, 2**53 + 1, 2**64 - 1)
TEXTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("abc", {"length": 70, "seed": 1}),
    ("", {"length": 40, "seed": 2**64 - 1}),
    ("a b", {"length": 60, "seed": 3, "temperature": 0}),
    ("a b", {"length": 60, "seed": 4, "temperature": 1.3, "top_k": 5}),
    ("a b", {"length": 60, "seed": 5, "temperature": 1.0, "top_p": 0.6}),
    ("a b", {"length": 60, "seed": 6, "temperature": 2.0, "top_k": 9, "top_p": 0.9}),
    ("abc\r\nab", {"length": 30, "seed": 7}),
    ("abc", {"length": 120, "seed": 8, "stop": ["yn", "Gy", "nj", "e "]}),
    ("abc", {"length": 150, "seed": 9, "stop": "the"}),
    ("abc", {"length": 150, "seed": 12, "stop": ["\U0001f603", "\U0001f60a"]}),
    ("ab\u0416c", {"length": 20, "seed": 13}),
    ("ab\u0416c", {"length": 20, "seed": 14, "unknown": "error"}),
    ("a\u00e4\u0416 \U0001f600b", {"length": 20, "seed": 10, "unknown": "skip"}),
    ("\u00c4\u0041\u030a\ufb01\u1e9b\u0323\uff21b", {"length": 20, "seed": 11, "unknown": "fold"}),
)
SCORED = "abc dab\r\na cab."
NAMES = ("Rossi", "O'Brien", "\u00c9mile", "E\u0301mile", "M\u00fcller\r\n", "N\u014d\u0107", "Li")
CHOICES: tuple[dict[str, Any], ...] = (
    {},
    {"top": 1, "prior": 1.0},
    {"top": 99, "prior": 0.3, "min_probability": 0.6},
    {"unknown": "skip"},
    {"unknown": "fold"},
)


def main() -> None:
    """Write the file."""
    vectors = {
        "files": {name: _sha256(name) for name in (*CHAR_MODELS, *CLASSIFIERS)},
        "philox": [_philox(seed, 37) for seed in SEEDS],
        "charlm": {name: _char_model(name) for name in CHAR_MODELS},
        "classifier": {name: _classifier(name) for name in CLASSIFIERS},
    }
    text = json.dumps(vectors, indent=1, ensure_ascii=True)
    VECTORS.write_text(text + "\n", encoding="ascii")


def _sha256(name: str) -> str:
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def _philox(seed: int, count: int) -> dict[str, Any]:
    numbers = np.random.Generator(np.random.Philox(key=seed)).random(count, dtype=np.float32)
    return {"seed": str(seed), "numbers": numbers.tolist()}


def _char_model(name: str) -> dict[str, Any]:
    lm = rnn_infer.CharLM.load(ROOT / name)
    return {
        "texts": [
            _text(lm, prompt, options) for prompt, options in TEXTS if _can_stop(lm, options)
        ],
        "batch": lm.generate(["a", "", "abcab a"], length=100, seed=20, stop="yn"),
        "score": lm.score(SCORED).nats_per_char,
        "next": [[each.char, each.probability] for each in lm.next("ab", 4)],
        "session": _session(lm),
    }


def _can_stop(lm: rnn_infer.CharLM, options: dict[str, Any]) -> bool:
    """Whether the model can write the stop texts: Python refuses others."""
    return set("".join(options.get("stop", []))) <= set(lm.metadata.vocabulary)


def _text(lm: rnn_infer.CharLM, prompt: str, options: dict[str, Any]) -> dict[str, Any]:
    case = {"prompt": prompt, "options": _options(options)}
    try:
        (found,) = lm.complete([prompt], **options)
    except rnn_infer.UnknownCharacterError as error:
        return {**case, "error": str(error).rsplit(" at ", 1)[1]}
    return {**case, "text": found.text, "stopped": found.stopped}


def _session(lm: rnn_infer.CharLM) -> dict[str, Any]:
    """One session: what was done, the bytes then, and what it draws next."""
    session = lm.session(seed=2**53 + 3)
    session.feed("ab")
    first = session.generate(11, stop="G")
    saved = session.save()
    return {
        "first": first,
        "stopped": session.stopped,
        "position": session.position,
        "saved": base64.b64encode(saved).decode(),
        "next": session.generate(50),
        "fresh": base64.b64encode(lm.session(seed=5).save()).decode(),
        "start": lm.session(seed=5).generate(20),
    }


def _classifier(name: str) -> dict[str, Any]:
    classifier = rnn_infer.Classifier.load(ROOT / name)
    return {
        "predictions": [_predictions(classifier, options) for options in CHOICES],
        "trace": [_prediction(each) for each in classifier.trace(NAMES[0])],
    }


def _predictions(classifier: rnn_infer.Classifier, options: dict[str, Any]) -> dict[str, Any]:
    found = classifier.classify(list(NAMES), **options)
    return {"options": _options(options), "found": [_prediction(each) for each in found]}


def _prediction(found: rnn_infer.Prediction) -> dict[str, Any]:
    return {"text": found.text, "label": found.label, "top": [list(pair) for pair in found.top]}


def _options(options: dict[str, Any]) -> dict[str, Any]:
    """The same options as JavaScript names them. JSON numbers are not exact above 2^53."""
    names = {"top_k": "topK", "top_p": "topP", "min_probability": "minProbability"}
    shown = {names.get(key, key): value for key, value in options.items()}
    return shown | ({"seed": str(shown["seed"])} if "seed" in shown else {})


def check(path: Path) -> None:
    """Restore sessions that JavaScript saved, and draw on."""
    for case in json.loads(path.read_text("utf-8")):
        lm = rnn_infer.CharLM.load(ROOT / case["model"])
        session = lm.session(restore=base64.b64decode(case["saved"]))
        drawn = session.generate(len(case["next"]))
        if drawn != case["next"]:
            raise SystemExit(f"{case['model']}: Python draws {drawn!r}, not {case['next']!r}")
        print(f"{case['model']}: Python goes on with {drawn!r}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        check(Path(sys.argv[2]))
    else:
        main()
