"""Tables of training in several processes: what was measured, and what limits more of them."""

from .harness import Race, read
from .markdown import markdown_table

ONE, TWO = "one process", "two processes"
LINK = 1.25e9
"""Bytes a second of a network of 10 Gbit/s."""
WORKERS, NAMES = 100, 1e9
TABLE_BYTES, STORED_BYTES, OPENED_BYTES = 16, 17, 24
"""Bytes of a name and its label in a table, in the run folder, and in memory when that is open."""


def _found(races: list[Race], name: str) -> Race:
    (race,) = (each for each in races if each.name == name)
    return race


def processes() -> str:
    """Renders how much faster two processes are than one."""
    content, races = read("ddp")
    rows = []
    for name, sizes in content["models"].items():
        steps = _found(races, name)
        rows.append([name, f"{sizes['batch']:,.0f}", f"{1 / steps.typical(ONE):,.0f}"])
        for race in (steps, _found(races, f"{name}; ensemble of 2")):
            rows[-1].append(f"{race.ratio(TWO, ONE):.2f}")
        rows[-1].append(f"{_found(races, f'{name}; whole command').ratio(TWO, ONE):.2f}")
    head = ["model", "batch", "units/s of one", "steps shared", "two networks at once"]
    return markdown_table([*head, "… and the student, whole command"], rows)


def limits() -> str:
    """Renders what would limit more processes, on paper."""
    content, races = read("ddp")
    rows = []
    for name, sizes in content["models"].items():
        sent = 2 * (sizes["weights"] + sizes["carried"])
        step = _found(races, name).typical(ONE) * sizes["units"]
        wire = sent / LINK
        rows.append(
            [name, f"{sent / 1e6:,.1f} MB", f"{step * 1e3:,.0f} ms", f"{wire * 1e3:,.1f} ms"]
        )
        rows[-1].append(f"{step / wire:,.0f}")
    head = ["model", "sent in a step", "step in one process", "sending, 10 Gbit/s"]
    return markdown_table([*head, "processes until sending takes as long"], rows)


def billion() -> str:
    """Renders a thousand million names, on paper."""
    _, own = read("ddp")
    _, races = read("distributed")
    largest = max(races, key=lambda each: int(each.name))
    read_all = NAMES * _found(own, "classifier 1×256").typical(ONE) / 3600
    label_all = NAMES * largest.typical("plain loop") / int(largest.name) / 3600
    shared = f"the same, {WORKERS} workers without loss"
    rows = [
        ["to train one epoch, one process of one thread", f"{read_all:,.0f} hours"],
        [shared, f"{read_all / WORKERS:,.1f} hours"],
        ["to label them, one process of one thread", f"{label_all:,.1f} hours"],
        [shared, f"{label_all * 60 / WORKERS:,.1f} minutes"],
    ]
    for what, size in (
        ("the table", TABLE_BYTES),
        ("the run folder", STORED_BYTES),
        ("memory of each process: length, label and place of each row", OPENED_BYTES),
        ("memory of the soft targets of 19 labels", 19 * 4),
    ):
        rows.append([what, f"{NAMES * size / 1e9:,.0f} GB"])
    return markdown_table(["10⁹ names", ""], rows)
