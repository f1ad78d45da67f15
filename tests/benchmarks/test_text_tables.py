"""The table of texts shows the best, what lacks, and counts only whole cells."""

from typing import Any

import pytest

from benchmarks import text_tables
from benchmarks.text_peers import PEERS
from benchmarks.text_tables import CONTESTANTS, rendered
from benchmarks.texts import OURS

NANO, PLAIN = "nanoGPT, CPU recipe", "plain nn.LSTM"


def cell(text: str, minutes: float, ours: float, *peers: tuple[float, float]) -> dict[str, Any]:
    contestants = {"ours": {"nats": ours, "seconds": 30.0}}
    for name, (nats, best) in zip((NANO, PLAIN), peers, strict=False):
        contestants[name] = {"nats": nats, "best_temperature_nats": best}
    return {"text": text, "characters": 18000, "minutes": minutes, "contestants": contestants}


def content(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"cells": list(cells), "machine": {"cpu": "A CPU"}, "threads": 2}


def test_columns_are_those_that_are_measured() -> None:
    assert (OURS, *PEERS) == CONTESTANTS


def test_best_is_bold_and_brackets_are_the_best_temperature() -> None:
    table = rendered(content(cell("log", 0.5, 1.25, (1.5, 1.5), (2.0, 1.75))))
    assert "| log | 18,000 | **1.250** | 1.500 | 2.000 (1.750) |" in table
    assert "0.5 min: rnn-train | 0.5 min: nanoGPT, CPU recipe | 0.5 min: plain nn.LSTM" in table


def test_a_peer_may_be_ahead() -> None:
    cells = cell("a", 2, 1.25, (1.0, 1.0), (2.0, 1.5)), cell("b", 2, 1.0, (1.5, 0.5), (2.0, 2.0))
    table = rendered(content(*cells))
    assert "| a | 18,000 | 1.250 | **1.000** | 2.000 (1.500) |" in table
    assert "ahead of both peers in 1 of 2 cells, and in 0 if" in table
    assert "-0.250 nats in the worst cell and +0.125 in the middle. A CPU, 2 threads." in table


def test_cell_without_all_contestants_is_neither_bold_nor_counted() -> None:
    whole = cell("log", 2, 1.0, (1.5, 1.5), (2.0, 2.0))
    table = rendered(content(cell("log", 0.5, 1.25, (1.5, 1.5)), whole))
    assert "| log | 18,000 | 1.250 | 1.500 | – | **1.000** | 1.500 | 2.000 |" in table
    assert "1 of 1 cells" in table
    assert "| – | – | – |" in rendered(content(cell("log", 0.5, 1.0), cell("names", 2, 1.0)))
    assert "No cell has all contestants" in rendered(content(cell("log", 0.5, 1.0)))


def test_no_result_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(text_tables, "RESULTS", tmp_path)
    assert text_tables.texts() == "Not measured yet."
