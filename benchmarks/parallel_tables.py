"""Tables of the engines and the servers that share out work, from the committed results."""

from typing import Any

from .harness import Race, read, read_plain
from .markdown import markdown_table

BATCH, THREADS = "one batch, no clients", "asyncio.to_thread(stream.draw)"
PLAIN, OWN, PROCESSOR = "plain loop", "; constant", "; processor"


def clients() -> str:
    """Renders 32 clients: in one event loop, and through the example server."""
    rows = []
    for result, names in (
        ("asyncio_streams", ["astream", "adraw"]),
        ("server", ["server, events", "server, whole texts"]),
    ):
        content, races = read(result)
        for found in races:
            (recipe,) = (each for each in found.samples if each.startswith(THREADS))
            for name in names:
                rate = content["clients"] * content["length"] / found.typical(name)
                ratios = (found.ratio(name, each) for each in (BATCH, recipe))
                piece = "" if "pieces" in found.name else f"; pieces of {content['piece']}"
                rows.append([found.name + piece, name, f"{rate:,.0f}"])
                rows[-1] += [f"{ratio:.2f}" for ratio in ratios]
    head = ["model", "", "characters/s", "÷ one batch", "÷ `to_thread`"]
    return markdown_table(head, rows)


def arrival() -> str:
    """Renders random arrivals: rates, waiting times, fairness and memory of each server."""
    rows = []
    for found in read_plain("arrival")["runs"]:
        load = "all at once" if found["load"] is None else f"{found['load']:.2f}"
        row = [found["server"], load, f"{found['characters_per_second']:,.0f}"]
        row += [_waits(found["first_piece"]), _waits(found["next_piece"])]
        row += [f"{found['worst_rate_to_median']:.2f}", f"{found['rows_of_a_batch']:.1f}"]
        fill = found["batch_fill"]
        row += [f"{fill:.2f}" if fill else "–", f"{found['more_memory_megabytes']:.0f} MB"]
        rows.append(row)
    head = ["server", "load", "characters/s", "first piece, ms", "next piece, ms"]
    head += ["worst ÷ median rate", "rows of a batch", "… of the open", "more memory"]
    return markdown_table(head, rows)


def _waits(found: dict[str, Any] | None) -> str:
    return f"{found['p50']:,.0f} / {found['p99']:,.0f}" if found else "–"


def engines() -> str:
    """Renders names a second, and how near each engine comes to what its own work allows."""
    content, races = read("distributed")
    rows = []
    for found in races:
        for name in found.samples:
            if OWN in name or PROCESSOR in name:
                continue
            row = [f"{int(found.name):,}", name, f"{int(found.name) / found.typical(name):,.0f}"]
            if name == PLAIN:
                row += ["", "", ""]
            else:
                row.append(f"{int(found.name) / found.typical(name + OWN):,.0f}")
                row.append(f"{_share(found, name, '', content['workers']):.2f}")
                row.append(f"{_share(found, name, PROCESSOR, 1):.2f}")
            rows.append(row)
    head = ["names", "engine", "names/s", "with a constant", "share of its best"]
    return markdown_table([*head, "… in processor time"], rows)


def _share(found: Race, name: str, what: str, workers: int) -> float:
    """Best time ÷ time: the engine's own work, and the plain loop's shared out to the workers."""
    shares = [
        (own + plain / workers) / whole
        for own, plain, whole in zip(
            found.samples[name + OWN + what],
            found.samples[PLAIN + what],
            found.samples[name + what],
            strict=True,
        )
    ]
    return sorted(shares)[len(shares) // 2]
