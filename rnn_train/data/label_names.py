"""Names of labels that perhaps mean the same, and labels that are never held out."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SHOWN = 3


def alike(names: Sequence[str]) -> list[list[str]]:
    """Groups names that differ only in letter case, spaces or Unicode form.

    Args:
        names: of the labels.

    Returns:
        The groups of two names or more, in order.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        plain = unicodedata.normalize("NFKC", name).casefold()
        groups.setdefault(" ".join(plain.split()), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def alike_warnings(names: Sequence[str]) -> list[str]:
    """Returns a warning if labels are alike."""
    if not (groups := alike(names)):
        return []
    shown = "; ".join(" and ".join(map(repr, group)) for group in groups[:_SHOWN])
    more = f"; and {len(groups) - _SHOWN:,} more" if len(groups) > _SHOWN else ""
    return [
        f"labels that differ only in letter case, spaces or Unicode form are different labels: "
        f"{shown}{more}; make them equal if they mean the same"
    ]


def unmeasured_warnings(
    names: Sequence[str], train: NDArray[np.int64], held_out: NDArray[np.int64]
) -> list[str]:
    """Returns a warning if labels have no held-out row, while others have some.

    Args:
        names: of the labels.
        train, held_out: number of rows of each label, [labels].
    """
    without = np.flatnonzero((train > 0) & (held_out == 0))
    if not len(without) or not held_out.any():
        return []
    fewest = without[np.argsort(train[without], kind="stable")][:_SHOWN]
    shown = ", ".join(f"{names[i]!r} with {train[i]:,}" for i in fewest)
    return [
        f"labels without a held-out row: {len(without):,} of {int((train > 0).sum()):,}; no figure "
        f"says how well they are found (fewest training rows: {shown})"
    ]
