"""The contract of the model file: names, limits, operators and the metadata document.

The exporter and the reader both take them from here. `docs/reference/format.md` describes the same
format in prose.
"""

import json
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, Self

FORMAT_VERSION = 2
"""The newest version of the format. A file names the lowest version that has all of its keys, so
that an older reader still reads it."""
METADATA_KEY = "rnn_model"
"""The key of the one JSON document in the ONNX field `metadata_props`."""

# --- tensors: the first axis is always the batch -------------------------------------
TOKENS = "tokens"  # int64 [batch, time]
LOGITS = "logits"  # float32 [batch, time, n]
UNIFORM = "uniform"  # float32 [batch, steps], in [0, 1)
TEMPERATURE = "temperature"  # float32 [batch], 0: always the most likely token
TOP_K = "top_k"  # int64 [batch], 0: off
TOP_P = "top_p"  # float32 [batch], 1: off
GENERATED = "generated"  # int64 [batch, steps]
# In a file with a fixed number of steps per call, `time` and `steps` are that number.
GENERATION_INPUTS = (UNIFORM, TEMPERATURE, TOP_K, TOP_P)
NEXT = "_next"
"""An input `x` is a state if, and only if, there is an output `x` + NEXT. Both are float32
[batch, width]."""

DRAWN = -1
"""A value in `tokens` of a fixed-step file that draws: take the token drawn at the step before."""
NO_STEP = -2
"""A value in `tokens` of a fixed-step file: this step and all after it are skipped. Their outputs
have no meaning, and the next states are those before them. Only the last steps of a call may be
skipped, the same ones in all rows, and never the first step."""

# Fewer logits: a classifier's file of any length takes a token also as itself less the size of the
# vocabulary. If the first token of the first row is given so, there are logits only after the last
# tokens, [batch, 1, n]; if the last token of that row is given so too, those of one row alone.

# --- limits ---------------------------------------------------------------------------
IR_VERSIONS = range(8, 11)
OPSETS = range(17, 22)
OPSET = 18
"""The opset that the exporter writes: the lowest that torch's own exporter can trace a cell to. The
CUDA kernels of the recurrent operators are registered for opsets below 22."""
MAX_FILE_BYTES = 512 * 2**20
MAX_METADATA_BYTES = 8 * 2**20
MAX_VOCABULARY = 100_000
MAX_LABELS = 10_000
MAX_NODES = 10_000
MAX_STEPS = 32
"""Steps per call of a fixed-step file. onnxruntime joins and splits more than 32 parts through
memory that a CUDA graph must not read again."""
MAX_NESTING = 4
"""Depth of nested graphs: the main graph, an If on whether to draw, an If on the filters, and the
Loop."""
MAX_STATE_WIDTH = 2**16
MAX_GOLDEN = 1024
"""Tokens of the recorded run, at most."""

_MATHEMATICS = """Add Sub Mul Div Neg Abs Sqrt Exp Log Pow Reciprocal Max Min Clip Erf
    Round Sigmoid Tanh Relu LeakyRelu Elu Selu Softplus Softsign HardSigmoid HardSwish Gelu Mish
    Softmax LogSoftmax LayerNormalization ReduceSum ReduceMax ReduceMin ReduceMean CumSum
    MatMul Gemm QuantizeLinear MatMulInteger LSTM GRU RNN
    Equal Less LessOrEqual Greater GreaterOrEqual And Or Not"""
_MOVEMENT = """Gather GatherElements Concat Split Slice Reshape Squeeze Unsqueeze Transpose
    Flatten Shape TopK ArgMax Where Cast Identity Constant"""
OPERATORS = frozenset(f"{_MATHEMATICS} {_MOVEMENT} Loop Scan If".split())
"""The only operators that a file may use, also in subgraphs: mathematics and control flow of the
standard domain. None of them reads a file, draws random numbers or takes a path."""


# --- the metadata document ------------------------------------------------------------
def optional(since: int) -> Any:
    """Declare a key that a document may lack. Then its value is None.

    Args:
        since: the version of the format that brought the key.
    """
    return field(default=None, metadata={"since": since})


def version_needed(part: Any) -> int:
    """Return the lowest version of the format that has all keys of a document or a part of it."""
    if not is_dataclass(part):
        return 1
    needed = 1
    for key in fields(part):
        value = getattr(part, key.name)
        if value is not None:
            needed = max(needed, key.metadata.get("since", 1), version_needed(value))
    return needed


def _as_json(part: Any) -> Any:
    """Return a document, or a part of it, as JSON values, without optional keys that are None."""
    if not is_dataclass(part):
        return part
    return {
        key.name: _as_json(getattr(part, key.name))
        for key in fields(part)
        if getattr(part, key.name) is not None or "since" not in key.metadata
    }


@dataclass(frozen=True)
class TextRules:
    """How a text becomes tokens: map line ends, normalise, look up each code point."""

    normalization: Literal["none", "NFC"]
    """NFC: texts are brought to Unicode Normalization Form C."""
    newlines: Literal["keep", "lf"]
    """lf: CRLF and a single CR become LF."""
    unknown: int | None
    """The token for every character outside the vocabulary. None: such a text is refused."""


@dataclass(frozen=True)
class CharLMSection:
    """The part of the document that only a character language model has."""

    start: str
    """The text that is read in place of an empty prompt."""
    end: str | None = optional(since=2)
    """The character that ends a document. The model was trained on documents: each was read from
    the zero state, after this character. Absent: on one long text."""


@dataclass(frozen=True)
class HeldOutScores:
    """How sure a classifier is of the right labels of its held-out rows, for prediction sets."""

    rows: int
    """Number of held-out rows."""
    scores: tuple[float, ...]
    """1 minus the probability of the right label, ascending. Score i of m (from 0) is the one of
    rank ceil((i + 1) rows / m) of all rows."""


@dataclass(frozen=True)
class ClassifierSection:
    """The part of the document that only a classifier has."""

    labels: tuple[str, ...]
    """The labels, in the order of the logits."""
    begin: str
    """The text put before each text. It may be empty."""
    end: str
    """The text put after each text. It may be empty. The prediction is read at the last token."""
    log_prior: tuple[float, ...]
    """For each label the natural logarithm of its share in the training data. `prior` of
    `Classifier.classify` uses it."""
    held_out: HeldOutScores | None = optional(since=2)  # noqa: RUF009
    """For `coverage` of `Classifier.classify`. None: nothing was held out."""
    noise: tuple[float, ...] | None = optional(since=2)
    """For each label the probability that a text has it by chance, whatever the text says. Their
    sum is the share of such texts. None: no text has."""


@dataclass(frozen=True)
class Golden:
    """One recorded run from the zero state. `rnn-infer verify` repeats it."""

    tokens: tuple[int, ...]
    """The tokens that are read."""
    logits: tuple[float, ...]
    """The logits after the last token, [n]."""
    uniform: tuple[float, ...]
    """The random numbers, each in [0, 1). Empty if the file does not draw."""
    generated: tuple[int, ...]
    """The tokens drawn with `uniform` at temperature 1. Empty if the file does not draw."""
    tolerance: float | None = optional(since=2)
    """How far a logit of a right host may lie from `logits`. Compare it at load: each wrong host
    that was seen lies further away. None: 0.001."""


@dataclass(frozen=True)
class Metadata:
    """The metadata document of a model file.

    Every key is required unless it is declared `optional`, and no other is allowed.
    """

    format_version: int
    """The version of the format: 1 or 2."""
    kind: Literal["charlm", "classifier"]
    """The kind of model."""
    producer: str
    """The program that wrote the file."""
    text: TextRules
    """How a text becomes tokens."""
    vocabulary: tuple[str, ...]
    """The characters, one code point each. The index is the token."""
    charlm: CharLMSection | None
    """Present if `kind` is "charlm"."""
    classifier: ClassifierSection | None
    """Present if `kind` is "classifier"."""
    training: dict[str, bool | str | int | float]
    """Facts about the training: data hash, sizes, held-out metrics, package versions."""
    proof: dict[str, float]
    """The largest differences that the exporter measured between two ways to compute the same
    numbers."""
    golden: Golden
    """A recorded run."""

    def to_json(self) -> str:
        """Return the document as one line of ASCII with sorted keys.

        The same document always gives the same bytes.

        Raises:
            ValueError: a number is NaN or infinite.
        """
        return json.dumps(_as_json(self), sort_keys=True, allow_nan=False, separators=(",", ":"))

    def with_version(self) -> Self:
        """Return the document with the lowest `format_version` that has all of its keys."""
        return replace(self, format_version=version_needed(self))

    @property
    def outputs(self) -> int:
        """The width n of the logits: the number of labels, or of characters."""
        return len(self.classifier.labels) if self.classifier else len(self.vocabulary)
