"""Reading a model file: its bytes are read once, and checked before anything runs them."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from rnn_infer import contract
from rnn_infer.contract import Metadata
from rnn_infer.errors import ModelFileError
from rnn_infer.modelfile import onnx_proto
from rnn_infer.modelfile.graph_check import check_graph, check_header
from rnn_infer.modelfile.interface import StateSpec, check_interface
from rnn_infer.modelfile.metadata_check import read_metadata
from rnn_infer.modelfile.violation import ViolationError, damaged


@dataclass(frozen=True)
class ModelFile:
    """A file that passed every check."""

    path: str
    """The path as the caller gave it."""
    data: bytes
    """The bytes that were checked. The file is not read a second time."""
    sha256: str
    """SHA-256 of `data`, hexadecimal."""
    metadata: Metadata
    states: tuple[StateSpec, ...]
    """The states, in the order of the graph's inputs."""
    generates: bool
    """Whether the graph draws tokens. False: a step-only export."""
    steps: int | None
    """Tokens that a call reads or draws, see `runtime.replay`. None: any number."""
    operators: frozenset[str]
    """The operators that the graph uses."""

    def not_finite(self) -> ModelFileError:
        """Return the error for a model that returns NaN or infinity."""
        return ModelFileError(
            f"{self.path}: returns NaN or infinity, which are no numbers: its weights are damaged "
            "or its training diverged; export it again"
        )


def read_model(path: str | os.PathLike[str], *, sha256: str | None = None) -> ModelFile:
    """Read and check a model file.

    Args:
        path: the `.onnx` file.
        sha256: the expected SHA-256, hexadecimal. A file with another hash is refused.

    Raises:
        ModelFileError: the file cannot be read, has another hash, or breaks the contract.
    """
    name = os.fspath(path)
    data = _read(Path(name))
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise ModelFileError(
            f"{name}: sha256 is {digest}, not {sha256} as required; fetch the file again"
        )
    try:
        return _check(name, data, digest)
    except ViolationError as violation:
        text = str(violation)
        if not text.isprintable():  # a name in the file may hold line ends or escape codes
            text = text.encode("unicode_escape").decode()
        raise ModelFileError(f"{name}: {text}") from None


def _read(path: Path) -> bytes:
    limit = contract.MAX_FILE_BYTES
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
            raise ModelFileError(f"{path}: is not a regular file; name the .onnx file itself")
        with path.open("rb") as stream:
            # One byte more than the size, to notice that the file grows.
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
        raise ModelFileError(f"{path}: is larger than {shown} MB, the limit for a model file")
    if len(data) != facts.st_size:
        raise ModelFileError(f"{path}: is being written; load it again later")
    return data


def _check(name: str, data: bytes, digest: str) -> ModelFile:
    try:
        model = onnx_proto.model_class().FromString(data)
    except DecodeError:
        raise damaged("its bytes do not parse") from None
    except RecursionError:
        raise damaged("it is nested too deeply") from None
    check_header(model)
    metadata = read_metadata(model)
    operators = check_graph(model.graph)
    interface = check_interface(model.graph, metadata)
    return ModelFile(name, data, digest, metadata, *interface, operators)
