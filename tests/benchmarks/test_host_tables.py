"""Tables of other engines."""

from typing import Any

import pytest

from benchmarks import host_tables
from benchmarks.harness import Race

RACE = "1×128, vocabulary 65; 64 streams; 1 threads"
SAMPLES = {
    "onnxruntime, ordinary": [1e-6, 2e-6],
    "onnxruntime, ordinary int8": [1e-6, 2e-6],
    "onnxruntime, plain LSTM": [2e-6, 3e-6],
    "tract, --steps 4": [2e-6, 4e-6],
    "tract, --steps 4, empty graph": [1e-6, 1e-6],
    "tract, --steps 4 int8": [3e-6, 6e-6],
}
OTHER = "2×512, vocabulary 65; 1 streams; 1 threads"
FINDINGS: dict[str, dict[str, Any]] = {
    RACE: {
        "checks": {
            "onnxruntime, ordinary": {"gap": 0.0, "same": 1536, "of": 1536},
            "onnxruntime, plain LSTM": {"gap": 1e-6, "same": 1536, "of": 1536},
            "tract, --steps 4": {"gap": 2e-6, "same": 1536, "of": 1536},
            "tract, --steps 4 int8": {"gap": 0.02, "same": 1500, "of": 1536},
        },
        "refused": {},
    },
    OTHER: {
        "checks": {"tract, plain LSTM": {"gap": 3e-6, "same": 96, "of": 96}},
        "refused": {
            "tract, --steps 4": "no such operator",
            "tract, --steps 4 int8": "wrong, by 21%",
            "tract, --steps 4, empty graph": "no such operator",
        },
    },
}


OURS = {name: each for name, each in SAMPLES.items() if name.startswith("onnxruntime")}
RACES = [Race(RACE, "character", SAMPLES), Race(OTHER, "character", OURS)]


@pytest.fixture(autouse=True)
def _result(monkeypatch: pytest.MonkeyPatch) -> None:
    content: dict[str, Any] = {
        "findings": FINDINGS,
        "packages": {"tract": {"tract": "0.1"}},
        "machine": {"cpu": "a processor"},
    }
    monkeypatch.setattr(host_tables, "read", lambda _: (content, RACES))


def test_times_as_long_as_ours_and_why_one_is_missing() -> None:
    table = host_tables.engines("float32")
    assert "| 1×128, 64 streams | 1.5 | 2.00× `--steps 4`, 33% |" in table
    assert "| 2×512, 1 stream | 1.5 | refused |" in table
    assert "| 2×512, 1 stream | 1.5 | **wrong, by 21%** |" in host_tables.engines("int8")


def test_what_is_right_but_was_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FINDINGS[OTHER], "refused", {})
    assert "| 2×512, 1 stream | 1.5 | – |" in host_tables.engines("float32")


def test_least_and_most_of_the_races_that_a_rival_ran() -> None:
    compared = host_tables.compared()
    assert "| float32 | 2.00× (1×128, 64 streams) | 2.00× |" in compared
    assert "| int8 | 3.00× (1×128, 64 streams) | 3.00× |" in compared
    assert "Faster than ours: none. (a processor; tract 0.1.)" in compared


def test_results_that_were_compared() -> None:
    table = host_tables.checked()
    assert "| float32 | 2e-06 | 1 of 1 | – |" in table
    assert "| float32, plain graph | 3e-06 | 2 of 2 | – |" in table
    other = "tract, --steps 4 int8, 1×128, 64 streams: 1,500 of 1,536"
    assert f"| int8 | 2% | 0 of 1 | {other} |" in table
