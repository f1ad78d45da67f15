"""The tables of texts, minutes and contestants, from the committed results."""

import statistics
from typing import Any

from .harness import RESULTS, read_plain
from .markdown import markdown_table

_OURS, *_PEERS = CONTESTANTS = ("ours", "nanoGPT, CPU recipe", "plain nn.LSTM")
"""Ours and its peers, by their names in the result."""
_HEADS = ("rnn-train", *_PEERS)
_SEEDS = 0.02
"""Nats by which seeds may differ."""
_NONE = "Not measured yet."
_Content = dict[str, Any]


def texts() -> str:
    """Renders the default recipe and its peers on texts of unlike kind."""
    if not (RESULTS / "texts.json").exists():
        return _NONE
    return rendered(read_plain("texts"))


def rendered(content: _Content) -> str:
    """Renders the table, and sentences that count the cells."""
    head = ["", "characters learnt", "minutes", "threads", *_HEADS]
    rows = [
        [
            cell["text"],
            f"{cell['characters']:,}",
            f"{cell['minutes']:g}",
            str(cell["threads"]),
            *_columns(cell["contestants"]),
        ]
        for cell in sorted(content["cells"], key=_place)
    ]
    return markdown_table(head, rows) + "\n\n" + _summary(content)


def _place(cell: dict[str, Any]) -> tuple[float, float, str]:
    """The place of a cell in the table: by the time of a thread, then by name."""
    return cell["minutes"] * cell["threads"], cell["minutes"], cell["text"]


def _columns(found: dict[str, dict[str, Any]]) -> list[str]:
    """Renders the contestants of a cell; the best is bold. One that lacks is a dash."""
    least = min((each["nats"] for each in found.values()), default=0.0)
    columns = []
    for name in CONTESTANTS:
        if name not in found:
            columns.append("–")
            continue
        nats = found[name]["nats"]
        bold = "**" if nats == least and len(found) == len(CONTESTANTS) else ""
        best = found[name].get("best_temperature_nats", nats)
        more = f" ({best:.3f})" if f"{best:.3f}" != f"{nats:.3f}" else ""
        columns.append(f"{bold}{nats:.3f}{bold}{more}")
    return columns


def _summary(content: _Content) -> str:
    """Says in how many cells ours is ahead, and by how much. A cell needs ours and a peer."""
    leads: dict[str, list[float]] = {"nats": [], "best_temperature_nats": []}
    whole = 0
    for cell in content["cells"]:
        found = cell["contestants"]
        peers = [found[name] for name in _PEERS if name in found]
        if _OURS not in found or not peers:
            continue
        whole += len(peers) == len(_PEERS)
        for key, each in leads.items():
            each.append(min(peer[key] for peer in peers) - found[_OURS]["nats"])
    count = len(leads["nats"])
    if not count:
        return "No cell has ours and a peer yet."
    ahead, ahead_of_best = (sum(lead > 0 for lead in each) for each in leads.values())
    least, middle = min(leads["nats"]), statistics.median(leads["nats"])
    clear = sum(lead > _SEEDS for lead in leads["nats"])
    return (
        f"`rnn-train` is ahead of each measured peer in {ahead} of {count} cells ({whole} of them "
        f"have both peers), by more than {_SEEDS} nats in {clear} of them, and in {ahead_of_best} "
        "if the peers had their best temperature. The lead over the better peer is "
        f"{least:+.3f} nats in the worst cell and {middle:+.3f} in the middle. {_where(content)}."
    )


def _where(content: _Content) -> str:
    """Names the processors of the scores, and their first and last date."""
    scores = [each for cell in content["cells"] for each in cell["contestants"].values()]
    days = sorted({each["date"] for each in scores})
    span = " to ".join([days[0], days[-1]][: len(days)])
    return f"{', '.join(sorted({_processor(each) for each in scores}))}, {span}"


def _processor(score: dict[str, Any]) -> str:
    """Names the processor of a score; the name alone may not say how wide it computes."""
    wide = "avx512f" in score.get("instructions", ())
    return f"{score['cpu']} with AVX-512" if wide else str(score["cpu"])


def shakespeare() -> str:
    """Renders the recipe and a plain LSTM on the end of one text."""
    return shakespeare_rendered(read_plain("shakespeare"))


def shakespeare_rendered(content: _Content) -> str:
    """Renders the means over the seeds, and what the plain LSTM is behind."""
    spreads = {"rnn-train": content["spread"], _PEERS[-1]: content["peer_spread"]}
    seeds = str(len(content["runs"]))
    protocols = list(content["spread"])
    rows = [
        [name, *(_with_range(found.get(each)) for each in protocols), seeds]
        for name, found in spreads.items()
    ]
    ours, other = (found["stateful"]["mean"] for found in spreads.values())
    head = ["", *(f"`{name}`" for name in protocols), "seeds"]
    return (
        markdown_table(head, rows) + f"\n\n`{content['command']}`, {content['threads']} threads, "
        f"{content['machine']['cpu']}: `rnn-train` is {other - ours:.3f} nats below the plain LSTM."
    )


def _with_range(found: dict[str, float] | None) -> str:
    """Renders a mean, and the least and the most of the seeds."""
    if found is None:
        return "–"
    return f"{found['mean']:.3f} ({found['least']:.3f} to {found['most']:.3f})"
