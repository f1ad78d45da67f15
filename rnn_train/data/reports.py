"""Reports about data that was read, for a person to check before training."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from rnn_train.data.row_stream import Pair
from rnn_train.data.rows import normal
from rnn_train.wording import counted

_SHOWN_ROWS, _SHOWN_LABELS, _SHOWN_CHARACTERS = 3, 20, 80


def row_report(pairs: Iterable[Pair]) -> list[str]:
    """Describes labelled rows. Memory does not grow with their number.

    Args:
        pairs: texts and labels.

    Returns:
        Lines about the rows, the labels, the characters and the lengths, and the first rows.
    """
    labels, lengths = Counter[str](), Counter[int]()
    characters: set[str] = set()
    first: list[Pair] = []
    for text, label in pairs:
        if len(first) < _SHOWN_ROWS:
            first.append((text, label))
        labels[label] += 1
        lengths[len(text)] += 1
        characters.update(normal(text))
    lines = [
        f"rows: {labels.total():,}",
        f"labels: {len(labels):,}: {_listed(labels)}",
        f"characters: {len(characters):,} distinct",
    ]
    if lengths:
        lines.append(
            f"lengths: {min(lengths):,} to {max(lengths):,} characters, half of the texts up to "
            f"{_median(lengths):,}"
        )
    for i, (text, label) in enumerate(first, 1):
        lines.append(f"row {i}: {_shown(text)} → {label!r}")
    return lines


def text_report(
    tokens: NDArray[np.integer], vocabulary: Sequence[str], mark: int | None = None
) -> list[str]:
    """Describes an encoded text.

    Args:
        tokens: of the text, [characters].
        vocabulary: character of each token.
        mark: the token before and after each document; None: it is one text.

    Returns:
        Lines about the characters and the lines of the text, or its documents; and the first ones.
    """
    lines = [f"text: {counted(len(tokens), 'character')}, {len(vocabulary):,} distinct"]
    start = "".join(vocabulary[token] for token in tokens[:1000])
    if mark is not None:
        lengths = np.diff(np.flatnonzero(np.asarray(tokens) == mark)) - 1
        longest = int(lengths.max(initial=0))
        lines.append(
            f"documents: {int((lengths > 0).sum()):,}, "
            f"the longest of {counted(longest, 'character')}"
        )
        return lines + _first("document", start.split(vocabulary[mark]))
    if "\n" in vocabulary:
        ends = np.flatnonzero(np.asarray(tokens) == vocabulary.index("\n"))
        longest = int(np.diff(ends, prepend=-1).max()) - 1 if len(ends) else len(tokens)
        lines.append(f"lines: {len(ends):,}, the longest of {counted(longest, 'character')}")
    return lines + _first("line", start.split("\n"))


def _first(what: str, texts: Sequence[str]) -> list[str]:
    found = [text for text in texts if text.strip()][:_SHOWN_ROWS]
    return [f"{what} {i}: {_shown(text)}" for i, text in enumerate(found, 1)]


def _listed(labels: Counter[str]) -> str:
    shown = [f"{label!r:.60} {count:,}" for label, count in labels.most_common(_SHOWN_LABELS)]
    more = len(labels) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _median(lengths: Counter[int]) -> int:
    left = lengths.total() / 2
    for length in sorted(lengths):
        left -= lengths[length]
        if left <= 0:
            return length
    return 0


def _shown(text: str) -> str:
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
    return json.dumps(cut, ensure_ascii=False)
