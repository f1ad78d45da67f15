"""Which variant an engine gets."""

from typing import get_args

import pytest

from benchmarks.harness import read_plain
from benchmarks.host_tables import cell
from rnn_train.cli.export import HOST_NAMES
from rnn_train.errors import ExportError
from rnn_train.exporting.hosts import HOSTS, HostName, described, options_of, variant_for
from rnn_train.exporting.variants import Variant


def test_every_engine_has_a_variant() -> None:
    assert tuple(HOSTS) == get_args(HostName) == HOST_NAMES
    for name, host in HOSTS.items():
        assert host.variant.weights in host.weights
        assert variant_for(name, None) == host.variant


def test_engines_without_control_flow_get_none() -> None:
    for name in ("tract", "tvm", "iree", "opencv", "litert"):
        assert HOSTS[name].variant.steps


def test_weights_that_were_not_tested_are_refused() -> None:
    assert variant_for("tract", "int8") == Variant(steps=4, weights="int8")
    with pytest.raises(ExportError, match="int8 weights do not work in opencv; take float32"):
        variant_for("opencv", "int8")
    with pytest.raises(ExportError, match="host must be one of onnxruntime"):
        variant_for("nowhere", None)  # type: ignore[arg-type]


def test_what_is_picked_is_said() -> None:
    said = described("litert", variant_for("litert", None))
    assert said.startswith("for litert: --step-only --steps 1; ")
    assert described("triton", Variant()).startswith("for triton: an ordinary float32 file; ")
    assert "--quantize int8" in described("browser", variant_for("browser", None))


ENGINES = {
    "onnxruntime": "onnxruntime",
    "openvino": "OpenVINO",
    "tract": "tract",
    "tvm": "Apache TVM",
    "iree": "IREE",
    "opencv": "OpenCV",
    "litert": "LiteRT",
}
"""Their names in the committed result. `browser` and `triton` run onnxruntime."""


@pytest.mark.parametrize("name", ENGINES)
def test_what_is_picked_was_right_in_that_engine(name: HostName) -> None:
    files = read_plain("hosts")["engines"][ENGINES[name]]["files"]
    for weights in HOSTS[name].weights:
        options = options_of(variant_for(name, weights)).replace("--quantize ", "")
        words = options.replace("steps ", "steps-").replace("--", "").split()
        file = ".".join(["charlm", *words])
        if name == "onnxruntime" and weights == "float16":
            file = "charlm.without-if.float16"
        assert cell(file, files[file]).startswith("same text"), file
