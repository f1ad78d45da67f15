"""One stream gives the same text alone, in a batch, in chunks and after a fork."""

from docs.figures.canvas import Canvas, Tone

_TEXT = "Good morrow, sir"
_CELL = 32
_LEFT = 232
_SPLIT = 7


def draw() -> Canvas:
    """Returns the figure of the page "Exactness"."""
    title = "The stream of seed 7 draws the same characters alone, in a batch, in two calls with "
    canvas = Canvas(920, 444, title + "its state saved between, and as a fork.")
    _name(canvas, 48, "alone", "generate(…, seed=7)")
    _row(canvas, 30, _TEXT, "blue")
    _batch(canvas, 98)
    _chunks(canvas, 246)
    _fork(canvas, 312)
    canvas.label(
        _LEFT + 8 * _CELL,
        424,
        "blue: always the same characters, on one kind of CPU",
        tone="blue",
        size=13,
    )
    return canvas


def _name(canvas: Canvas, y: float, name: str, how: str) -> None:
    canvas.label(28, y, name, size=16, bold=True, anchor="start")
    canvas.label(28, y + 19, how, tone="faint", size=12, mono=True, anchor="start")


def _row(canvas: Canvas, y: float, text: str, tone: Tone, *, x: float = _LEFT) -> float:
    """Draws a cell for each character; returns where the row ends."""
    for index, char in enumerate(text):
        canvas.box(x + index * _CELL, y, _CELL - 4, 34, tone, 5)
        shown = "␣" if char == " " else char
        canvas.label(
            x + index * _CELL + (_CELL - 4) / 2, y + 23, shown, tone=tone, size=15, mono=True
        )
    return x + len(text) * _CELL


def _batch(canvas: Canvas, y: float) -> None:
    _name(canvas, y + 56, "in a batch", "one row of many")
    canvas.box(_LEFT - 12, y - 6, 16 * _CELL + 20, 126, "faint", 10)
    _row(canvas, y, "What say you now", "plain")
    _row(canvas, y + 40, _TEXT, "blue")
    _row(canvas, y + 80, "The king is come", "plain")
    right = _LEFT + 16 * _CELL + 18
    for row, seed in enumerate((6, 7, 8)):
        tone: Tone = "blue" if seed == 7 else "faint"
        canvas.label(right, y + 22 + 40 * row, f"seed {seed}", tone=tone, size=13, anchor="start")


def _chunks(canvas: Canvas, y: float) -> None:
    _name(canvas, y + 18, "in chunks", "save() and restore")
    middle = _row(canvas, y, _TEXT[:_SPLIT], "blue")
    canvas.box(middle + 22, y + 2, 64, 30, "teal", 15)
    canvas.label(middle + 54, y + 22, "state", tone="teal", size=13)
    canvas.right(middle - 1, y + 17, middle + 22, "teal")
    canvas.right(middle + 86, y + 17, middle + 110, "teal")
    _row(canvas, y, _TEXT[_SPLIT:], "blue", x=middle + 113)


def _fork(canvas: Canvas, y: float) -> None:
    _name(canvas, y + 38, "forked", "session.fork()")
    middle = _row(canvas, y + 20, _TEXT[:_SPLIT], "blue")
    x = middle + 54
    canvas.arrow(
        f"M{middle - 1:g} {y + 37}H{middle + 12:g}Q{middle + 22:g} {y + 37} {middle + 22:g} "
        f"{y + 29}V{y + 25}Q{middle + 22:g} {y + 17} {middle + 32:g} {y + 17}H{x - 9:g}",
        (x - 2, y + 17),
        0,
        "teal",
    )
    canvas.arrow(
        f"M{middle - 1:g} {y + 37}H{middle + 12:g}Q{middle + 22:g} {y + 37} {middle + 22:g} "
        f"{y + 45}V{y + 53}Q{middle + 22:g} {y + 61} {middle + 32:g} {y + 61}H{x - 9:g}",
        (x - 2, y + 61),
        0,
        "teal",
    )
    right = _row(canvas, y, _TEXT[_SPLIT:], "blue", x=x)
    canvas.label(right + 6, y + 22, "the session", tone="blue", size=13, anchor="start")
    _row(canvas, y + 44, _TEXT[_SPLIT:], "blue", x=x)
    canvas.label(right + 6, y + 66, "its fork", tone="blue", size=13, anchor="start")
