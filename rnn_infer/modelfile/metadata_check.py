"""Checks of the metadata document: its schema, and the rules that its values must keep."""

import itertools
from typing import Any

from rnn_infer import contract
from rnn_infer.contract import HeldOutScores, Metadata
from rnn_infer.modelfile.rewriter import is_report
from rnn_infer.modelfile.schema import SchemaError, decode, parse_json
from rnn_infer.modelfile.violation import ViolationError, foreign, plain_text
from rnn_infer.text.vocabulary import Vocabulary


def read_metadata(model: Any) -> Metadata:
    """Read and check the metadata document of a parsed ONNX message.

    Raises:
        ViolationError: there is not exactly one document, or it breaks a rule.
    """
    text = _document(model)
    try:
        value = parse_json(text)
        _refuse_newer(value)
        metadata = decode(Metadata, value, "metadata")
    except SchemaError as error:
        raise ViolationError(f"bad metadata: {error}") from None
    _check_document(metadata)
    return metadata


def _document(model: Any) -> str:
    """Return the text of the one document."""
    documents = [
        entry.value for entry in model.metadata_props if entry.key == contract.METADATA_KEY.encode()
    ]
    if not documents:
        raise foreign(f"it has no {contract.METADATA_KEY!r} metadata; export it with rnn-train")
    if len(documents) > 1:
        raise foreign(f"it has {len(documents)} {contract.METADATA_KEY!r} documents")
    for entry in model.metadata_props:
        if entry.key != contract.METADATA_KEY.encode() and not is_report(entry.key):
            key = plain_text(entry.key, "a metadata key")
            raise foreign(f"it has the metadata key {key[:80]!r} besides {contract.METADATA_KEY!r}")
    if len(documents[0]) > contract.MAX_METADATA_BYTES:
        raise ViolationError("its metadata is larger than the limit")
    return plain_text(documents[0], "the metadata")


def _refuse_newer(value: Any) -> None:
    """Refuse a newer format before its schema is checked, so that the message says to upgrade."""
    version = value.get("format_version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > contract.FORMAT_VERSION:
        raise ViolationError(
            f"format version {version} is newer than {contract.FORMAT_VERSION}, "
            "the newest that this rnn_infer reads; upgrade it"
        )


def _check_document(metadata: Metadata) -> None:
    known = 1 <= metadata.format_version <= contract.FORMAT_VERSION
    _require(known, "format_version is not known")
    needed = contract.version_needed(metadata)
    _require(needed <= metadata.format_version, f"its keys need format_version {needed}")
    sections = {"charlm": metadata.charlm, "classifier": metadata.classifier}
    _require(
        all((section is not None) == (kind == metadata.kind) for kind, section in sections.items()),
        f"it must have exactly the section of its kind, {metadata.kind!r}",
    )
    vocabulary = metadata.vocabulary
    _require(0 < len(vocabulary) <= contract.MAX_VOCABULARY, "vocabulary is empty or too large")
    _require(
        all(len(char) == 1 for char in vocabulary),
        "each vocabulary entry must be one Unicode character",
    )
    _require(len(set(vocabulary)) == len(vocabulary), "vocabulary repeats a character")
    unknown = metadata.text.unknown
    _require(unknown is None or 0 <= unknown < len(vocabulary), "text.unknown is not a token")
    _check_charlm(metadata)
    _check_classifier(metadata)
    _check_golden(metadata)


def _check_charlm(metadata: Metadata) -> None:
    if not metadata.charlm:
        return
    start = metadata.charlm.start
    _require(start != "", "charlm.start is empty")
    # The text rules must not change it into a text that the vocabulary may lack.
    normal = Vocabulary(metadata).normalize(start)
    _require(normal == start, "charlm.start is changed by the text rules")
    _require(set(start) <= set(metadata.vocabulary), "charlm.start is not in vocabulary")
    end = metadata.charlm.end
    _require(end in (None, start), "charlm.end is not charlm.start")
    _require(end is None or len(end) == 1, "charlm.end is not one character")


def _check_classifier(metadata: Metadata) -> None:
    if not metadata.classifier:
        return
    labels, normalize = metadata.classifier.labels, Vocabulary(metadata).normalize
    _require(0 < len(labels) <= contract.MAX_LABELS, "labels are missing or too many")
    _require(len(set(labels)) == len(labels), "labels repeat")
    _require(len(metadata.classifier.log_prior) == len(labels), "log_prior needs one per label")
    _check_scores(metadata.classifier.held_out)
    _check_noise(metadata.classifier.noise, len(labels))
    for mark in (metadata.classifier.begin, metadata.classifier.end):
        _require(set(mark) <= set(metadata.vocabulary), "begin and end must be in vocabulary")
        _require(normalize(mark) == mark, "begin and end are changed by the text rules")


def _check_scores(held_out: HeldOutScores | None) -> None:
    if not held_out:
        return
    rows, scores = held_out.rows, held_out.scores
    _require(0 < len(scores) <= rows, "held_out needs from one score to one per row")
    _require(scores[0] >= 0 and scores[-1] <= 1, "held_out.scores are out of range")
    ascending = all(a <= b for a, b in itertools.pairwise(scores))
    _require(ascending, "held_out.scores do not ascend")


def _check_golden(metadata: Metadata) -> None:
    golden, limit, size = metadata.golden, contract.MAX_GOLDEN, len(metadata.vocabulary)
    tokens = golden.tokens + (golden.generated if metadata.charlm else ())
    _require(0 < len(golden.tokens) <= limit, "golden.tokens is empty or too long")
    _require(len(golden.uniform) <= limit, "golden.uniform is too long")
    _require(all(0 <= token < size for token in tokens), "golden tokens are out of range")
    _require(len(golden.logits) == metadata.outputs, "golden.logits has another width")
    _require(len(golden.generated) == len(golden.uniform), "golden needs one uniform per token")
    _require(golden.tolerance is None or golden.tolerance > 0, "golden.tolerance is not positive")
    _require(all(0 <= u < 1 for u in golden.uniform), "golden.uniform is out of range")


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ViolationError(f"bad metadata: {otherwise}")


def _check_noise(noise: tuple[float, ...] | None, labels: int) -> None:
    if noise is None:
        return
    _require(len(noise) == labels, "noise needs one probability per label")
    _require(min(noise) >= 0 and sum(noise) < 1, "noise is no part of a distribution")
