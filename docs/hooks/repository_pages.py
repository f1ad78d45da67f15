"""MkDocs hook: pages of the site that stand elsewhere in the repository.

A benchmark table or a model card is written once, where it belongs, and the site shows it. Links
between files of the repository become links between pages; a link to a file that is no page
becomes plain text.
"""

import os
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PAGES = {
    "benchmarks/README.md": "benchmarks.md",
    "exported/README.md": "model-cards.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""File in the repository → page of the site."""

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages, and the pictures that they show."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text("utf-8")
        files.append(File.generated(config, page, content=_with_links(text, source, page)))
        for picture in re.findall(r"!\[[^\]]*\]\(([^):]+)\)", text):
            path = ROOT / posixpath.join(posixpath.dirname(source), picture)
            if not path.is_relative_to(ROOT / "docs"):
                name = f"figures/{path.name}"
                files.append(File.generated(config, name, abs_src_path=os.fspath(path)))
    return files


def _with_links(text: str, source: str, page: str) -> str:
    """Returns the text of a file, its links made to fit the place of its page in the site."""

    def replace(match: re.Match[str]) -> str:
        picture, label, target, anchor = match.groups()
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if picture:
            there = path.removeprefix("docs/") if path.startswith("docs/") else None
            there = there or f"figures/{posixpath.basename(path)}"
        elif path.startswith("docs/"):
            there = path.removeprefix("docs/")
        elif path in PAGES or path == "README.md":
            there = PAGES.get(path, "index.md")
        else:
            return str(label)
        relative = posixpath.relpath(there, posixpath.dirname(page) or ".")
        return f"{picture}[{label}]({relative}{anchor or ''})"

    return _LINK.sub(replace, text)
