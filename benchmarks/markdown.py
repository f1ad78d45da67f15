"""Markdown for the tables."""


def markdown_table(head: list[str], rows: list[list[str]], left: int = 1) -> str:
    """Returns a Markdown table: `left` columns aligned to the left, the others to the right."""
    lines = [head, ["---" if i < left else "---:" for i in range(len(head))], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
