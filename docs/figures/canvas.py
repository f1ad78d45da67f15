"""A small SVG canvas: boxes, arrows and labels in one style, for light and dark pages."""

from dataclasses import dataclass, field
from html import escape
from typing import Literal

Tone = Literal["plain", "blue", "teal", "amber", "faint"]
Anchor = Literal["start", "middle", "end"]

_FONT = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"
_MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

# Of each tone: fill, outline and text. "card" is the ground of the whole figure.
_LIGHT = {
    "card": ("#f8f9fd", "#dde2ef", "#1d2433"),
    "plain": ("#ffffff", "#c3cadc", "#1d2433"),
    "blue": ("#e8ebfc", "#4051b5", "#2c3a8f"),
    "teal": ("#dcf3f0", "#0b7f78", "#075e59"),
    "amber": ("#fdf0da", "#b77208", "#805005"),
    "faint": ("#f0f2f8", "#d3d8e6", "#727c92"),
}
_DARK = {
    "card": ("#151a25", "#2b3346", "#e7eaf4"),
    "plain": ("#1e2534", "#465069", "#e7eaf4"),
    "blue": ("#252e57", "#93a2ff", "#cbd3ff"),
    "teal": ("#133c3b", "#55cfc4", "#a9efe7"),
    "amber": ("#42321a", "#f0b455", "#ffdca3"),
    "faint": ("#1b2130", "#333c51", "#8c96ad"),
}


def _rules(palette: dict[str, tuple[str, str, str]]) -> str:
    lines = []
    for tone, (fill, outline, ink) in palette.items():
        lines.append(f".{tone}{{fill:{fill};stroke:{outline}}}")
        stroke = palette["faint"][2] if tone == "plain" else outline
        lines.append(f".line-{tone}{{stroke:{stroke}}}.head-{tone}{{fill:{stroke}}}")
        lines.append(f".ink-{tone}{{fill:{ink}}}")
    return "".join(lines)


_STYLE = (
    f"text{{font-family:{_FONT}}}.mono{{font-family:{_MONO}}}.line{{fill:none;stroke-width:1.8}}"
    f"{_rules(_LIGHT)}@media (prefers-color-scheme:dark){{{_rules(_DARK)}}}"
)


@dataclass
class Canvas:
    """A figure of `width` × `height` pixels; `title` is read by screen readers."""

    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list)

    def box(
        self, x: float, y: float, width: float, height: float, tone: Tone = "plain", radius: int = 8
    ) -> None:
        """Draws a rectangle with round corners."""
        self.parts.append(
            f'<rect class="{tone}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            f'rx="{radius}" stroke-width="1.5"/>'
        )

    def page(self, x: float, y: float, width: float, height: float, tone: Tone = "blue") -> None:
        """Draws a sheet whose upper right corner is folded."""
        fold, right, bottom = 22, x + width, y + height
        self.parts.append(
            f'<path class="{tone}" stroke-width="1.8" stroke-linejoin="round" d="M{x:g} {y:g}H'
            f'{right - fold:g}L{right:g} {y + fold:g}V{bottom:g}H{x:g}Z"/>'
            f'<path class="{tone}" stroke-width="1.8" stroke-linejoin="round" d="M'
            f'{right - fold:g} {y:g}V{y + fold:g}H{right:g}Z"/>'
        )

    def label(
        self,
        x: float,
        y: float,
        text: str,
        *,
        tone: Tone = "plain",
        size: float = 14,
        bold: bool = False,
        mono: bool = False,
        anchor: Anchor = "middle",
    ) -> None:
        """Writes one line of text; `y` is its base line."""
        classes = f"ink-{tone}{' mono' if mono else ''}"
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text class="{classes}" x="{x:g}" y="{y:g}" font-size="{size:g}" '
            f'text-anchor="{anchor}"{weight} xml:space="preserve">{escape(text)}</text>'
        )

    def arrow(self, path: str, tip: tuple[float, float], turn: int, tone: Tone = "plain") -> None:
        """Draws a line along an SVG path that ends at `tip`, and a head turned by degrees."""
        x, y = tip
        self.parts.append(
            f'<path class="line line-{tone}" d="{path}"/>'
            f'<path class="head-{tone}" d="M0 0L-9 -4.5V4.5Z" '
            f'transform="translate({x:g} {y:g}) rotate({turn})"/>'
        )

    def right(self, x: float, y: float, to: float, tone: Tone = "plain") -> None:
        """Draws a straight arrow to the right."""
        self.arrow(f"M{x:g} {y:g}H{to - 7:g}", (to, y), 0, tone)

    def down(self, x: float, y: float, to: float, tone: Tone = "plain") -> None:
        """Draws a straight arrow downwards."""
        self.arrow(f"M{x:g} {y:g}V{to - 7:g}", (x, to), 90, tone)

    def text(self) -> str:
        """Returns the whole figure as SVG."""
        width, height = self.width, self.height
        ground = (
            f'<rect class="card" x="0.75" y="0.75" width="{width - 1.5}" height="{height - 1.5}" '
            'rx="14" stroke-width="1.5"/>'
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">\n<title>{escape(self.title)}</title>\n'
            f"<style>{_STYLE}</style>\n" + "\n".join([ground, *self.parts]) + "\n</svg>\n"
        )
