"""The variant of a file for each engine that was tested: `rnn-train export --for`.

The scripts in `hosts/` run these variants, and the page "Other hosts" shows what they gave.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from rnn_train.errors import ExportError
from rnn_train.exporting.products import Weights
from rnn_train.exporting.variants import Variant

HostName = Literal[
    "onnxruntime", "browser", "openvino", "tract", "tvm", "iree", "opencv", "litert", "triton"
]
"""The name of an engine."""


@dataclass(frozen=True)
class Host:
    """What an engine needs."""

    variant: Variant
    """What it gets if nothing else is asked for."""
    weights: tuple[Weights, ...]
    """The number types that were tested there."""
    reason: str
    """Why it gets this variant."""
    advice: str
    """What its program must do, and does not by itself."""


_ALL: tuple[Weights, ...] = ("float32", "int8", "float16")
_NO_CONTROL_FLOW = "runs no Loop, If or Scan"
HOSTS: dict[HostName, Host] = {
    "onnxruntime": Host(Variant(), _ALL, "runs every variant", "nothing more to do"),
    "browser": Host(
        Variant(weights="int8"),
        ("int8", "float32"),
        "runs every variant; int8 is the smallest download",
        "import onnxruntime-web/wasm, not the plain onnxruntime-web; float32 is faster",
    ),
    "openvino": Host(
        Variant(without_if=True),
        _ALL,
        "runs Loop and Scan, but no If of this kind",
        "set the hint INFERENCE_PRECISION_HINT to f32; let each call draw at least one token: a "
        "call that draws none may return the tokens of an earlier call",
    ),
    "tract": Host(
        Variant(steps=4),
        _ALL,
        "runs no Loop",
        "leave the input shapes symbolic; convert `generated` to int64",
    ),
    "tvm": Host(Variant(steps=4), ("float32", "int8"), _NO_CONTROL_FLOW, "nothing more to do"),
    "iree": Host(
        Variant(steps=4),
        _ALL,
        _NO_CONTROL_FLOW,
        "copy the outputs of a call before the next; more steps a call take longer to compile",
    ),
    "opencv": Host(
        Variant(steps=4),
        ("float32",),
        _NO_CONTROL_FLOW,
        "open it with the engine ENGINE_NEW of OpenCV 5",
    ),
    "litert": Host(
        Variant(steps=1, step_only=True),
        ("float32",),
        f"{_NO_CONTROL_FLOW}; a bare step is fastest there",
        "give onnx2tf a copy: it changes its input file; each batch size needs a file of its own",
    ),
    "triton": Host(
        Variant(),
        _ALL,
        "runs onnxruntime",
        "a client sends its tokens with a sequence id; the server keeps the states",
    ),
}


def variant_for(name: HostName, weights: Weights | None) -> Variant:
    """Return the variant of an engine.

    Args:
        name: of the engine.
        weights: the number type of the large matrices. None: what suits the engine.

    Raises:
        ExportError: there is no such engine, or these weights were not tested there.
    """
    if name not in HOSTS:
        raise ExportError(f"host must be one of {', '.join(get_args(HostName))}, got {name!r}")
    host = HOSTS[name]
    if weights is None:
        return host.variant
    if weights not in host.weights:
        raise ExportError(
            f"{weights} weights do not work in {name}; take {' or '.join(host.weights)}"
        )
    return replace(host.variant, weights=weights)


def described(name: HostName, variant: Variant) -> str:
    """Return one line that says what was picked, as options of `rnn-train export`."""
    return f"for {name}: {options_of(variant) or 'an ordinary float32 file'}; {HOSTS[name].advice}"


def options_of(variant: Variant) -> str:
    """Return the options of `rnn-train export` that give a variant. Empty: an ordinary file."""
    options = [
        *(["--without-if"] if variant.without_if else []),
        *(["--step-only"] if variant.step_only else []),
        *([f"--steps {variant.steps}"] if variant.steps else []),
        *([f"--quantize {variant.weights}"] if variant.weights != "float32" else []),
    ]
    return " ".join(options)
