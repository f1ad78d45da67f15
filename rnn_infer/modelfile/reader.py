"""Reading a model file: its bytes are read once, and checked before anything runs them."""

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from rnn_infer.contract import Metadata
from rnn_infer.errors import ModelFileError
from rnn_infer.modelfile import onnx_proto
from rnn_infer.modelfile.graph_check import check_graph, check_header
from rnn_infer.modelfile.interface import StateSpec, check_interface
from rnn_infer.modelfile.metadata_check import read_metadata
from rnn_infer.modelfile.rewriter import other_kind, rewriter
from rnn_infer.modelfile.source import ModelSource, SourceBytes, read_source
from rnn_infer.modelfile.violation import ViolationError, damaged


@dataclass(frozen=True)
class ModelFile:
    """A file that passed every check."""

    source: SourceBytes
    """The bytes that were checked. The file is not read a second time."""
    metadata: Metadata
    states: tuple[StateSpec, ...]
    """The states, in the order of the graph's inputs."""
    generates: bool
    """Whether the graph draws tokens. False: a step-only export."""
    steps: int | None
    """Tokens that a call reads or draws, see `runtime.replay`. None: any number."""
    operators: frozenset[str]
    """The operators that the graph uses."""

    @property
    def path(self) -> str:
        """The name in messages: the path as the caller gave it, or the name of the object."""
        return self.source.name

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return self.source.data

    @property
    def sha256(self) -> str:
        """SHA-256 of `data`, hexadecimal."""
        return self.source.sha256

    def not_finite(self) -> ModelFileError:
        """Return the error for a model that returns NaN or infinity."""
        return ModelFileError(
            f"{self.path}: returns NaN or infinity, which are no numbers: its weights are damaged "
            "or its training diverged; export it again"
        )

    def too_large(self, reason: str) -> ModelFileError:
        """Return the error for a model that asks for more memory than there is.

        It is no MemoryError: a file can be made so, and its graph decides what it asks for.
        """
        return ModelFileError(
            f"{self.path}: there is not enough memory for the graph ({reason}); free memory, or "
            "ask for fewer texts at once; a file from a stranger may be made so"
        )


def read_model(source: ModelSource, *, sha256: str | None = None) -> ModelFile:
    """Read and check a model file.

    Args:
        source: a path, bytes, a binary file object, or a resource of a package.
        sha256: the expected SHA-256, hexadecimal. A file with another hash is refused.

    Raises:
        ModelFileError: the source cannot be read, has another hash, or breaks the contract.
        OptionError: the source is none of these types.
    """
    found = read_source(source)
    if sha256 is not None and found.sha256 != sha256.lower():
        raise ModelFileError(
            f"{found.name}: sha256 is {found.sha256}, not {sha256} as required; fetch the file "
            "again"
        )
    return check_model(found)


def check_model(source: SourceBytes) -> ModelFile:
    """Check the bytes of a model file.

    Raises:
        ModelFileError: they break the contract.
    """
    try:
        return _check(source)
    except ViolationError as violation:
        raise ModelFileError(f"{source.name}: {violation}") from None


def _check(source: SourceBytes) -> ModelFile:
    if kind := other_kind(source.data):
        raise ViolationError(f"is not an ONNX file but {kind}")
    try:
        model = onnx_proto.model_class().FromString(source.data)
    except DecodeError:
        raise damaged("its bytes do not parse") from None
    except RecursionError:
        raise damaged("it is nested too deeply") from None
    try:
        check_header(model)
        metadata = read_metadata(model)
        operators = check_graph(model.graph)
        interface = check_interface(model.graph, metadata)
    except ViolationError as violation:
        if explained := rewriter(model, violation.detail):
            raise ViolationError(explained) from None
        raise
    return ModelFile(source, metadata, *interface, operators)
