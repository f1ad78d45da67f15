"""From a text or a table to one file, and from the file to the places that run it."""

from docs.figures.canvas import Canvas, Tone

_HOSTS = (
    ("rnn-infer", "generate · score · classify …", True),
    ("import rnn_infer", "in your Python program", True),
    ("any other onnxruntime", "C++, C#, Java, JavaScript …", False),
)


def draw() -> Canvas:
    """Returns the picture of the README."""
    title = "A text or a table goes into rnn-train, which writes one .onnx file; rnn-infer, your "
    canvas = Canvas(920, 300, title + "program or any other host of onnxruntime runs the file.")
    _sources(canvas)
    canvas.box(256, 90, 160, 120, "amber", 12)
    canvas.label(336, 128, "rnn-train", tone="amber", size=17, bold=True, mono=True)
    canvas.label(336, 154, "PyTorch", tone="amber", size=14)
    canvas.label(336, 176, "CPU or CUDA", tone="amber", size=14)
    canvas.right(416, 150, 460, "blue")
    _file(canvas)
    _hosts(canvas)
    return canvas


def _sources(canvas: Canvas) -> None:
    rows = ((46, "your text", "a file, a folder, a glob"), (190, "your table", "text, label"))
    for y, name, what in rows:
        canvas.box(28, y, 180, 64)
        canvas.label(118, y + 28, name, size=16, bold=True)
        canvas.label(118, y + 49, what, tone="faint", size=13)
    canvas.arrow("M208 78H222Q232 78 232 88V120Q232 130 242 130H249", (256, 130), 0)
    canvas.arrow("M208 222H222Q232 222 232 212V180Q232 170 242 170H249", (256, 170), 0)


def _file(canvas: Canvas) -> None:
    canvas.page(460, 46, 172, 208)
    canvas.label(546, 84, "one .onnx file", tone="blue", size=16, bold=True)
    content = ("the network", "vocabulary, labels", "state in, state out", "sampling")
    for row, line in enumerate((*content, "a recorded run")):
        y = 118 + 27 * row
        canvas.box(481, y - 12, 6, 6, "blue", 3)
        canvas.label(498, y - 4, line, tone="blue", size=14, anchor="start")


def _hosts(canvas: Canvas) -> None:
    canvas.arrow("M632 150H681", (688, 150), 0, "blue")
    canvas.arrow("M650 150Q660 150 660 140V88Q660 78 670 78H681", (688, 78), 0, "blue")
    canvas.arrow("M650 150Q660 150 660 160V212Q660 222 670 222H681", (688, 222), 0, "blue")
    for row, (name, what, ours) in enumerate(_HOSTS):
        y = 48 + 72 * row
        tone: Tone = "teal" if ours else "plain"
        canvas.box(688, y, 206, 60, tone)
        canvas.label(791, y + 26, name, tone=tone, size=14.5, bold=True, mono=ours)
        canvas.label(791, y + 46, what, tone=tone, size=12)
    canvas.label(791, 36, "numpy + onnxruntime, no PyTorch", tone="teal", size=12)
