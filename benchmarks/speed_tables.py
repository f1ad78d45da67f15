"""Tables of times and rates, from the committed results."""

import statistics

from .harness import Race, read
from .markdown import markdown_table

NAIVE = "onnxruntime, a run a character"
FLOAT32 = ["torch nn.LSTM", "torch nn.LSTM, no oneDNN", "torch nn.LSTMCell"]
FLOAT32 += ["torch nn.LSTMCell compiled"]
INT8 = "torch nn.LSTM int8"


def _times(value: float) -> str:
    return f"{value:.1f}×" if value < 9.95 else f"{value:.0f}×"


def _micro(seconds: float) -> str:
    value = seconds * 1e6
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.1f}"


def _against(found: Race, ours: str, rival: str) -> str:
    return _times(found.ratio(ours, rival)) if rival in found.samples else "–"


def _parts(found: Race) -> tuple[str, int, int]:
    shape, streams, threads = found.name.split("; ")
    return shape, int(streams.split()[0]), int(threads.split()[0])


def generation() -> str:
    """Renders one stream: how many times faster than each peer in the same run."""
    content, races = read("generation")
    rows = []
    for found in races:
        shape, streams, threads = _parts(found)
        if streams > 1:
            continue
        best = found.best(FLOAT32)
        row = [f"{shape}, {threads} thread{'s' * (threads > 1)}"]
        row += [_micro(found.typical("ours")), _against(found, "ours", best)]
        row += [_against(found, "ours", NAIVE), _micro(found.typical("ours int8"))]
        row += [_against(found, "ours int8", each) for each in (NAIVE, INT8, "torch nn.LSTM")]
        for who in ("ours", "ours int8"):
            floor = content["roofline_seconds"].get(f"{found.name}; {who}")
            row.append(f"{found.typical(who) / floor:.1f}" if floor else "–")
        rows.append(row)
    head = ["layers × width", "float32, µs/char", "… best float32 torch"]
    head += ["… plain onnxruntime loop", "int8, µs/char", "… plain float32 loop", "… torch int8"]
    head += ["… torch nn.LSTM", "float32 ÷ roofline", "int8 ÷ roofline"]
    return markdown_table(head, rows)


def speed() -> str:
    """Renders the short table of the README: one stream on one thread, vocabulary 65."""
    _, races = read("generation")
    rows = []
    for found in races:
        shape, streams, threads = _parts(found)
        layers, vocabulary = shape.split(", vocabulary ")
        if (streams, threads, vocabulary) == (1, 1, "65"):
            row = [layers, _micro(found.typical("ours"))]
            row += [_against(found, "ours", found.best(FLOAT32))]
            row += [_micro(found.typical("ours int8")), _against(found, "ours int8", INT8)]
            rows.append(row)
    head = ["layers × width", "float32, µs/char", "× PyTorch", "int8, µs/char", "× PyTorch int8"]
    return markdown_table(head, rows)


def parts() -> str:
    """Renders what a step spends on products, and on its other nodes."""
    content, races = read("parts")
    rows = []
    for found in races:
        facts = content["facts"][found.name]
        step, products, others = (
            found.typical(each) / content["trips"] for each in ("step", "products", "other nodes")
        )
        rate, count = facts["bytes"] / products, facts["other_nodes"]
        rows.append(
            [found.name.replace("; ", ", "), _micro(step), _micro(products), f"{rate / 1e9:.0f}"]
            + [f"{rate / facts['bytes_a_second']:.2f}", f"{count:.0f}"]
            + [f"{each / count * 1e6:.2f}" for each in (step - products, others)]
        )
    head = ["layers × width", "a character, µs", "its products, µs", "… GB/s", "… ÷ roofline's"]
    return markdown_table([*head, "other nodes", "µs each", "an addition alone, µs"], rows)


def streams() -> str:
    """Renders many streams at once."""
    _, races = read("generation")
    rows = []
    for found in races:
        shape, count, threads = _parts(found)
        if count == 1:
            continue
        row = [f"{shape}, {threads} thread{'s' * (threads > 1)}", str(count)]
        for who, rival in (("ours", found.best(FLOAT32)), ("ours int8", INT8)):
            row.append(f"{count / found.typical(who):,.0f}")
            row.append(_against(found, who, rival))
        rows.append(row)
    head = ["layers × width", "streams", "float32, char/s", "best float32 torch"]
    return markdown_table([*head, "int8, char/s", "torch int8"], rows)


def scoring(result: str = "scoring") -> str:
    """Renders reading a text."""
    _, races = read(result)
    rows = []
    for found in races:
        shape, count, _ = _parts(found)
        best = found.best(["torch", "torch, no oneDNN"])
        length = int(found.unit.split()[0])
        row = [shape, str(count)]
        for who in ("ours", "ours int8"):
            row.append(f"{count * length / found.typical(who):,.0f}")
            row.append(_against(found, who, best))
        rows.append(row)
    head = [
        "layers × width",
        "texts",
        "float32, char/s",
        "best torch",
        "int8, char/s",
        "best torch",
    ]
    return markdown_table(head, rows)


def builds() -> str:
    """Renders this build beside an earlier one."""
    _, races = read("builds")
    rows = []
    for found in races:
        network, weights, task, streams = found.name.split("; ")
        row = [f"{network.split(',')[0]}, {weights}", task, streams.split()[0]]
        for build in ("now", "before"):
            worst = max(found.samples[build])
            row.append(f"{found.typical(build) * 1e6:,.1f} ({worst * 1e6:,.1f})")
        rows.append([*row, f"{found.ratio('now', 'before'):.2f}×"])
    head = ["network", "task", "streams", "now, µs (worst)", "before, µs (worst)", "faster"]
    return markdown_table(head, rows)


def startup() -> str:
    """Renders a cold process, and the size of what is installed."""
    content, (found,) = read("startup")
    rows = [
        [name, f"{found.typical(name):.2f} s", f"{1 / found.ratio(name, 'import torch'):.2f}"]
        for name in ("first character", "first character int8", "import rnn_infer")
    ]
    sizes = content["installed_bytes"]
    ours, torch = sizes["inference side"], sizes["torch"]
    rows.append(["installed, all packages", f"{ours / 1e6:.0f} MB", f"{ours / torch:.2f}"])
    return markdown_table(["", "", "÷ `import torch` (its size)"], rows)


def loading() -> str:
    """Renders what checking a file costs."""
    _, races = read("loading")
    rows = []
    for found in races:
        pairs = zip(found.samples["checked"], found.samples["onnxruntime alone"], strict=True)
        extra = statistics.median(ours - theirs for ours, theirs in pairs)
        alone = found.typical("onnxruntime alone")
        rows.append([f"`{found.name}`", f"{alone * 1e3:.0f} ms", f"{extra * 1e3:.0f} ms"])
    return markdown_table(["file", "onnxruntime alone", "checks on top"], rows)


def training() -> str:
    """Renders training beside the tutorials' loop, the version before and the processor's limit."""
    _, races = read("training")
    rows = []
    for found in races:
        rate = 32 * 64 / found.typical("ours")
        ratios = [f"{found.ratio('ours', rival):.2f}×" for rival in ("tutorial", "before")]
        limit = found.typical("products") / found.typical("ours")
        rows.append([found.name, f"{rate:,.0f}", *ratios, f"{limit:.0%}"])
    head = ["layers × width", "char/s", "the tutorials' loop", "the version before"]
    return markdown_table([*head, "share of its products"], rows)


def cells() -> str:
    """Renders a training step of the hand-written Elman cell."""
    _, races = read("cells")
    rows = []
    for found in races:
        width, threads = found.name.split("; ")
        ratios = [_times(found.ratio("ours", each)) for each in ("plain loop", "torch nn.RNN")]
        rows.append([f"{width}, {threads}", f"{found.typical('ours') * 1e3:.1f} ms", *ratios])
    return markdown_table(["width", "step", "plain Python loop", "torch `nn.RNN`"], rows)


def classification() -> str:
    """Renders names per second."""
    content, (found,) = read("classification")
    rows = [
        [name, f"{content['texts'] / found.typical(name):,.0f}", _times(found.ratio("ours", name))]
        for name in found.samples
    ]
    return markdown_table(["", "names/s", "ours, float32, is faster by"], rows)


def classify_input() -> str:
    """Renders `classify --input` beside the library on the same texts in memory."""
    content, races = read("classify_input")
    rows = []
    for wall, processor in zip(races[::2], races[1::2], strict=True):
        for name in wall.samples:
            peak = content["peak_megabytes"][f"{wall.name}; {name}"]
            shares = [f"{each.ratio(name, 'library'):.2f}" for each in (wall, processor)]
            rate = content["rows"] / wall.typical(name)
            rows.append([wall.name, name, f"{rate:,.0f}", *shares, f"{peak:.0f} MB"])
    head = ["table", "", "rows/s", "share of the library", "… in processor time", "peak memory"]
    return markdown_table(head, rows)


def machine() -> str:
    """Renders the machine that the figures were measured on."""
    content, _ = read("generation")
    facts = content["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    wide = ", ".join(facts["instructions"])
    return f"{facts['cpu']}, {facts['cores']} cores ({wide}), Python {facts['python']}, {packages}."
