"""Tables of the engines that run a model file, from the committed result of `hosts.run`."""

from collections.abc import Iterator
from typing import Any

from rnn_train.exporting.hosts import HOSTS, options_of

from .harness import Race, read, read_plain
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
    "classifier.without-if": "… `--without-if`",
    "classifier.without-if.int8": "… int8",
    "classifier.steps-4": "… `--steps 4`",
    "many-rows": "classifier of many rows",
    "many-rows.int8": "… int8",
    "many-rows.without-if": "… `--without-if`",
    "many-rows.without-if.int8": "… int8",
    "many-rows.steps-4": "… `--steps 4`",
}
Outcome = dict[str, Any]


def cell(file: str, found: Outcome | None) -> str:
    """Says in a few words what a file gave."""
    if found is None:
        return "–"
    if "refused" in found:
        return "refused"
    if "ended" in found:
        return "ends the process"
    if "slow" in found:
        return f"not finished in {found['slow']} s"
    if "not_run" in found:
        return f"not run: {found['not_run']} s were over"
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
        cells = [cell(file, each["files"].get(file)) for each in engines.values()]
        rows.append([title, *cells])
    head = [f"{name} {each['version']}" for name, each in engines.items()]
    return markdown_table(["file", *head], rows)


def _fastest(files: dict[str, Outcome], int8: bool) -> tuple[str, Outcome] | None:
    """Returns the file with the same text that an engine draws fastest."""
    right = {
        file: found
        for file, found in files.items()
        if "onnxruntime_seconds" in found
        and file.endswith("int8") == int8
        and not file.endswith("float16")
        and cell(file, found).startswith("same text")
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
                row += ["–", "–", "–"]
                continue
            file, found = best
            options = file.removeprefix("charlm").replace(".int8", "").replace(".", " ").strip()
            times = found["seconds"] / found["onnxruntime_seconds"]
            row += [f"{found['seconds'] * 1e6:,.0f} ({options or 'ordinary'})", f"{times:.1f}×"]
            row.append(_in_batch(found.get("batch")))
        rows.append(row)
    head = ["engine"]
    for weights in ("float32", "int8"):
        head += [f"{weights}, µs/char", "÷ onnxruntime", "row of a batch"]
    return markdown_table(head, rows)


def _in_batch(found: float | str | None) -> str:
    """Says how far the logits of a row in a batch are from those of the row alone."""
    if found is None:
        return "–"
    if isinstance(found, str):
        return "refused"
    return f"{found:.0e}" if found else "same bits"


def picked() -> str:
    """Renders what `rnn-train export --for` picks."""
    rows = []
    for name, host in HOSTS.items():
        options = options_of(host.variant)
        shown = f"`{options}`" if options else "an ordinary file"
        rows.append([f"`{name}`", shown, ", ".join(host.weights), host.reason, host.advice])
    head = ["`--for`", "picks", "number types", "why: the engine", "what its program must do"]
    return markdown_table(head, rows, left=len(head))


OURS, PLAIN, EMPTY = "onnxruntime, ordinary", "plain LSTM", ", empty graph"


def engines(kind: str) -> str:
    """Renders engines that drew in turns: how many times longer each takes than onnxruntime.

    Args:
        kind: "float32", "int8" or "plain LSTM".
    """
    content, races = read("engines")
    ours = OURS + " int8" * (kind == "int8")
    columns = list(dict.fromkeys(e for found in races for e, _ in _rivals(found, kind)))
    rows = []
    for found in races:
        row = [_conditions(found), f"{found.typical(ours) * 1e6:,.1f}"]
        rivals = dict(_rivals(found, kind))
        for engine in columns:
            if engine not in rivals:
                row.append(_absent(content["findings"][found.name], engine, kind))
                continue
            name = f"{engine}, {rivals[engine]}"
            variant = rivals[engine].replace(" int8", "")
            options = "" if variant == PLAIN else f" `{variant}`"
            empty = f"{engine}, {variant}{EMPTY}"
            share = f", {_share(found, empty, name):.0%}" if empty in found.samples else ""
            row.append(f"{found.ratio(ours, name):.2f}×{options}{share}")
        rows.append(row)
    return markdown_table(["network", "ours, µs/char", *columns], rows)


def _conditions(found: Race) -> str:
    shape, streams, _ = found.name.split("; ")
    return f"{shape.split(',')[0]}, {streams.replace('1 streams', '1 stream')}"


def _rivals(found: Race, kind: str) -> Iterator[tuple[str, str]]:
    """The engines and variants of a kind, without the ordinary file in onnxruntime."""
    for name in found.samples:
        engine, _, variant = name.partition(", ")
        if _kind(variant) == kind and not name.startswith(OURS) and not name.endswith(EMPTY):
            yield engine, variant


def _kind(variant: str) -> str:
    return PLAIN if variant == PLAIN else "int8" if variant.endswith("int8") else "float32"


def _absent(findings: dict[str, Any], engine: str, kind: str) -> str:
    """Says why no variant of an engine took part in a race; "–" if one could have."""
    reasons = [
        reason
        for name, reason in findings["refused"].items()
        if name.partition(", ")[0] == engine and _kind(name.partition(", ")[2]) == kind
    ]
    wrong = [reason for reason in reasons if reason.startswith("wrong")]
    return f"**{wrong[0]}**" if wrong else "refused" if reasons else "–"


def _share(found: Race, empty: str, name: str) -> float:
    """The part of a contestant's time that a call without work takes, in the same rounds."""
    return min(1.0, found.typical(empty) / found.typical(name))


def compared() -> str:
    """Renders the ratios to the faster of OpenVINO and tract, and what is faster than ours."""
    content, races = read("engines")
    rows, faster = [], []
    for kind in ("float32", "int8"):
        ours = OURS + " int8" * (kind == "int8")
        ratios = {}
        for found in races:
            rivals = [f"{engine}, {variant}" for engine, variant in _rivals(found, kind)]
            faster += [
                f"{name.partition(',')[0]} at {_conditions(found)} ({kind}, {ratio:.2f}×)"
                for name in rivals
                if (ratio := found.ratio(ours, name)) < 1
            ]
            peers = [each for each in rivals if each.startswith(("OpenVINO", "tract"))]
            if peers:
                ratios[_conditions(found)] = min(found.ratio(ours, each) for each in peers)
        least = min(ratios, key=ratios.__getitem__)
        rows.append([kind, f"{ratios[least]:.2f}× ({least})", f"{max(ratios.values()):.2f}×"])
    table = markdown_table(["weights", "least", "most"], rows)
    packages = content["packages"]
    versions = (f"{each} {next(iter(packages[each].values()))}" for each in packages)
    note = f"{content['machine']['cpu']}; {', '.join(versions)}"
    return f"{table}\n\nFaster than ours: {'; '.join(faster) or 'none'}. ({note}.)"


def checked() -> str:
    """Renders how far the contestants' logits are from ours, and whether they drew our text."""
    findings = read("engines")[0]["findings"]
    rows = []
    for kind, title in (("float32", "float32"), (PLAIN, "float32, plain graph"), ("int8", "int8")):
        own = {
            f"{name}, {_conditions(Race(race, 'character'))}": check
            for race, found in findings.items()
            for name, check in found["checks"].items()
            if _kind(name.partition(", ")[2]) == kind and not name.startswith(OURS)
        }
        gap = max(check["gap"] for check in own.values())
        other = [
            f"{name}: {check['same']:,} of {check['of']:,}"
            for name, check in own.items()
            if check["same"] < check["of"]
        ]
        shown = f"{gap:.0%}" if gap > 1e-2 else f"{gap:.0e}"
        same = f"{len(own) - len(other)} of {len(own)}"
        rows.append([title, shown, same, "; ".join(other) or "–"])
    head = [
        "weights",
        "largest difference",
        "drew our text",
        "the others: characters like ours",
    ]
    return markdown_table(head, rows, left=len(head))


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
