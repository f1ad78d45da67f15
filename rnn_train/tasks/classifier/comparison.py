"""The table of a classifier's network and other models, and what follows from it."""

import math
from collections.abc import Mapping

ALWAYS = "always the most frequent label"
"""The model that does not read the texts."""
_CLEARLY = 0.02
"""A linear model that is so far ahead in accuracy is better, not as good."""


def table(figures: Mapping[str, Mapping[str, float]], rows: int, *, learnt: bool) -> list[str]:
    """Renders the models' figures; then says if a linear model is as good as the network, or if no
    model has learnt anything.

    Args:
        figures: accuracy and macro-F1 by model: of the network first, of `ALWAYS` last.
        rows: that were measured.
        learnt: whether the network's probabilities are clearly better than the labels' shares.

    Returns:
        The lines.
    """
    width = max(32, *map(len, figures))
    lines = [f"{'on the held-out rows':{width}} accuracy  macro-F1"]
    lines += [
        f"{name:{width}} {each['accuracy']:8.4f}  {each['macro_f1']:8.4f}"
        for name, each in figures.items()
    ]
    network, *others = (name for name in figures if name != ALWAYS)
    accuracy = {name: each["accuracy"] for name, each in figures.items()}
    guess = accuracy[ALWAYS]
    if not learnt and not any(_above(accuracy[name], guess, rows) for name in (network, *others)):
        lines.append(
            "no model is clearly better than always answering the most frequent label: these texts "
            "tell little of their labels, or the rows are too few to learn or to show it"
        )
        return lines
    if not others:
        return lines
    best = max(others, key=lambda name: accuracy[name])
    lead = accuracy[best] - accuracy[network]
    if lead > _CLEARLY:
        lines.append(
            f"{best}: better here than the network, and simpler; "
            "use it, or train the network for longer"
        )
    elif lead >= 0:
        lines.append(f"{best}: as good here as the network, and simpler")
    return lines


def _above(accuracy: float, guess: float, rows: int) -> bool:
    """Whether an accuracy is above another one by two standard errors."""
    return accuracy > guess + 2 * math.sqrt(accuracy * (1 - accuracy) / rows)
