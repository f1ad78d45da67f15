"""The table of ideas that the character model's recipe does not use."""

import statistics
from typing import Any

from .harness import read_plain
from .markdown import markdown_table

_IDEAS = {
    "charlm_ideas": "plays",
    "charlm_ideas_python": "Python",
    "charlm_ideas_scarce": "plays",
}
"""Results, and the text of each."""
_MINUTES = {
    "charlm_ideas_minutes": "plays",
    "charlm_ideas_minutes_python": "Python",
    "charlm_ideas_minutes_javascript": "JavaScript",
    "charlm_ideas_passes": "plays",
    "charlm_ideas_passes_javascript": "JavaScript",
}
"""The same for the recipe of two minutes."""


def charlm_ideas() -> str:
    """Renders what the ideas beside the character model's recipe give, by length of the text."""
    return ideas_rendered([(text, read_plain(each)) for each, text in _IDEAS.items()])


def charlm_ideas_minutes() -> str:
    """Renders the same beside the recipe of two minutes."""
    return ideas_rendered([(text, read_plain(each)) for each, text in _MINUTES.items()])


def ideas_rendered(columns: list[tuple[str, dict[str, Any]]]) -> str:
    """Renders results of texts side by side. A change is the mean over the seeds that both have.

    The CPU time is that of the first result.
    """
    head, contents = [""], [content for _, content in columns]
    for text, content in columns:
        size = f"{content['characters']:,} characters, {content['epochs']:g} times"
        head += [f"{text}: {size}", "change"]
    rows = []
    for name in dict.fromkeys(name for content in contents for name in content["mean"]):
        row = [cell for content in contents for cell in _idea(content, name)]
        first = contents[0]["mean"]
        time = first[name]["cpu_seconds"] / first["recipe"]["cpu_seconds"] if name in first else 0
        seeds = ", ".join(str(len(content["runs"].get(name, ()))) for content in contents)
        rows.append([name, *row, f"{time:.2f}×" if time else "–", seeds])
    return markdown_table([*head, "CPU time", "seeds"], rows)


def _idea(content: dict[str, Any], name: str) -> list[str]:
    """Renders loss and change of an idea; dashes if it was not tried.

    The loss has the least and the most of its seeds in brackets, the change those of its
    differences by seed.
    """
    if name not in content["runs"]:
        return ["–", "–"]
    base = content["bases"].get(name, "recipe")
    losses, others = (
        {seed: run["held_out_nats_per_char"] for seed, run in content["runs"][each].items()}
        for each in (name, base)
    )
    changes = [losses[seed] - others[seed] for seed in losses if seed in others]
    change = "" if name == base else _with_range(changes, "+.3f")
    return [_with_range(list(losses.values()), ".3f"), change]


def _with_range(values: list[float], shown: str) -> str:
    """Renders the mean; in brackets the least and the most if there are several."""
    if not values:
        return "–"
    ends = f" ({min(values):{shown}} to {max(values):{shown}})" if len(values) > 1 else ""
    return f"{statistics.fmean(values):{shown}}{ends}"
