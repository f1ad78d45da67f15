"""Wrong types in every public call of a classifier: one line, never a raw TypeError."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rnn_infer import Classifier, RnnInferError

TEXTS = (None, 5, 2.5, b"a", object())
NUMBERS = (None, "1", [1], object(), float("nan"))


@pytest.fixture(scope="module")
def names(data: Path) -> Classifier:
    return Classifier.load(data / "gru.onnx", device="cpu")


CALLS: dict[str, Any] = {
    "classify": (lambda names, wrong: names.classify(wrong), (*TEXTS, [5], {"a"}, {"a": 1})),
    "aclassify": (lambda names, wrong: asyncio.run(names.aclassify(wrong)), (*TEXTS, ["a"])),
    "trace": (lambda names, wrong: names.trace(wrong), (*TEXTS, ["a"])),
    "columns": (lambda names, wrong: names.classify_columns(wrong), (*TEXTS, "a", [5], {"a"})),
    "top": (lambda names, wrong: names.classify("a", top=wrong), (*NUMBERS, 1.5, True, 0)),
    "prior": (lambda names, wrong: names.classify("a", prior=wrong), (*NUMBERS, True, 2)),
    "abstain": (lambda names, wrong: names.trace("a", min_probability=wrong), (*NUMBERS, -1)),
    "unknown": (lambda names, wrong: names.classify("a", unknown=wrong), (None, 5, [], "no")),
    "on_empty": (lambda names, wrong: names.classify_columns(["a"], 1, wrong), (None, 5, [], "no")),
    "column top": (lambda names, wrong: names.classify_columns(["a"], wrong), (*NUMBERS, 1.5)),
}


@pytest.mark.parametrize("call", CALLS)
def test_wrong_types(names: Classifier, call: str) -> None:
    function, values = CALLS[call]
    for wrong in values:
        with pytest.raises(RnnInferError) as caught:
            function(names, wrong)
        assert len(str(caught.value).splitlines()) == 1
        assert len(str(caught.value)) < 250
