"""Tables of the engines that run a model file, from the committed result of `hosts.run`."""

from typing import Any

from .harness import read, read_plain
from .markdown import markdown_table

TOLERANCE = {"int8": 1e-2, "float16": 5e-2}
"""As files name it in `golden.tolerance`; 0.001 for float32."""
COLUMNS = {
    "charlm": "ordinary",
    "charlm.int8": "… int8",
    "charlm.without-if": "`--without-if`",
    "charlm.without-if.int8": "… int8",
    "charlm.without-if.float16": "… float16",
    "charlm.step-only": "`--step-only`",
    "charlm.step-only.steps-1": "… `--steps 1`",
    "charlm.steps-4": "`--steps 4`",
    "charlm.steps-4.int8": "… int8",
    "charlm.steps-4.float16": "… float16",
    "classifier": "classifier",
    "classifier.int8": "… int8",
    "classifier.steps-4": "… `--steps 4`",
}
Outcome = dict[str, Any]


def _cell(file: str, found: Outcome | None) -> str:
    """Says in a few words what a file gave."""
    if found is None:
        return "–"
    if "refused" in found:
        return "refused"
    if "ended" in found:
        return "ends the process"
    if "slow" in found:
        return f"over {found['slow']} s"
    difference = found["difference"]
    if not difference < TOLERANCE.get(file.rpartition(".")[2], 1e-3):
        return f"**wrong**, by {difference:.2g}"
    same = found.get("same")
    if same is None or min(same) == found["of"]:
        return ("" if same is None else "same text, ") + f"{difference:.0e}"
    if same[0] == found["of"]:
        return f"**other text** at temperature 0 or top-k; {difference:.0e}"
    return f"text departs after {same[0]}; {difference:.0e}"


def hosts() -> str:
    """Renders what each engine made of each file."""
    engines = read_plain("hosts")["engines"]
    rows = []
    for file, title in COLUMNS.items():
        cells = [_cell(file, each["files"].get(file)) for each in engines.values()]
        rows.append([title, *cells])
    head = [f"{name} {each['version']}" for name, each in engines.items()]
    return markdown_table(["file", *head], rows)


def _fastest(files: dict[str, Outcome], int8: bool) -> tuple[str, Outcome] | None:
    """Returns the file with the same text that an engine draws fastest."""
    right = {
        file: found
        for file, found in files.items()
        if "seconds" in found
        and file.endswith("int8") == int8
        and not file.endswith("float16")
        and _cell(file, found).startswith("same text")
    }
    best = min(right, key=lambda file: right[file]["seconds"], default=None)
    return None if best is None else (best, right[best])


def speed() -> str:
    """Renders microseconds a character of the fastest file, beside onnxruntime."""
    rows = []
    for name, engine in read_plain("hosts")["engines"].items():
        if name == "onnxruntime":
            continue
        row = [f"{name} {engine['version']}"]
        for int8 in (False, True):
            best = _fastest(engine["files"], int8)
            if best is None:
                row += ["–", "–"]
                continue
            file, found = best
            options = file.removeprefix("charlm").replace(".int8", "").replace(".", " ").strip()
            times = found["seconds"] / found["onnxruntime_seconds"]
            row += [f"{found['seconds'] * 1e6:,.0f} ({options or 'ordinary'})", f"{times:.1f}×"]
        rows.append(row)
    head = ["engine", "float32, µs/char", "÷ onnxruntime", "int8, µs/char", "÷ onnxruntime"]
    return markdown_table(head, rows)


def engines() -> str:
    """Renders engines that drew in turns: how many times longer each takes than onnxruntime."""
    content, races = read("engines")
    rows = []
    for name in max(races, key=lambda each: len(each.samples)).samples:
        row = [name]
        for found in races:
            if name not in found.samples:
                row += ["–", "–"]
                continue
            ours = "onnxruntime, ordinary" + " int8" * name.endswith("int8")
            row += [f"{found.typical(name) * 1e6:,.0f}", f"{found.ratio(ours, name):.2f}×"]
        rows.append(row)
    head = ["engine, file"]
    for found in races:
        head += [f"{found.name.split(',')[0]}, µs/char", "÷ ours"]
    note = f"{content['machine']['cpu']}; {', '.join(content['packages'].values())}"
    return f"{markdown_table(head, rows)}\n\n{note}"


def without_if() -> str:
    """Renders what leaving the If nodes out costs in onnxruntime."""
    files = read_plain("hosts")["engines"]["onnxruntime"]["files"]
    rows = []
    for weights, ending in (("float32", ""), ("int8", ".int8")):
        plain, other = (files[f"charlm{part}{ending}"]["seconds"] for part in ("", ".without-if"))
        micro = [f"{each * 1e6:,.0f}" for each in (plain, other)]
        rows.append([weights, *micro, f"{other / plain:.2f}"])
    return markdown_table(
        ["weights", "ordinary, µs/char", "`--without-if`, µs/char", "ratio"], rows
    )
