"""The recorded run at load: a file that gives other logits here is refused."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnn_infer
from rnn_infer.contract import Golden
from rnn_infer.errors import DeviceError, ModelFileError
from rnn_infer.runtime import golden

Edited = Callable[..., Path]
RUN = Golden(tokens=(0,), logits=(1.0, 2.0), uniform=(), generated=())


def shifted(by: float) -> Callable[[Any], None]:
    """Change a weight, so that one logit moves."""

    def change(model: Any) -> None:
        (bias,) = [each for each in model.graph.initializer if each.name == b"head0.b"]
        values = list(struct.unpack(f"<{bias.dims[0]}f", bias.raw_data))
        values[0] += by
        bias.raw_data = struct.pack(f"<{len(values)}f", *values)

    return change


@pytest.mark.parametrize("of", ["charlm", "charlm.step", "charlm.one", "classifier"])
def test_other_logits_are_refused(edited: Edited, of: str) -> None:
    path = edited(shifted(0.5), of=of)
    with pytest.raises(ModelFileError, match=r"differ by 0\.5, over 0\.001; .*fetch the file"):
        rnn_infer.load(path)
    rnn_infer.load(edited(shifted(1e-4), of=of))


def test_numbers_that_are_not_finite_are_refused(edited: Edited) -> None:
    with pytest.raises(ModelFileError, match="returns NaN or infinity"):
        rnn_infer.load(edited(shifted(float("nan"))))


@pytest.mark.parametrize(("allowed", "opens"), [(0.6, True), (0.4, False)])
def test_the_file_says_how_much_is_allowed(
    documented: Callable[..., Path], allowed: float, opens: bool
) -> None:
    def change(document: Any) -> None:
        document["format_version"] = 2
        document["golden"]["tolerance"] = allowed
        document["golden"]["logits"][0] += 0.5

    path = documented(change)
    if opens:
        rnn_infer.load(path)
    else:
        with pytest.raises(ModelFileError, match=r"over 0\.4"):
            rnn_infer.load(path)


def test_a_file_of_version_1_has_no_tolerance(documented: Callable[..., Path]) -> None:
    """It is compared with the tolerance of the reader."""

    def older(document: Any) -> None:
        document["format_version"] = 1
        del document["golden"]["tolerance"]

    def other(document: Any) -> None:
        older(document)
        document["golden"]["logits"][0] += 2 * golden.TOLERANCE

    assert rnn_infer.load(documented(older)).metadata.format_version == 1
    with pytest.raises(ModelFileError, match="gives other logits"):
        rnn_infer.load(documented(other))


def test_difference() -> None:
    logits = np.array([[[9, 9], [1.25, 2]]], np.float32)
    assert golden.difference(RUN, logits) == 0.25
    assert np.isnan(golden.difference(RUN, logits * np.float32("nan")))
    assert golden.tolerance(RUN) == golden.TOLERANCE


def test_a_wrong_gpu_is_a_device_error() -> None:
    error = golden.refusal("m.onnx", "cuda", 0.5, RUN)
    assert isinstance(error, DeviceError)
    assert "use the cpu" in str(error)


def test_a_tolerance_is_positive(documented: Callable[..., Path]) -> None:
    def change(document: Any) -> None:
        document["format_version"] = 2
        document["golden"]["tolerance"] = 0

    with pytest.raises(ModelFileError, match=r"golden\.tolerance is not positive"):
        rnn_infer.load(documented(change))
