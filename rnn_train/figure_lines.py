"""The held-out figures of a run as lines of text."""

from collections.abc import Iterator, Mapping


def figure_lines(
    metrics: dict[str, float], temperature: float, before: Mapping[str, float] | None = None
) -> Iterator[str]:
    """Yields a line for each held-out metric, and one for the temperature.

    Args:
        metrics: by name.
        temperature: that was fitted.
        before: the metrics when the last part of the run began, if it is not the first.
    """
    before = before or {}

    def shown(value: float) -> str:
        return f"{value:,.0f}" if value.is_integer() and value > 1 else f"{value:.4g}"

    for name, value in metrics.items():
        earlier = f"   (before: {shown(before[name])})" if before.get(name, value) != value else ""
        yield f"{name.replace('_', ' ')}: {shown(value)}{earlier}"
    if metrics:
        yield f"temperature fitted to them: {temperature:.4g}"
    measured = "held_out_measured_at_step"
    if before and measured in before and metrics.get(measured) == before[measured]:
        yield (
            "these are figures of the first part, and the temperature is fitted to its model: "
            "since then the held-out text is learnt too; rnn-train evaluate measures the model on "
            "other text, and rnn-train export --temperature sets another temperature"
        )
