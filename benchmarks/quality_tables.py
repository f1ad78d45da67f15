"""Tables of losses, accuracies and endurance, from the committed results."""

from collections import Counter
from typing import Any

from .harness import read_plain
from .markdown import markdown_table


def held_out_text() -> str:
    """Renders the loss of the shipped character model on text that it never saw."""
    rows = []
    for model in read_plain("shipped")["text"]["models"]:
        windows = model.get("windows", "")
        if isinstance(windows, list):
            windows = "–".join(f"{each:.4f}" for each in windows)
        stateful = model.get("stateful", "")
        rows.append([model["name"], model["parameters"], str(windows), str(stateful)])
    head = ["", "parameters", "`windows`, nats a character", "`stateful`, nats a character"]
    return markdown_table(head, rows)


def small_model() -> str:
    """Renders the files of the small character model: sizes, and losses on one short text."""
    rows = []
    for model in read_plain("small_model")["models"]:
        row = [model["name"], f"{model['parameters'] / 1e6:.2f} M", f"{model['bytes'] / 1e6:.1f}"]
        nats = model["nats_per_char"]
        rows.append([*row, model["learnt"], f"{nats['windows']:.3f}", f"{nats['stateful']:.3f}"])
    head = ["", "parameters", "MB", "learnt this text", "`windows`", "`stateful`"]
    return markdown_table(head, rows)


def held_out_surnames() -> str:
    """Renders the figures of the shipped classifier on the published test rows."""
    rows = []
    for model in read_plain("shipped")["surnames"]["models"]:
        row = [model["name"], f"{model['accuracy']:.4f}", f"{model['macro_f1']:.3f}"]
        rows.append([*row, str(model.get("calibration_error", ""))])
    return markdown_table(["", "accuracy", "macro-F1", "calibration error"], rows)


def held_out_choice() -> str:
    """Renders what it costs to hold text out, by where it comes from."""
    rows = []
    for way in read_plain("held_out")["ways"]:
        later = [run["later"] for run in way["runs"]]
        own = f"{way['mean']['held_out']:.3f}" if "held_out" in way["mean"] else "–"
        spread = f"{min(later):.3f} to {max(later):.3f}"
        rows.append([way["held out"], own, f"{way['mean']['later']:.3f}", spread])
    return markdown_table(["held out", "loss on it", "loss on later text", "… of the seeds"], rows)


def coverage() -> str:
    """Renders the prediction sets of files with many labels."""
    rows = []
    for weights, model in read_plain("coverage")["models"].items():
        row = [weights, f"{model['accuracy']:.3f}", f"{model['coverage']:.3f}"]
        row.append(f"{model['size']:.1f}")
        of_labels = sorted(each["coverage"] for each in model["by_label"].values())
        low, middle = of_labels[len(of_labels) // 10], of_labels[len(of_labels) // 2]
        rows.append([*row, f"{middle:.2f}", f"{low:.2f}", f"{of_labels[0]:.2f}"])
    head = ["weights", "accuracy", "coverage", "mean size", "median label", "lowest tenth"]
    return markdown_table([*head, "worst label"], rows)


def _variant(name: str) -> str:
    """Returns the name of a variant in the words of the glossary: old results say "taught by"."""
    return name.replace("taught by", "student of")


def charlm_ablation(result: str = "charlm_ablation") -> str:
    """Renders the parts of the character model's recipe."""
    content = read_plain(result)
    whole = content["mean"]["recipe"]["held_out_nats_per_char"]
    rows = []
    for name, mean in content["mean"].items():
        loss = mean["held_out_nats_per_char"]
        change = "" if name == "recipe" else f"{loss - whole:+.3f}"
        seeds = len(content["runs"][name])
        rows.append(
            [_variant(name), f"{loss:.3f}", change, f"{mean['training_loss']:.3f}", str(seeds)]
        )
    return markdown_table(["", "held-out, nats/char", "change", "training loss", "seeds"], rows)


def classifier_ablation() -> str:
    """Renders the parts of the classifier's recipe, beside the linear models."""
    content = read_plain("classifier_ablation")
    rows = []
    for name, mean in content["mean"].items():
        figures = [f"{100 * mean['accuracy']:.1f} %", f"{mean['macro_f1']:.3f}"]
        figures += [
            f"{mean[key]:.{digits}f}" if key in mean else "–"
            for key, digits in (("best_prior_macro_f1", 3), ("calibration_error", 3))
        ]
        size = f"{mean['parameters']:,.0f}" if "parameters" in mean else "–"
        rows.append([_variant(name), *figures, size, str(len(content["runs"][name]))])
    head = ["", "accuracy", "macro-F1", "… at the best `prior`", "calibration error"]
    return markdown_table([*head, "parameters", "seeds"], rows)


def surnames() -> str:
    """Renders the classifier beside linear models, as means over grouped splits."""
    content = read_plain("surnames")
    means, rows = content["mean"], []
    linear = [name for name, mean in means.items() if "parameters" not in mean]
    best = {key: max(means[name][key] for name in linear) for key in ("accuracy", "macro_f1")}
    for name, mean in means.items():
        row = [name, f"{100 * mean['accuracy']:.1f} %", f"{mean['macro_f1']:.3f}"]
        row += [f"{mean['best_prior_macro_f1']:.3f}", f"{mean['calibration_error']:.3f}"]
        if "parameters" in mean:
            ahead = [100 * (mean[key] - best[key]) for key in best]
            row += [" / ".join(f"{each:+.1f}" for each in ahead), f"{mean['parameters']:,.0f}"]
        else:
            row += ["–", "–"]
        rows.append([*row, str(len(content["runs"][name]))])
    head = ["", "accuracy", "macro-F1", "… at the best `prior`", "calibration error"]
    head += ["points above the better linear model", "parameters", "splits"]
    return markdown_table(head, rows)


def calibration() -> str:
    """Renders the fitted temperature before and after, on test rows and foreign texts."""
    rows = []
    for name, content in read_plain("calibration")["sets"].items():
        mean = content["mean"]
        row = [name, f"{mean['held_out']:.0f}"]
        for key, form in (
            ("temperature", "{:.2f}"),
            ("error", "{:.3f}"),
            ("nats", "{:.2f}"),
            ("refused_foreign", "{:.0%}"),
        ):
            row.append(" → ".join(form.format(mean[f"{w}_{key}"]) for w in ("before", "after")))
        rows.append(row)
    head = ["", "held-out rows", "temperature", "calibration error", "nats a text"]
    return markdown_table([*head, "foreign texts refused"], rows)


def prediction_sets() -> str:
    """Renders coverage and size of prediction sets, of two kinds."""
    rows = []
    for name, content in read_plain("calibration")["sets"].items():
        mean = content["mean"]
        if "lac_coverage" not in mean:
            continue
        row = [name]
        for kind in ("lac", "aps"):
            row += [f"{mean[f'{kind}_coverage']:.3f}", f"{mean[f'{kind}_size']:.2f}"]
            row.append(f"{mean[f'{kind}_worst_label']:.2f}")
        rows.append(row)
    kinds = ("least ambiguous", "adaptive")
    head = [f"{kind}: {each}" for kind in kinds for each in ("coverage", "size", "worst label")]
    return markdown_table(["", *head], rows)


def load() -> str:
    """Renders the endurance tests and their outcomes."""
    rows = [*_stress_rows(), *_soak_rows(), *_fuzz_rows(), *_kill_rows()]
    return markdown_table(["", ""], rows).replace("---:", "---")


def _stress_rows() -> list[list[str]]:
    stress = read_plain("stress")
    threads, prompt, wide = (stress[key] for key in ("threads", "long_prompt", "large_vocabulary"))
    state = "the same state" if prompt["same_as_in_pieces"] else "another state"
    return [
        [
            f"{threads['calls']:,} mixed calls from {threads['threads']} threads",
            f"{threads['differing']} of {threads['answers']:,} results differ from one thread's",
        ],
        [
            f"a prompt of {prompt['megabytes']} MB, at once and in pieces",
            f"{state}; {prompt['memory_grown_megabytes']} MB more memory at most",
        ],
        [
            f"a model of {wide['characters']:,} characters, {wide['texts']} ways to draw",
            f"{wide['differing']} texts differ from the numpy rule's",
        ],
    ]


def _soak_rows() -> list[list[str]]:
    growth = read_plain("soak")["growth"]
    steps, sessions = growth["steps"], growth["sessions"]
    return [
        [f"{steps['count']:,} steps", f"{steps['bytes'] / 1e3:.0f} kB more memory"],
        [
            f"{sessions['count']:,} sessions opened and dropped",
            f"{sessions['bytes'] / 1e3:.0f} kB, {sessions['handles']} handles, "
            f"{sessions['threads']} threads more",
        ],
    ]


def _fuzz_rows() -> list[list[str]]:
    fuzz, guided = read_plain("fuzz"), read_plain("coverage_fuzz")["rows"]
    return [
        [
            f"{sum(row['executions'] for row in guided):,} inputs of five readers, guided by "
            "coverage",
            f"{sum(row['failed'] for row in guided)} foreign errors; "
            f"{sum(row['edges'] for row in guided):,} edges reached; "
            f"{max(row['peak_mb'] for row in guided):,} MB at the peak, with the fuzzer's own",
        ],
        [
            f"{fuzz['runs'] + fuzz['refused']:,} damaged and hostile files",
            f"{len(fuzz['faults'])} crashes or foreign errors; {fuzz['peak_mb']} MB at the peak",
        ],
    ]


def _kill_rows() -> list[list[str]]:
    kills, resumed = read_plain("checkpoint_kills"), read_plain("kills")
    return [
        [
            f"{kills['kills']} SIGKILLs while checkpoints were written",
            f"{kills['lost']} runs lost",
        ],
        [
            f"{resumed['killed']} SIGKILLs at any moment of a run, resumed",
            f"{resumed['identical']} end with the bits of a run left alone",
        ],
    ]


def faults() -> str:
    """Renders what came of faults at the calls of each operation."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in read_plain("faults")["rows"]:
        by_name.setdefault(row["operation"], []).append(row)
    rows = []
    for name, found in by_name.items():
        outcomes: Counter[str] = sum((Counter(row["outcomes"]) for row in found), Counter())
        ended = outcomes["ended by SIGTERM"] + outcomes["interrupted"]
        counts = [sum(outcomes.values()), outcomes["done"], outcomes["error"]]
        counts += [outcomes["MemoryError"], ended, outcomes["another library fails"]]
        counts.append(sum(len(row["problems"]) for row in found))
        rows.append([name, str(max(row["calls"] for row in found)), *map(str, counts)])
    head = ["", "calls", "faults tried", "right result", "error with a cure", "MemoryError"]
    head += ["ended by SIGTERM", "another library fails", "problems"]
    return markdown_table(head, rows)
