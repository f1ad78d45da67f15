"""Writes the committed results as tables, into benchmarks/README.md and the project's README.

    python -m benchmarks.render

A table stands between `<!-- table NAME -->` and `<!-- end -->`; what is there is replaced.
"""

import re
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .harness import Race, read, read_plain

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "benchmarks" / "README.md")
NAIVE = "onnxruntime, a run a character"
FLOAT32 = ["torch nn.LSTM", "torch nn.LSTM, no oneDNN", "torch nn.LSTMCell"]
FLOAT32 += ["torch nn.LSTMCell compiled"]
INT8 = "torch nn.LSTM int8"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


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
    """One stream: how many times faster than each peer, in the same run."""
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
    return _table(head, rows)


def parts() -> str:
    """What a step spends on products, and on all else."""
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
    return _table([*head, "other nodes", "µs each", "an addition alone, µs"], rows)


def streams() -> str:
    """Many streams at once."""
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
    return _table([*head, "int8, char/s", "torch int8"], rows)


def scoring() -> str:
    """Reading a text."""
    _, races = read("scoring")
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
    return _table(head, rows)


def startup() -> str:
    """A cold process, and what is installed."""
    content, (found,) = read("startup")
    rows = [
        [name, f"{found.typical(name):.2f} s", f"{1 / found.ratio(name, 'import torch'):.2f}"]
        for name in ("first character", "first character int8", "import rnn_infer")
    ]
    sizes = content["installed_bytes"]
    ours, torch = sizes["inference side"], sizes["torch"]
    rows.append(["installed, all packages", f"{ours / 1e6:.0f} MB", f"{ours / torch:.2f}"])
    return _table(["", "", "÷ `import torch` (its size)"], rows)


def loading() -> str:
    """What checking a file costs."""
    _, races = read("loading")
    rows = []
    for found in races:
        pairs = zip(found.samples["checked"], found.samples["onnxruntime alone"], strict=True)
        extra = statistics.median(ours - theirs for ours, theirs in pairs)
        alone = found.typical("onnxruntime alone")
        rows.append([f"`{found.name}`", f"{alone * 1e3:.0f} ms", f"{extra * 1e3:.0f} ms"])
    return _table(["file", "onnxruntime alone", "checks on top"], rows)


def training() -> str:
    """Training beside the tutorials' loop."""
    _, races = read("training")
    rows = []
    for found in races:
        rate = 32 * 64 / found.typical("ours")
        rows.append([found.name, f"{rate:,.0f}", _times(found.ratio("ours", "tutorial"))])
    return _table(["layers × width", "char/s", "the tutorials' loop"], rows)


def cells() -> str:
    """A training step of the hand-written Elman cell."""
    _, races = read("cells")
    rows = []
    for found in races:
        width, threads = found.name.split("; ")
        ratios = [_times(found.ratio("ours", each)) for each in ("plain loop", "torch nn.RNN")]
        rows.append([f"{width}, {threads}", f"{found.typical('ours') * 1e3:.1f} ms", *ratios])
    return _table(["width", "step", "plain Python loop", "torch `nn.RNN`"], rows)


def classification() -> str:
    """Names a second."""
    content, (found,) = read("classification")
    rows = [
        [name, f"{content['texts'] / found.typical(name):,.0f}", _times(found.ratio("ours", name))]
        for name in found.samples
    ]
    return _table(["", "names/s", "ours, float32, is faster by"], rows)


def charlm_ablation(result: str = "charlm_ablation") -> str:
    """Parts of the character model's recipe."""
    content = read_plain(result)
    whole = content["mean"]["recipe"]["held_out_nats_per_char"]
    rows = []
    for name, mean in content["mean"].items():
        loss = mean["held_out_nats_per_char"]
        change = "" if name == "recipe" else f"{loss - whole:+.3f}"
        seeds = len(content["runs"][name])
        rows.append([name, f"{loss:.3f}", change, f"{mean['training_loss']:.3f}", str(seeds)])
    return _table(["", "held out, nats/char", "change", "training loss", "seeds"], rows)


def classifier_ablation() -> str:
    """Parts of the classifier's recipe, beside the linear models."""
    content = read_plain("classifier_ablation")
    rows = []
    for name, mean in content["mean"].items():
        figures = [f"{100 * mean['accuracy']:.1f} %", f"{mean['macro_f1']:.3f}"]
        figures += [
            f"{mean[key]:.{digits}f}" if key in mean else "–"
            for key, digits in (("best_prior_macro_f1", 3), ("calibration_error", 3))
        ]
        size = f"{mean['parameters']:,.0f}" if "parameters" in mean else "–"
        rows.append([name, *figures, size, str(len(content["runs"][name]))])
    head = ["", "accuracy", "macro-F1", "… at the best `prior`", "calibration error"]
    return _table([*head, "parameters", "seeds"], rows)


def load() -> str:
    """What was tried for long, and what came of it."""
    stress, soak = read_plain("stress"), read_plain("soak")["growth"]
    kills, resumed = read_plain("checkpoint_kills"), read_plain("kills")
    fuzz, threads = read_plain("fuzz"), stress["threads"]
    prompt, wide = stress["long_prompt"], stress["large_vocabulary"]
    rows = [
        [
            f"{threads['calls']:,} mixed calls from {threads['threads']} threads",
            f"{threads['differing']} of {threads['answers']:,} answers differ from one thread's",
        ],
        [
            f"a prompt of {prompt['megabytes']} MB, at once and in pieces",
            ("the same state" if prompt["same_as_in_pieces"] else "another state")
            + f"; {prompt['memory_grown_megabytes']} MB more memory at most",
        ],
        [
            f"a model of {wide['characters']:,} characters, {wide['texts']} ways to draw",
            f"{wide['differing']} texts differ from the numpy rule's",
        ],
        [
            f"{soak['steps']['count']:,} steps",
            f"{soak['steps']['bytes'] / 1e3:.0f} kB more memory",
        ],
        [
            f"{soak['sessions']['count']:,} sessions opened and dropped",
            f"{soak['sessions']['bytes'] / 1e3:.0f} kB, {soak['sessions']['handles']} handles, "
            f"{soak['sessions']['threads']} threads more",
        ],
        [
            f"{fuzz['runs'] + fuzz['refused']:,} damaged and hostile files",
            f"{len(fuzz['faults'])} crashes or foreign errors; {fuzz['peak_mb']} MB at the peak",
        ],
        [
            f"{kills['kills']} SIGKILLs while checkpoints were written",
            f"{kills['lost']} runs lost",
        ],
        [
            f"{resumed['killed']} SIGKILLs at any moment of a run, resumed",
            f"{resumed['identical']} end with the bits of a run left alone",
        ],
    ]
    return _table(["", ""], [[what, came] for what, came in rows]).replace("---:", "---")


def machine() -> str:
    """What the figures were taken on."""
    content, _ = read("generation")
    facts = content["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    wide = ", ".join(facts["instructions"])
    return f"{facts['cpu']}, {facts['cores']} cores ({wide}), Python {facts['python']}, {packages}."


TABLES: dict[str, Callable[[], str]] = {
    "generation": generation,
    "parts": parts,
    "streams": streams,
    "scoring": scoring,
    "startup": startup,
    "loading": loading,
    "training": training,
    "cells": cells,
    "classification": classification,
    "charlm_ablation": charlm_ablation,
    "charlm_ablation_scarce": partial(charlm_ablation, "charlm_ablation_scarce"),
    "classifier_ablation": classifier_ablation,
    "load": load,
    "machine": machine,
}


def main() -> None:
    """Replaces every table on every page."""
    for page in PAGES:
        text = page.read_text("utf-8")

        def table(match: re.Match[str]) -> str:
            name = match[1]
            return f"<!-- table {name} -->\n\n{TABLES[name]()}\n\n<!-- end -->"

        text = re.sub(r"<!-- table (\w+) -->.*?<!-- end -->", table, text, flags=re.DOTALL)
        page.write_text(text, "utf-8")
        print(f"rendered {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
