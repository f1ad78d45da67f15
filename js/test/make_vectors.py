"""Write the vectors that the tests of the JavaScript package compare with: js/test/vectors.json.

    python js/test/make_vectors.py            # writes the vectors
    python js/test/make_vectors.py --check F  # restores the sessions of F, which JavaScript saved

Run it again when a file in tests/data or exported changes.
"""

import base64
import hashlib
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx

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
    "exported/charlm-small.int8.onnx",
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
# How to draw by steps: these change the logits, and no graph does.
STEPWISE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("abc", {"length": 60, "seed": 31, "logit_bias": {"e": 3.5, "a": -math.inf, " ": -2}}),
    ("abc", {"length": 60, "seed": 32, "logit_bias": {"E": 1000.0}, "temperature": 0}),
    ("ab", {"length": 300, "seed": 33, "repetition_penalty": 3.0, "temperature": 0.3}),
    ("ab", {"length": 300, "seed": 34, "repetition_penalty": 100.0, "temperature": 0}),
    (
        "ab",
        {"length": 80, "seed": 35, "repetition_penalty": 1.5, "top_k": 5, "stop": ["bd", "ab"]}
        | {"logit_bias": {"b": 2.0, "d": 1.0}},
    ),
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
        "documents": _documents(),
        "forms": _forms(),
        "unknown": _unknown_drawn(),
        "coverage": _coverage(),
        "noise": _noise(),
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
        "stepwise": [_text(lm, prompt, options) for prompt, options in STEPWISE],
        "penalised": _penalised(lm),
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


def _penalised(lm: rnn_infer.CharLM) -> dict[str, Any]:
    """A session that is drawn with a repetition penalty: what it drew, its bytes, and the rest."""
    session = lm.session(seed=36)
    session.feed("ab")
    first = session.generate(40, repetition_penalty=4.0, temperature=0.3)
    saved = session.save()
    return {
        "first": first,
        "saved": base64.b64encode(saved).decode(),
        "next": session.generate(60, repetition_penalty=4.0, temperature=0.3),
    }


def _variant(name: str, change: Callable[[dict[str, Any]], None]) -> tuple[Any, dict[str, str]]:
    """A model whose metadata document is changed, and what JavaScript needs to make it, too."""
    data = (ROOT / name).read_bytes()
    model = onnx.load_from_string(data)
    (entry,) = model.metadata_props
    document = json.loads(entry.value)
    change(document)
    document["format_version"] = 2
    entry.value = json.dumps(document)
    return rnn_infer.load(model.SerializeToString()), {"file": name, "metadata": entry.value}


def _documents() -> dict[str, Any]:
    """A model of documents: texts, scores, and a session over the ends of documents."""
    lm, made = _variant(
        "tests/data/charlm.onnx", lambda document: document["charlm"].update(end="\n")
    )
    session = lm.session(seed=41)
    steps = []
    for fed in ("", "ab", "c\nab", "", "\n", ""):
        session.feed(fed)
        text = session.generate(12, logit_bias={"\n": 3.0} if fed else None)
        steps.append({"fed": fed, "text": text, "stopped": session.stopped})
    cases = [
        ("", {"length": 40, "seed": 42}),
        ("ab\nc", {"length": 90, "seed": 43, "temperature": 1.0, "stop": ["G"]}),
        ("ab", {"length": 200, "seed": 44, "temperature": 1.0}),
        ("", {"length": 150, "seed": 49, "logit_bias": {"\n": -math.inf}}),
    ]
    scored = ("abc", "abc\nd\n\nabc\n", "\nab")
    return made | {
        "texts": [_text(lm, prompt, options) for prompt, options in cases],
        "scores": [
            [text, lm.score(text).nats_per_char, lm.score(text).characters] for text in scored
        ],
        "next": [[each.char, each.probability] for each in lm.next("", 3)],
        "steps": steps,
    }


def _forms() -> dict[str, Any]:
    """A model whose rules keep the forms of characters, and one that has an unknown token."""

    def change(document: dict[str, Any]) -> None:
        document["text"] = {"normalization": "none", "newlines": "keep", "unknown": None}
        swap = {"G": "\u0301", "F": "\u0323", "E": "o"}
        document["vocabulary"] = [swap.get(char, char) for char in document["vocabulary"]]
        swapped = document["vocabulary"]
        assert len(set(swapped)) == len(swapped) - 1  # the o is there twice
        swapped[swapped.index("o", swapped.index("o") + 1)] = "\uac00"

    lm, made = _variant("tests/data/charlm.onnx", change)
    prompts = (
        "e\u0301a",
        "a\u00e1",
        "o\u0323\u0301x",
        "\u1ed9",
        "\u1100\u1161",
        "\u00e9\u0301",
        "\r",
    )
    texts = []
    for prompt in prompts:
        for unknown in ("error", "skip", "fold"):
            texts.append(_text(lm, prompt, {"length": 12, "seed": 45, "unknown": unknown}))
    return made | {"texts": texts}


def _unknown_drawn() -> dict[str, Any]:
    """A model that often gives its unknown token: it is drawn only if it is given a number."""
    lm, made = _variant(
        "tests/data/charlm.onnx", lambda document: document["text"].update(unknown=16)
    )
    cases = [
        ("ab", {"length": 200, "seed": 46, "temperature": 2.0}),
        ("ab", {"length": 60, "seed": 47, "temperature": 1.0, "logit_bias": {"a": 1.0}}),
        ("ab", {"length": 60, "seed": 48, "temperature": 1.0, "logit_bias": {"j": 1.0}}),
    ]
    return made | {"texts": [_text(lm, prompt, options) for prompt, options in cases]}


def _coverage() -> dict[str, Any]:
    """A classifier with held-out scores: prediction sets, and rows with nothing in them."""

    def change(document: dict[str, Any]) -> None:
        document["classifier"]["held_out"] = {"rows": 9, "scores": [0.2, 0.62, 0.71, 0.78, 0.93]}

    classifier, made = _variant("tests/data/classifier.onnx", change)
    choices = [{"coverage": share} for share in (0.1, 0.5, 0.7, 0.8, 0.9)]
    texts = ["Li", None, "", "\u0416\u0416", "Ko\u0416"]
    found = classifier.classify(texts, on_empty="none", unknown="skip")
    return made | {
        "sets": [_predictions(classifier, options) for options in choices],
        "empty": [_prediction(each) for each in found],
        "trace": [_prediction(each) for each in classifier.trace("L\u0416i", unknown="skip")],
    }


def _noise() -> dict[str, Any]:
    """A classifier of which a tenth of the labels does not follow from the text."""

    def change(document: dict[str, Any]) -> None:
        shares = np.exp(document["classifier"]["log_prior"])
        document["classifier"]["noise"] = (0.1 * shares / shares.sum()).round(4).tolist()

    classifier, made = _variant("tests/data/classifier.onnx", change)
    choices = [{"top": 5}, {"prior": 0.5}]
    return made | {
        "predictions": [_predictions(classifier, options) for options in choices],
        "trace": [_prediction(each) for each in classifier.trace(NAMES[0])],
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
    return {
        "text": found.text,
        "label": found.label,
        "top": [list(pair) for pair in found.top],
        "reason": found.reason,
        "known": found.known,
    }


def _options(options: dict[str, Any]) -> dict[str, Any]:
    """The same options as JavaScript names them. JSON numbers are not exact above 2^53."""
    names = {
        "top_k": "topK",
        "top_p": "topP",
        "min_probability": "minProbability",
        "logit_bias": "logitBias",
        "repetition_penalty": "repetitionPenalty",
    }
    shown = {names.get(key, key): value for key, value in options.items()}
    if bias := options.get("logit_bias"):
        shown["logitBias"] = [[char, v if v > -math.inf else None] for char, v in bias.items()]
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
