#!/usr/bin/env bash
# What:    skl2onnx converts a scikit-learn text classifier to a file that cuts words at every letter
#          outside a to z, so "Müller" becomes "M" and "ller", which no vocabulary has. There is no
#          warning. With lowercase=True, scikit-learn's default, the file loads only on a system
#          that has the locale en_US.UTF-8, which small container images leave out.
# Version: skl2onnx 1.20.0, scikit-learn 1.9.1, onnxruntime 1.32.0
# Guess:   The file gives the probabilities of the pipeline, or the conversion refuses; and a file
#          needs nothing but its runtime.
# Why:     Names and most languages have such letters. A test with English texts passes, and in use
#          the words that tell most are dropped without an error. Give the option tokenexp a pattern
#          of Unicode letters, and locale one that the target system has; compare probabilities on
#          texts of each language.
# Output seen:
#   skl2onnx 1.20.0, scikit-learn 1.9.1, onnxruntime 1.32.0
#   guess:  the file labels the 9 training names as the pipeline does
#   seen:   right labels: pipeline 9, file 5; 0 warnings of the conversion
#   seen:   known words of "Jürgen Müller": pipeline 2, file 0
#   cure:   tokenexp of Unicode letters: file 9
#   guess:  a lower-casing file loads on a system without installed locales
#   seen:   the session fails: locale name not valid
#   cure:   option locale="C.UTF-8": "JÜRGEN MÜLLER" has 2 known words
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir no_locales
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  skl2onnx==1.20.0 scikit-learn==1.9.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

LOCPATH="$folder/no_locales" venv/bin/python -I - <<'PYTHON'
import warnings
from importlib.metadata import version

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

NAMES = [
    *("Müller", "Jürgen Müller", "Jäger", "Köhler Jürgen"),
    *("Smith", "John Smith", "Baker", "Carter John", "Cooper"),
]
LABELS = ["German"] * 4 + ["English"] * 5
LETTERS = r"[\p{L}\p{N}_]{2,}"


def fitted(lowercase: bool) -> Pipeline:
    steps = [("words", TfidfVectorizer(lowercase=lowercase)), ("classes", LogisticRegression())]
    return Pipeline(steps).fit(NAMES, LABELS)


def session(model: object, **options: str) -> onnxruntime.InferenceSession:
    """Convert a pipeline, or its vectorizer alone."""
    made = to_onnx(
        model,
        initial_types=[("text", StringTensorType([None, 1]))],
        options={TfidfVectorizer: options} if options else None,
    )
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 4
    return onnxruntime.InferenceSession(
        made.SerializeToString(), quiet, providers=["CPUExecutionProvider"]
    )


def run(made: onnxruntime.InferenceSession, texts: list[str]) -> np.ndarray:
    """The first output: the label, or the vector of words."""
    return made.run(None, {"text": np.array(texts, object).reshape(-1, 1)})[0]


def known(made: onnxruntime.InferenceSession, text: str) -> int:
    return int(np.count_nonzero(run(made, [text])))


def right(labels: np.ndarray) -> int:
    return int(sum(a == b for a, b in zip(labels, LABELS, strict=True)))


print(", ".join(f"{name} {version(name)}" for name in ("skl2onnx", "scikit-learn", "onnxruntime")))
print(f"guess:  the file labels the {len(NAMES)} training names as the pipeline does")
model = fitted(lowercase=False)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    plain = session(model)
warned = sum("skl2onnx" in str(warning.filename) for warning in caught)
before, after = right(model.predict(NAMES)), right(run(plain, NAMES))
print(f"seen:   right labels: pipeline {before}, file {after}; {warned} warnings of the conversion")
assert before == len(NAMES) > after and warned == 0, "changed: the file is right, or is warned of"
words = model.named_steps["words"]
here, there = words.transform([NAMES[1]]).nnz, known(session(words), NAMES[1])
print(f'seen:   known words of "{NAMES[1]}": pipeline {here}, file {there}')
assert (here, there) == (2, 0), "changed: the file knows the words"
cured = right(run(session(model, tokenexp=LETTERS), NAMES))
print(f"cure:   tokenexp of Unicode letters: file {cured}")
assert cured == len(NAMES), "the cure changed"

print("guess:  a lower-casing file loads on a system without installed locales")
words = fitted(lowercase=True).named_steps["words"]
try:
    session(words, tokenexp=LETTERS)
except Exception as error:
    assert "locale name not valid" in str(error), f"changed: {error}"
    print("seen:   the session fails: locale name not valid")
else:
    raise AssertionError("changed: the file loads")
cured = known(session(words, tokenexp=LETTERS, locale="C.UTF-8"), NAMES[1].upper())
print(f'cure:   option locale="C.UTF-8": "{NAMES[1].upper()}" has {cured} known words')
assert cured == 2, "the cure changed"
PYTHON
