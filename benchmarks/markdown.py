"""Markdown for the tables."""


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """Returns a Markdown table: the first column aligned to the left, the others to the right."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
