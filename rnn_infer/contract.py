"""The model file's contract: names, limits, operators and the metadata document.

The one place where both sides, the exporter and the reader, find them. The
format page in `exported/README.md` says the same in prose.
"""

import json
from dataclasses import asdict, dataclass
from typing import Literal

FORMAT_VERSION = 1
METADATA_KEY = "rnn_model"
"""Key in ONNX `metadata_props` under which the one JSON document stands."""

# --- tensors, all batch first ---------------------------------------------------------
TOKENS = "tokens"  # int64 [batch, time]
LOGITS = "logits"  # float32 [batch, time, n]
UNIFORM = "uniform"  # float32 [batch, steps], in [0, 1)
TEMPERATURE = "temperature"  # float32 [batch], 0: the most likely token
TOP_K = "top_k"  # int64 [batch], 0: off
TOP_P = "top_p"  # float32 [batch], 1: off
GENERATED = "generated"  # int64 [batch, steps]
# A file of fixed steps has their number where `time` and `steps` stand here.
GENERATION_INPUTS = (UNIFORM, TEMPERATURE, TOP_K, TOP_P)
NEXT = "_next"
"""An input `x` is state exactly when there is an output `x` + NEXT; both float32 [batch, width]."""

DRAWN = -1
"""In `tokens` of a file of fixed steps that draws: what was drawn at the step before."""
NO_STEP = -2
"""In `tokens` of a file of fixed steps: no step any more. What a call gives has no meaning from
here on, and the next states are those before it. In the last steps alone, of all rows alike; at
least one step is taken."""

# --- limits ---------------------------------------------------------------------------
IR_VERSIONS = range(8, 11)
OPSETS = range(17, 22)
OPSET = 18
"""What the exporter writes: the lowest torch's own exporter traces a cell to. The CUDA kernels of
the recurrent ops are registered for schemas below 22."""
MAX_FILE_BYTES = 512 * 2**20
MAX_METADATA_BYTES = 8 * 2**20
MAX_VOCABULARY = 100_000
MAX_LABELS = 10_000
MAX_NODES = 10_000
MAX_STEPS = 32
"""Of a file of fixed steps: more parts than 32 onnxruntime joins and splits by way of memory that a
CUDA graph must not read again."""
MAX_NESTING = 4
"""Graphs within graphs: the main graph, whether to draw, with which filters, and the Loop."""
MAX_STATE_WIDTH = 2**16
MAX_GOLDEN = 1024
"""Tokens of the recorded run."""

_MATHEMATICS = """Add Sub Mul Div Neg Abs Sqrt Exp Log Pow Reciprocal Max Min Clip Erf
    Round Sigmoid Tanh Relu LeakyRelu Elu Selu Softplus Softsign HardSigmoid HardSwish Gelu Mish
    Softmax LogSoftmax LayerNormalization ReduceSum ReduceMax ReduceMin ReduceMean CumSum
    MatMul Gemm QuantizeLinear MatMulInteger LSTM GRU RNN
    Equal Less LessOrEqual Greater GreaterOrEqual And Or Not"""
_MOVEMENT = """Gather GatherElements Concat Split Slice Reshape Squeeze Unsqueeze Transpose
    Flatten Shape TopK ArgMax Where Cast Identity Constant"""
OPERATORS = frozenset(f"{_MATHEMATICS} {_MOVEMENT} Loop Scan If".split())
"""The only operators a file may use, subgraphs included: standard-domain mathematics and control
flow. None reads a file, draws random numbers or takes a path."""


# --- the metadata document ------------------------------------------------------------
@dataclass(frozen=True)
class TextRules:
    """How a text becomes tokens: normalise, map line ends, look each code point up."""

    normalization: Literal["none", "NFC"]
    newlines: Literal["keep", "lf"]
    """lf: CRLF and a lone CR become LF before the look-up."""
    unknown: int | None
    """Token that stands for any character outside the vocabulary; null: such a text is refused."""


@dataclass(frozen=True)
class CharLMSection:
    """What only a character language model has."""

    start: str
    """Fed in place of an empty prompt."""


@dataclass(frozen=True)
class ClassifierSection:
    """What only a classifier has."""

    labels: tuple[str, ...]
    begin: str
    """Put before each text; may be empty."""
    end: str
    """Put after each text; the answer is the logits at the last position."""
    log_prior: tuple[float, ...]
    """Log of each label's share in the training rows, for the `prior` of `classify`."""


@dataclass(frozen=True)
class Golden:
    """One recorded run from zero state, which `verify` repeats."""

    tokens: tuple[int, ...]
    logits: tuple[float, ...]
    """At the last token."""
    uniform: tuple[float, ...]
    generated: tuple[int, ...]
    """Drawn with these uniforms at temperature 1; both empty where the file draws nothing."""


@dataclass(frozen=True)
class Metadata:
    """The JSON document under METADATA_KEY. Every key is required, no other is allowed."""

    format_version: int
    kind: Literal["charlm", "classifier"]
    producer: str
    text: TextRules
    vocabulary: tuple[str, ...]
    """One code point each; the index is the token."""
    charlm: CharLMSection | None
    classifier: ClassifierSection | None
    training: dict[str, bool | str | int | float]
    """Facts: data hash, sizes, held-out metrics, package versions."""
    proof: dict[str, float]
    """Largest differences the exporter measured between two ways to the same numbers."""
    golden: Golden

    def to_json(self) -> str:
        """One line, sorted keys, ASCII: the same document gives the same bytes."""
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False, separators=(",", ":"))

    @property
    def outputs(self) -> int:
        """Width n of the logits."""
        return len(self.classifier.labels) if self.classifier else len(self.vocabulary)
