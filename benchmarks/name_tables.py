"""Tables of the classifier on a large table of names."""

from typing import Any

from .harness import read_plain
from .markdown import markdown_table

_FIGURES = (
    ("accuracy", 3),
    ("top_3_accuracy", 3),
    ("top_5_accuracy", 3),
    ("macro_f1", 3),
    ("best_prior_macro_f1", 3),
    ("calibration_error", 3),
)
_HEAD = ("accuracy", "top 3", "top 5", "macro-F1", "… at the best `prior`", "calibration error")


def million_names() -> str:
    """Renders the recipe beside the hashed linear model, each with the same minutes."""
    content = read_plain("million_names")
    rows = []
    for key, name in (("now", "recipe"), ("short", "recipe"), ("hashed linear", "hashed linear")):
        if found := content.get(key):
            size = f"{found['parameters']:,}"
            rows.append([f"{name}, {found['minutes']:g} minutes", *_shown(found), size])
    return markdown_table(["", *_HEAD, "parameters"], rows)


def million_names_cost() -> str:
    """Renders what a large table costs: time kept, memory, and rows read beside another version."""
    content = read_plain("million_names")
    now, race = content["now"], content.get("race, one thread each")
    rows = [
        [
            f"`--minutes {run['minutes']:g}` took",
            f"{run['seconds'] / 60:.1f} minutes ({100 * run['over_the_minutes']:+.1f} %)",
        ]
        for run in (now, content.get("short"))
        if run
    ]
    rows += [
        ["threads", f"{content['threads']}"],
        ["rows read a second, of all the minutes", f"{now['rows_a_second_of_all']:,}"],
        ["memory above that on ten thousand rows", f"{_above(content)} MB"],
    ]
    if race:
        rows.append(["rows read, against the version before", f"{race['times_as_many_rows']:g}×"])
    error = now["calibration_error_by_temperature_alone"]
    rows.append(["calibration error by a temperature alone", f"{error:.3f}"])
    return markdown_table(["", ""], rows)


def large_ablation() -> str:
    """Renders what each part of the recipe for large tables is worth."""
    content = read_plain("large_ablation")
    keys = [pair for pair in _FIGURES if pair[0] != "top_5_accuracy"]
    head = [name for name in _HEAD if name != "top 5"]
    base = content["mean"]["recipe"]["cpu_seconds"]
    rows = [
        [
            name,
            *(f"{mean[key]:.{digits}f}" for key, digits in keys),
            f"{mean['parameters']:,.0f}",
            f"{mean['cpu_seconds'] / base:.2f}×",
        ]
        for name, mean in content["mean"].items()
    ]
    return markdown_table(["", *head, "parameters", "processor time"], rows)


def _shown(found: dict[str, Any]) -> list[str]:
    return [f"{found[key]:.{digits}f}" for key, digits in _FIGURES]


def _above(content: dict[str, Any]) -> int:
    found: int = content["now"]["megabytes_above_ten_thousand_rows"]
    return found
