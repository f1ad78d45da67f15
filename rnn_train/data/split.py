"""Split of labelled rows into a training side and a held-out side."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnn_train.data.rows import Rows, normal
from rnn_train.wording import counted


def held_out_side(
    keys: NDArray[np.integer], labels: NDArray[np.integer], fraction: float, seed: int
) -> NDArray[np.bool_]:
    """Chooses by chance which rows to hold out. Each label has its share on both sides.

    No text is on both sides, or the model would be evaluated on texts that it was trained on. All
    rows of one text stay together; its most frequent label counts.

    Args:
        keys: one number for each text, the same for equal texts, [rows].
        labels: index of each row's label; the labels are in sorted order, [rows].
        fraction: share of the texts of each label that is held out.
        seed: of the random choice.

    Returns:
        Whether a row is held out, [rows].
    """
    text, first = _numbered(keys)
    label = _most_frequent(text, labels)
    # Within a label, texts are in the order in which they first occur.
    by_label = np.lexsort((first, label))
    random = np.random.default_rng(seed)
    held_out = np.zeros(len(first), bool)
    counts = np.bincount(label)
    for begin, count in zip(np.cumsum(counts) - counts, counts, strict=True):
        if count:
            chosen = random.permutation(count)[: round(int(count) * fraction)]
            held_out[by_label[begin + chosen]] = True
    return held_out[text]


def split_rows(rows: Rows, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Splits rows in memory, see `held_out_side`. Two Unicode forms of a text are one text.

    Args:
        rows: in any order.
        fraction: share of the texts of each label that is held out.
        seed: of the random choice.

    Returns:
        The training rows and the held-out rows, each in their original order.
    """
    keys, labels = _indices([normal(text) for text in rows.texts]), _indices(rows.labels)
    held_out = held_out_side(keys, labels, fraction, seed)
    sides = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    train, rest = (rows.take(side.tolist()) for side in sides)
    return train, rest


def repetitions(
    keys: NDArray[np.integer], labels: NDArray[np.integer]
) -> tuple[int, NDArray[np.int64]]:
    """Counts rows that repeat a text, and finds texts with several labels.

    Args:
        keys: see `held_out_side`.
        labels: index of each row's label, [rows].

    Returns:
        The number of rows whose text an earlier row has; and the first row of each text that has
        several labels, in order.
    """
    text, first = _numbered(keys)
    pairs = np.unique(text * (int(labels.max(initial=0)) + 1) + labels)
    several = np.bincount(pairs // (int(labels.max(initial=0)) + 1), minlength=len(first)) > 1
    return len(keys) - len(first), np.sort(first[several])


def best_possible_accuracy(keys: NDArray[np.integer], labels: NDArray[np.integer]) -> float:
    """Returns the accuracy of a model that gives each text its most frequent label: no model of
    the texts alone has a higher one.

    Args:
        keys: see `held_out_side`; at least one row.
        labels: index of each row's label, [rows].
    """
    text, first = _numbered(keys)
    base = int(labels.max()) + 1
    pairs, rows = np.unique(text * base + labels, return_counts=True)
    most = np.zeros(len(first), np.int64)
    np.maximum.at(most, pairs // base, rows)
    return float(most.sum() / len(keys))


def describe(
    repeated: int,
    contradictory: int,
    examples: Sequence[str],
    best: float | None = None,
    *,
    split: bool = True,
) -> list[str]:
    """Returns warnings about rows that repeat a text, and about texts with several labels.

    Args:
        repeated: rows whose text an earlier row has.
        contradictory: texts with several labels.
        examples: some of these texts.
        best: see `best_possible_accuracy`, of the held-out rows; None: it is not known.
        split: whether `held_out_side` has chosen the held-out rows; False: they are a file.
    """
    warnings = []
    if repeated:
        sides = "; all rows of one text stay on one side of the split" if split else ""
        warnings.append(f"{counted(repeated, 'row repeats', 'rows repeat')} a text{sides}")
    if contradictory:
        more = ", …" if contradictory > len(examples) else ""
        shown = ", ".join(map(repr, examples)) + more
        # What rounds to 1 is no bound.
        bound = "1.0000" if best is None else f"{best:.4f}"
        ceiling = "" if bound == "1.0000" else f"; so no accuracy above {bound} is possible"
        warnings.append(
            f"{counted(contradictory, 'text carries', 'texts carry')} more than one label "
            f"({shown}): training learns how often each label comes, and each held-out row counts "
            f"alone{ceiling}"
        )
    return warnings


def _numbered(keys: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the number of each row's text [rows], and the first row of each text [texts]."""
    _, first, text = np.unique(keys, return_index=True, return_inverse=True)
    return text.astype(np.int64), first.astype(np.int64)


def _most_frequent(text: NDArray[np.int64], labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns the most frequent label of each text; of equally frequent ones, the first to occur
    [texts]."""
    base = int(labels.max(initial=0)) + 1
    pairs, first, count = np.unique(text * base + labels, return_index=True, return_counts=True)
    of_text, of_pair = pairs // base, pairs % base
    # Sorted by text, then the highest count, then the first row: the first of each text is meant.
    order = np.lexsort((first, -count, of_text))
    begins = np.flatnonzero(np.diff(of_text[order], prepend=-1))
    best: NDArray[np.int64] = of_pair[order[begins]]
    return best


def _indices(values: Sequence[str]) -> NDArray[np.int64]:
    """Returns the index of each value among the sorted values."""
    index = {value: i for i, value in enumerate(sorted(set(values)))}
    return np.array([index[value] for value in values], np.int64)
