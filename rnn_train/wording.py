"""Numbers in sentences for the user."""


def counted(count: float, one: str, many: str | None = None) -> str:
    """Returns a number and what it counts: "1 row", "2,000 rows".

    Args:
        count: a whole number, or one that is shown with six digits at most.
        one: the words after the number 1, such as "row" or "row has".
        many: the words after another number; None: `one` and an "s".
    """
    number = f"{count:,}" if isinstance(count, int) else f"{count:g}"
    return f"{number} {one if count == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """Returns a share above 0 as whole percent: "about 12%"; of a small one, "less than 1%"."""
    return f"about {share:.0%}" if share >= 0.01 else "less than 1%"
