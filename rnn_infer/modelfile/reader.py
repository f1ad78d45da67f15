"""Reading a model file: into bytes once, checked against the contract before anything runs it."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from rnn_infer import contract
from rnn_infer.contract import Metadata
from rnn_infer.errors import ModelFileError
from rnn_infer.modelfile import onnx_proto
from rnn_infer.modelfile.graph_check import StateSpec, Walk, check_header, check_interface
from rnn_infer.modelfile.schema import SchemaError, decode, parse_json
from rnn_infer.modelfile.violation import ViolationError, damaged, foreign, plain_text
from rnn_infer.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class ModelFile:
    """A file that passed every check. `data` are the very bytes that were checked."""

    path: str
    data: bytes
    sha256: str
    metadata: Metadata
    states: tuple[StateSpec, ...]
    generates: bool
    """Whether the graph draws tokens itself (False: a step-only export)."""
    steps: int | None
    """How many tokens a call reads or draws (see `replay`); None: as many as are given."""
    operators: frozenset[str]

    def not_numbers(self) -> ModelFileError:
        """The error to raise where the model answers with NaN."""
        return ModelFileError(
            f"{self.path}: answers with what are no numbers: its weights are damaged, or its "
            "training diverged; export it again"
        )


def read_model(path: str | os.PathLike[str], *, sha256: str | None = None) -> ModelFile:
    """Reads and checks a model file.

    Args:
        path: the `.onnx` file.
        sha256: refuse the file unless its bytes have this hash (hexadecimal).

    Raises:
        ModelFileError: the file cannot be read, or breaks the contract.
    """
    name = os.fspath(path)
    data = _read(Path(name))
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise ModelFileError(
            f"{name}: sha256 is {digest}, not the {sha256} asked for; fetch the file again"
        )
    try:
        return _check(name, data, digest)
    except ViolationError as violation:
        text = str(violation)
        if not text.isprintable():  # a name in the file may hold a line end, or worse
            text = text.encode("unicode_escape").decode()
        raise ModelFileError(f"{name}: {text}") from None


def _read(path: Path) -> bytes:
    limit = contract.MAX_FILE_BYTES
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
            raise ModelFileError(f"{path}: is no regular file; name the .onnx file itself")
        with path.open("rb") as stream:
            # One byte more than it says, to see that it did not grow meanwhile.
            data = stream.read(min(facts.st_size, limit) + 1)
    except FileNotFoundError:
        raise ModelFileError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ModelFileError(f"{path}: is a folder; name the .onnx file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelFileError(f"{path}: cannot be read ({reason})") from None
    if not data:
        raise ModelFileError(f"{path}: is empty")
    if len(data) > limit:
        shown = limit // 2**20
        raise ModelFileError(f"{path}: larger than {shown} MB, the limit for a model file")
    if len(data) != facts.st_size:
        raise ModelFileError(f"{path}: is being written just now; load it again")
    return data


def _check(name: str, data: bytes, digest: str) -> ModelFile:
    try:
        model = onnx_proto.model_class().FromString(data)
    except DecodeError:
        raise damaged("its bytes do not parse") from None
    except RecursionError:
        raise damaged("nested too deeply") from None
    check_header(model)
    metadata = _read_metadata(model)
    walk = Walk()
    walk.graph(model.graph, depth=1)
    interface = check_interface(model.graph, metadata)
    return ModelFile(name, data, digest, metadata, *interface, frozenset(walk.operators))


def _read_metadata(model: Any) -> Metadata:
    documents = [
        entry.value for entry in model.metadata_props if entry.key == contract.METADATA_KEY.encode()
    ]
    if not documents:
        raise foreign(f"it has no {contract.METADATA_KEY!r} metadata; export it with rnn-train")
    if len(documents) > 1 or len(model.metadata_props) > 1:
        raise foreign(f"it has metadata beside the one {contract.METADATA_KEY!r} document")
    if len(documents[0]) > contract.MAX_METADATA_BYTES:
        raise ViolationError("its metadata is larger than the limit")
    text = plain_text(documents[0], "the metadata")
    try:
        value = parse_json(text)
        version = value.get("format_version") if isinstance(value, dict) else None
        if isinstance(version, int) and version > contract.FORMAT_VERSION:
            raise ViolationError(
                f"format version {version} is newer than {contract.FORMAT_VERSION}, "
                "the newest this rnn_infer reads; upgrade it"
            )
        metadata = decode(Metadata, value, "metadata")
    except SchemaError as error:
        raise ViolationError(f"bad metadata: {error}") from None
    _check_metadata(metadata)
    return metadata


def _check_metadata(metadata: Metadata) -> None:
    _require(metadata.format_version == contract.FORMAT_VERSION, "format_version is not known")
    sections = {"charlm": metadata.charlm, "classifier": metadata.classifier}
    _require(
        all((section is not None) == (kind == metadata.kind) for kind, section in sections.items()),
        f"exactly the section of its kind, {metadata.kind!r}, must be there",
    )
    vocabulary = metadata.vocabulary
    _require(0 < len(vocabulary) <= contract.MAX_VOCABULARY, "vocabulary is empty or too large")
    _require(
        all(len(char) == 1 for char in vocabulary),
        "each vocabulary entry must be one Unicode character",
    )
    _require(len(set(vocabulary)) == len(vocabulary), "vocabulary repeats a character")
    unknown = metadata.text.unknown
    _require(unknown is None or 0 <= unknown < len(vocabulary), "text.unknown is no token")
    _check_sections(metadata)
    golden = metadata.golden
    tokens = golden.tokens + (golden.generated if metadata.charlm else ())
    limit = contract.MAX_GOLDEN
    _require(0 < len(golden.tokens) <= limit, "golden.tokens is empty or too long")
    _require(len(golden.uniform) <= limit, "golden.uniform is too long")
    _require(all(0 <= token < len(vocabulary) for token in tokens), "golden tokens out of range")
    _require(len(golden.logits) == metadata.outputs, "golden.logits has another width")
    _require(len(golden.generated) == len(golden.uniform), "golden: one token a uniform")
    _require(all(0 <= u < 1 for u in golden.uniform), "golden.uniform out of range")


def _check_sections(metadata: Metadata) -> None:
    """What only one kind has. The texts in it are looked up, so the text rules must not change
    them into others that the vocabulary may lack."""
    vocabulary, fixed = set(metadata.vocabulary), Vocabulary(metadata).normalize
    if metadata.charlm:
        start = metadata.charlm.start
        _require(start != "", "charlm.start is empty")
        _require(fixed(start) == start, "charlm.start is none of the texts the text rules give")
        _require(set(start) <= vocabulary, "charlm.start is not in vocabulary")
    if metadata.classifier:
        labels = metadata.classifier.labels
        _require(0 < len(labels) <= contract.MAX_LABELS, "labels are missing or too many")
        _require(len(set(labels)) == len(labels), "labels repeat")
        _require(len(metadata.classifier.log_prior) == len(labels), "one log_prior a label")
        for mark in (metadata.classifier.begin, metadata.classifier.end):
            _require(set(mark) <= vocabulary, "begin and end must be in vocabulary")
            _require(fixed(mark) == mark, "begin and end must be as the text rules give them")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ViolationError(f"bad metadata: {what}")
