"""Split of labelled rows into a training side and a held-out side."""

from collections import Counter, defaultdict

import numpy as np

from rnn_train.data.rows import Rows, normal


def split_rows(rows: Rows, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Splits rows by chance. Each label has its share on both sides.

    No text is on both sides, or the model would be evaluated on texts that it was trained on. All
    rows of one text stay together; its most frequent label counts. Two Unicode forms of a text are
    one text.

    Args:
        rows: in any order.
        fraction: share of the texts of each label that is held out.
        seed: of the random choice.

    Returns:
        The training rows and the held-out rows, each in their original order.
    """
    by_text: dict[str, list[int]] = defaultdict(list)
    for index, text in enumerate(rows.texts):
        by_text[normal(text)].append(index)
    by_label: dict[str, list[list[int]]] = defaultdict(list)
    for group in by_text.values():
        label = Counter(rows.labels[i] for i in group).most_common(1)[0][0]
        by_label[label].append(group)
    random = np.random.default_rng(seed)
    train: list[int] = []
    held_out: list[int] = []
    for label in sorted(by_label):
        groups = [by_label[label][i] for i in random.permutation(len(by_label[label]))]
        count = round(len(groups) * fraction)
        held_out += [i for group in groups[:count] for i in group]
        train += [i for group in groups[count:] for i in group]
    return rows.take(sorted(train)), rows.take(sorted(held_out))


def describe(rows: Rows) -> list[str]:
    """Returns warnings about rows that repeat a text, and about texts with several labels."""
    labels: dict[str, set[str]] = defaultdict(set)
    for text, label in zip(rows.texts, rows.labels, strict=True):
        labels[normal(text)].add(label)
    warnings = []
    if repeated := len(rows) - len(labels):
        warnings.append(
            f"{repeated} rows repeat a text; all rows of one text stay on one side of the split"
        )
    contradictory = [text for text, found in labels.items() if len(found) > 1]
    if contradictory:
        shown = ", ".join(map(repr, contradictory[:3])) + (", …" if contradictory[3:] else "")
        warnings.append(f"{len(contradictory)} texts carry more than one label ({shown})")
    return warnings
