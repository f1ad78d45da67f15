"""The graph of a character model's file: a network that steps, and the Loop that samples."""

from docs.figures.canvas import Canvas, Tone


def draw() -> Canvas:
    """Returns the figure of the page "The graph"."""
    title = "Inputs tokens and state go through the network to logits and next state. The Loop "
    title += "draws a token from the last logits with one uniform number and feeds it back."
    canvas = Canvas(920, 430, title)
    canvas.label(36, 42, "inputs", tone="faint", size=13, anchor="start")
    canvas.label(884, 42, "outputs", tone="faint", size=13, anchor="end")
    canvas.box(236, 22, 448, 340, "plain", 14)
    canvas.label(460, 47, "one .onnx file", size=14, bold=True)
    _ports(canvas)
    _network(canvas)
    _loop(canvas)
    # The caller's part: the state goes back in with the next call.
    canvas.arrow(
        "M884 154H896Q906 154 906 164V380Q906 390 896 390H24Q14 390 14 380V164Q14 154 24 154H29",
        (36, 154),
        0,
        "teal",
    )
    canvas.label(
        460, 414, "your program hands the state back with the next call", tone="teal", size=13
    )
    return canvas


def _ports(canvas: Canvas) -> None:
    left: tuple[tuple[float, str, str, Tone], ...] = (
        (62, "tokens", "int64 [batch, time]", "blue"),
        (130, "h0, c0, h1, c1", "float32 [batch, width]", "teal"),
        (230, "uniform", "float32 [batch, steps]", "amber"),
        (298, "temperature, …", "top_k, top_p [batch]", "amber"),
    )
    right: tuple[tuple[float, str, str, Tone], ...] = (
        (62, "logits", "float32 [batch, time, n]", "blue"),
        (130, "h0_next, c0_next, …", "float32 [batch, width]", "teal"),
        (264, "generated", "int64 [batch, steps]", "amber"),
    )
    for x, ports in ((36, left), (708, right)):
        for y, name, shape, tone in ports:
            canvas.box(x, y, 176, 48, tone)
            canvas.label(x + 88, y + 21, name, tone=tone, size=14, bold=True, mono=True)
            canvas.label(x + 88, y + 39, shape, tone=tone, size=12)


def _network(canvas: Canvas) -> None:
    canvas.box(268, 62, 384, 116, "blue", 10)
    canvas.label(460, 86, "the network reads the tokens, one step each", tone="blue", size=13)
    for x, name in ((290, "embedding"), (410, "LSTM layers"), (530, "head")):
        canvas.box(x, 104, 100, 44, "plain", 6)
        canvas.label(x + 50, 131, name, size=13.5)
    canvas.right(390, 126, 410, "blue")
    canvas.right(510, 126, 530, "blue")
    canvas.right(212, 86, 268, "blue")
    canvas.right(212, 160, 268, "teal")
    canvas.right(652, 86, 708, "blue")
    canvas.right(652, 160, 708, "teal")


def _loop(canvas: Canvas) -> None:
    canvas.box(268, 220, 384, 126, "amber", 10)
    canvas.box(290, 240, 150, 60, "plain", 6)
    canvas.label(365, 265, "draw a token", size=13.5)
    canvas.label(365, 284, "by inverse CDF", tone="faint", size=12)
    canvas.box(480, 240, 150, 60, "plain", 6)
    canvas.label(555, 265, "the same network", size=13.5)
    canvas.label(555, 284, "reads it: one step", tone="faint", size=12)
    canvas.label(460, 330, "Loop: one turn for each uniform number", tone="amber", bold=True)
    canvas.right(440, 256, 480, "amber")
    canvas.label(460, 250, "token", tone="amber", size=10.5)
    canvas.arrow("M480 284H447", (440, 284), 180, "blue")
    canvas.label(460, 278, "logits", tone="blue", size=10.5)
    canvas.down(365, 178, 240, "blue")
    canvas.label(376, 204, "last logits", tone="blue", size=12, anchor="start")
    canvas.down(555, 178, 240, "teal")
    canvas.label(566, 204, "state", tone="teal", size=12, anchor="start")
    canvas.arrow("M212 254H283", (290, 254), 0, "amber")
    canvas.arrow("M212 322H230Q240 322 240 312V294Q240 284 250 284H283", (290, 284), 0, "amber")
    canvas.right(652, 288, 708, "amber")
    # The state that the Loop ends with comes out, where it ran.
    canvas.parts.append(
        '<path class="line line-teal" d="M630 262H670Q680 262 680 252V170Q680 160 690 160"/>'
    )
