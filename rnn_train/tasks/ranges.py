"""Ranges of the fields that a user may set in a model's config and in the training config.

The command line has the same limits on its options. A caller of the library finds out here, and not
by an error of torch in the middle of a run.
"""

from collections.abc import Mapping
from typing import Any

from rnn_train.errors import RunError

FROM_THE_DATA = ("vocabulary", "labels", "space")
"""Fields that follow from the data; nobody sets them."""
_SHARE = (
    *("dropout", "dropout_input", "dropout_layer", "dropout_output"),
    *("weight_drop", "ngram_dropout", "average"),
)
"""Fields from 0 up to, but not including, 1."""
_RANGES: Mapping[str, tuple[float, float]] = {
    "hidden": (1, 8192),
    "layers": (1, 16),
    "embedding": (1, 8192),
    "head": (0, 65536),
    "batch": (1, 65536),
    "window": (2, 65536),
    "muon": (0, 100),
    "tables": (0, 10_000),
    "weight_decay": (0, 10),
    "ngrams": (1, 8),
    "evidence": (1, 8),
    "prefix": (0, 8),
    "frequent_ngrams": (0, 1_000_000),
    "validate_every": (0, float("inf")),
}
"""First and last value of each field."""


def check_range(config: str, name: str, value: Any) -> None:
    """Checks a value that a user gives for a field of a config.

    Args:
        config: name of the config's class, for the message.
        name: of the field.
        value: of the field's type.

    Raises:
        RunError: the value is out of range, or the field follows from the data.
    """
    if name in FROM_THE_DATA:
        raise RunError(f"{config}.{name} follows from the data; leave it out")
    if name in _SHARE and not 0 <= value < 1:
        raise RunError(f"{config}.{name} must be from 0 to below 1, got {value!r}")
    if name == "learning_rate" and not 0 < value <= 10:
        raise RunError(f"{config}.{name} must be above 0 and at most 10, got {value!r}")
    low, high = _RANGES.get(name, (float("-inf"), float("inf")))
    # NaN is in no range.
    if name in _RANGES and not low <= value <= high:
        limits = f"{low:,} or more" if high == float("inf") else f"from {low:,} to {high:,}"
        raise RunError(f"{config}.{name} must be {limits}, got {value!r}")
