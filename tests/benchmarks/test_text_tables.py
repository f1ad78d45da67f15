"""The table of texts shows the best and what lacks, and counts cells with a peer."""

from typing import Any

import pytest

from benchmarks import text_tables
from benchmarks.text_peers import PEERS
from benchmarks.text_tables import CONTESTANTS, rendered, shakespeare_rendered
from benchmarks.texts import OURS

NANO, PLAIN = "nanoGPT, CPU recipe", "plain nn.LSTM"


def cell(text: str, minutes: float, ours: float, *peers: tuple[float, float]) -> dict[str, Any]:
    where = {"cpu": "A CPU", "date": f"2026-01-{30 - 2 * minutes:02.0f}"}
    contestants: dict[str, Any] = {"ours": {"nats": ours, "seconds": 30.0, **where}}
    for name, (nats, best) in zip((NANO, PLAIN), peers, strict=False):
        contestants[name] = {"nats": nats, "best_temperature_nats": best, **where}
    facts = {"text": text, "characters": 18000, "minutes": minutes, "threads": 2}
    return {**facts, "contestants": contestants}


def content(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"cells": list(cells)}


def test_columns_are_those_that_are_measured() -> None:
    assert (OURS, *PEERS) == CONTESTANTS


def test_best_is_bold_and_brackets_are_the_best_temperature() -> None:
    table = rendered(content(cell("log", 0.5, 1.25, (1.5, 1.5), (2.0, 1.75))))
    assert "| log | 18,000 | 0.5 | 2 | **1.250** | 1.500 | 2.000 (1.750) |" in table
    assert "| minutes | threads | rnn-train | nanoGPT, CPU recipe | plain nn.LSTM |" in table


def test_cells_stand_by_time_then_by_name() -> None:
    cells = [cell("b", 2, 1.0), cell("c", 0.5, 1.0), {**cell("a", 1, 1.0), "threads": 1}]
    rows = rendered(content(*cells)).splitlines()[2:5]
    assert [row[:4] for row in rows] == ["| c ", "| a ", "| b "]


def test_a_peer_may_be_ahead() -> None:
    cells = cell("a", 2, 1.25, (1.0, 1.0), (2.0, 1.5)), cell("b", 2, 1.0, (1.5, 0.5), (2.0, 2.0))
    table = rendered(content(*cells))
    assert "| a | 18,000 | 2 | 2 | 1.250 | **1.000** | 2.000 (1.500) |" in table
    assert "ahead of each measured peer in 1 of 2 cells (2 of them have both" in table
    assert "both peers), by more than 0.02 nats in 1 of them, and in 0 if" in table
    assert "-0.250 nats in the worst cell and +0.125 in the middle. A CPU, 2026-01-26." in table


def test_processors_and_dates_are_those_of_the_scores() -> None:
    whole = cell("a", 1, 1.0, (1.5, 1.5), (2.0, 2.0)), cell("b", 2, 1.0)
    whole[1]["contestants"]["ours"]["cpu"] = "B CPU"
    assert rendered(content(*whole)).endswith("A CPU, B CPU, 2026-01-26 to 2026-01-28.")


def test_a_wide_processor_is_told_from_a_narrow_one_of_the_same_name() -> None:
    whole = cell("a", 1, 1.49, (1.5, 1.5), (2.0, 2.0)), cell("b", 1, 1.0)
    whole[1]["contestants"]["ours"]["instructions"] = ["avx2", "avx512f"]
    table = rendered(content(*whole))
    assert table.endswith("A CPU, A CPU with AVX-512, 2026-01-28.")
    assert "in 1 of 1 cells (1 of them have both peers), by more than 0.02 nats in 0" in table


def test_cell_without_a_contestant_is_not_bold_and_counts_by_its_peer() -> None:
    whole = cell("log", 2, 1.0, (1.5, 1.5), (2.0, 2.0))
    table = rendered(content(cell("log", 0.5, 1.25, (1.5, 1.5)), whole, cell("a", 2, 1.0)))
    assert "| log | 18,000 | 0.5 | 2 | 1.250 | 1.500 | – |" in table
    assert "| log | 18,000 | 2 | 2 | **1.000** | 1.500 | 2.000 |" in table
    assert "2 of 2 cells (1 of them have both peers)" in table
    assert "+0.250 nats in the worst" in table
    assert "No cell has ours and a peer" in rendered(content(cell("log", 0.5, 1.0)))


def test_no_result_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(text_tables, "RESULTS", tmp_path)
    assert text_tables.texts() == "Not measured yet."


def test_shakespeare_has_means_ranges_and_the_lead() -> None:
    def found(mean: float) -> dict[str, float]:
        return {"mean": mean, "least": mean - 0.01, "most": mean + 0.01, "deviation": 0.01}

    text = shakespeare_rendered(
        {
            "command": "python -m benchmarks.shakespeare a.txt --peer",
            "machine": {"cpu": "A CPU"},
            "threads": 2,
            "runs": [{}, {}],
            "spread": {"windows": found(1.5), "stateful": found(1.4)},
            "peer_spread": {"stateful": found(1.52)},
        }
    )
    assert "| rnn-train | 1.500 (1.490 to 1.510) | 1.400 (1.390 to 1.410) | 2 |" in text
    assert "| plain nn.LSTM | – | 1.520 (1.510 to 1.530) | 2 |" in text
    assert text.endswith("2 threads, A CPU: `rnn-train` is 0.120 nats below the plain LSTM.")
