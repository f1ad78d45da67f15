"""The metadata document: each rule, broken once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnn_infer import contract

Edited = Callable[..., Path]
Refusal = Callable[..., str]
FLOAT, INT32, INT64, STRING, BFLOAT16 = 1, 6, 7, 8, 16


DOCUMENT_KEYS = (
    *("format_version", "kind", "producer", "text", "vocabulary"),
    *("charlm", "classifier", "training", "proof", "golden"),
)


@pytest.mark.parametrize("key", DOCUMENT_KEYS)
def test_document_without_a_key(refusal: Refusal, documented: Edited, key: str) -> None:
    said = refusal(documented(lambda it: it.pop(key)))
    assert said.startswith("bad metadata: ")
    assert f"'{key}' is missing" in said


WRONG_VALUES = ("text", True, None, [None], {"x": None})
FITTING = (("producer", "text"), ("classifier", None))


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, it) for key in DOCUMENT_KEYS for it in WRONG_VALUES if (key, it) not in FITTING],
)
def test_document_with_a_wrong_type(
    refusal: Refusal, documented: Edited, key: str, value: Any
) -> None:
    assert refusal(documented(lambda it: it.update({key: value}))).startswith("bad metadata: ")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("more", 1, "unknown key 'more'"),
        ("format_version", 0, "format_version"),
        ("format_version", -1, "format_version"),
        ("kind", "tagger", "metadata.kind"),
        ("kind", "classifier", "section of its kind"),
        ("charlm", None, "section of its kind"),
        (
            "classifier",
            {"labels": ["x"], "begin": "", "end": "", "log_prior": [0]},
            "section of its kind",
        ),
        ("vocabulary", [], "vocabulary is empty"),
        ("vocabulary.0", "ab", "one Unicode character"),
        ("vocabulary.0", "", "one Unicode character"),
        ("vocabulary.0", "\ud800", "metadata.vocabulary[0]: half a surrogate pair"),
        ("charlm.start", "\n\udfff", "metadata.charlm.start: half a surrogate pair"),
        ("producer", "\ud800", "metadata.producer: half a surrogate pair"),
        ("training", {"\ud800": 1}, "metadata.training: half a surrogate pair"),
        ("vocabulary.2", "\n", "vocabulary repeats"),
        ("vocabulary.0", 10, "metadata.vocabulary[0]"),
        ("text.unknown", -1, "text.unknown"),
        ("text.unknown", 46, "text.unknown"),
        ("text.unknown", True, "text.unknown"),
        ("text.unknown", "\n", "text.unknown"),
        ("text.normalization", "NFKC", "text.normalization"),
        ("text.newlines", "crlf", "text.newlines"),
        ("text.more", 1, "unknown key 'more'"),
        ("charlm.start", "", "charlm.start is empty"),
        ("charlm.start", "\nZ", "charlm.start is not in"),
        ("golden.tokens", [], "golden.tokens is empty"),
        ("golden.tokens.0", 46, "golden tokens"),
        ("golden.tokens.0", -1, "golden tokens"),
        ("golden.tokens.0", True, "golden.tokens[0]"),
        ("golden.generated.0", 46, "golden tokens"),
        ("golden.generated.0", -1, "golden tokens"),
        ("golden.logits", [0.0], "golden.logits"),
        ("golden.uniform", [0.5], "one uniform per token"),
        ("golden.uniform.0", 1.0, "golden.uniform"),
        ("golden.uniform.0", -0.1, "golden.uniform"),
        ("golden.uniform.0", "0.1", "golden.uniform[0]"),
        ("training", {"loss": None}, "metadata.training.loss"),
        ("training", {"loss": [1]}, "metadata.training.loss"),
        ("training", {"a\nb": [1]}, "metadata.training"),
        ("training", {"x" * 5000: [1]}, "metadata.training"),
        ("proof", {"torch": "small"}, "metadata.proof.torch"),
        ("proof", {"torch": True}, "metadata.proof.torch"),
    ],
)
def test_document_rule(
    refusal: Refusal, documented: Edited, place: str, value: Any, said: str
) -> None:
    message = refusal(documented(lambda it: put(it, place, value)))
    assert message.startswith("bad metadata: ")
    assert said in message


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("classifier.labels", [], "labels are missing"),
        ("classifier.labels", list("abcdd"), "labels repeat"),
        ("classifier.labels", list("abcdef"), "one per label"),
        ("classifier.labels.0", 1, "metadata.classifier.labels[0]"),
        ("classifier.log_prior", [0.0] * 4, "one per label"),
        ("classifier.begin", "Ω", "begin and end"),
        ("classifier.end", "Ω", "begin and end"),
        ("classifier.end", None, "metadata.classifier.end"),
        ("charlm", {"start": "\n"}, "section of its kind"),
        ("golden.logits", [0.0] * 6, "golden.logits"),
    ],
)
def test_document_rule_of_a_classifier(
    refusal: Refusal, documented: Edited, place: str, value: Any, said: str
) -> None:
    message = refusal(documented(lambda it: put(it, place, value), of="classifier"))
    assert message.startswith("bad metadata: ")
    assert said in message


def put(document: Any, place: str, value: Any) -> None:
    *path, last = (int(each) if each.isdecimal() else each for each in place.split("."))
    for key in path:
        document = document[key]
    document[last] = value


def test_start_text_changed_by_the_text_rules(refusal: Refusal, documented: Edited) -> None:
    """It would be encoded as another text, which the vocabulary may lack."""

    def change(document: Any) -> None:
        assert document["text"]["newlines"] == "lf"
        document["vocabulary"][0] = document["charlm"]["start"] = "\r"

    assert "charlm.start is changed by the text rules" in refusal(documented(change))


@pytest.mark.parametrize("mark", ["begin", "end"])
def test_mark_changed_by_the_text_rules(refusal: Refusal, documented: Edited, mark: str) -> None:
    def change(document: Any) -> None:
        assert document["text"]["normalization"] == "NFC"
        document["vocabulary"][5:7] = ["e", "\u0301"]
        document["vocabulary"][document["vocabulary"].index("e", 7)] = "€"
        document["classifier"][mark] = "e\u0301"

    said = refusal(documented(change, of="classifier"))
    assert "begin and end are changed by the text rules" in said


@pytest.mark.parametrize("limit", ["MAX_VOCABULARY", "MAX_METADATA_BYTES"])
def test_document_over_a_limit(
    refusal: Refusal, data: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(contract, limit, 10)
    assert refusal(data / "charlm.onnx")


def test_too_many_labels(refusal: Refusal, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "MAX_LABELS", 4)
    assert "labels are missing or too many" in refusal(data / "classifier.onnx")


@pytest.mark.parametrize("version", [3, 10**6])
def test_newer_format_says_to_upgrade(refusal: Refusal, documented: Edited, version: int) -> None:
    def renew(document: dict[str, Any]) -> None:
        document.clear()
        document.update(format_version=version, shape="unheard of")

    said = refusal(documented(renew))
    assert f"format version {version} is newer" in said
    assert "upgrade" in said


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"kind": "charlm", "kind": "charlm"}',
        b'{"proof": {"torch": NaN}}',
        b"[" * 100_000,
        b'{"format_version": ' + b"1" * 5000 + b"}",
        b'{"format_version": 1e999}',
    ],
)
def test_document_that_is_not_valid(refusal: Refusal, edited: Edited, document: bytes) -> None:
    def replace(model: Any) -> None:
        model.metadata_props[0].value = document

    assert "metadata" in refusal(edited(replace))


def test_document_of_every_nesting_depth(refusal: Refusal, documented: Edited) -> None:
    """Near Python's recursion limit a value can be parsed, but not shown or compared."""
    for depth in range(900, 1000, 3):
        nested: Any = []
        for _ in range(depth):
            nested = [nested]
        try:
            path = documented(lambda it, value=nested: it.update(kind=value))
        except RecursionError:  # json.dumps itself
            return
        assert "metadata" in refusal(path)


def test_no_document(refusal: Refusal, edited: Edited) -> None:
    assert "no 'rnn_model' metadata" in refusal(edited(lambda it: it.ClearField("metadata_props")))


def test_document_under_another_key(refusal: Refusal, edited: Edited) -> None:
    def rename(model: Any) -> None:
        model.metadata_props[0].key = b"model"

    assert "no 'rnn_model' metadata" in refusal(edited(rename))


def test_second_document(refusal: Refusal, edited: Edited) -> None:
    def double(model: Any) -> None:
        model.metadata_props.append(model.metadata_props[0])

    assert "it has 2 'rnn_model' documents" in refusal(edited(double))


def test_other_metadata(refusal: Refusal, edited: Edited) -> None:
    said = refusal(edited(lambda it: it.metadata_props.add(key=b"author", value=b"x")))
    assert "it has the metadata key 'author' besides 'rnn_model'" in said


@pytest.mark.parametrize("key", ["tokens", "uniform"])
def test_recorded_run_is_limited(refusal: Refusal, documented: Edited, key: str) -> None:
    def change(document: Any) -> None:
        document["golden"][key] = document["golden"][key] * 200
        document["golden"]["generated"] = document["golden"]["generated"] * 200

    assert "too long" in refusal(documented(change))
