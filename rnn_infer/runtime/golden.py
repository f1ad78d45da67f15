"""The recorded run of a file, repeated at load: it shows a host that computes other numbers."""

import numpy as np
from numpy.typing import NDArray

from rnn_infer.contract import Golden
from rnn_infer.errors import DeviceError, ModelFileError

TOLERANCE = 1e-3
"""How far a logit may lie from the recorded one, if the file does not say."""


def tolerance(golden: Golden) -> float:
    """Return how far a logit may lie from the recorded one."""
    return TOLERANCE if golden.tolerance is None else golden.tolerance


def difference(golden: Golden, logits: NDArray[np.float32]) -> float:
    """Return the largest difference from the recorded logits.

    Args:
        golden: of the file.
        logits: after its tokens, [1, time, n].

    Returns:
        The difference. It is NaN if a logit is.
    """
    return float(np.abs(logits[0, -1] - np.array(golden.logits, np.float32)).max())


def refusal(path: str, device: str, found: float, golden: Golden) -> ModelFileError | DeviceError:
    """Return the error for a file that gives other logits here than it recorded."""
    what = (
        f"{path}: gives other logits on {device} than when it was made: they differ by "
        f"{found:.2g}, over {tolerance(golden):g}"
    )
    if device == "cuda":
        return DeviceError(f"{what}; use the cpu, or another release of onnxruntime-gpu")
    return ModelFileError(
        f"{what}; its weights are damaged, or this onnxruntime is wrong: fetch the file again, or "
        "install another release of onnxruntime"
    )
