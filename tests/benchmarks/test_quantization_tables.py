"""The tables of 8-bit files."""

from typing import Any

from benchmarks.harness import Race
from benchmarks.quantization_tables import parts, whole_files


def file(megabytes: float, change: float = 0.0) -> dict[str, Any]:
    size = int(megabytes * 1e6)
    return {"bytes": size, "loss": 1 + change, "change": change} | {
        "error": 0.0001,
        "divergence": change / 2,
    }


SOME = {"float32": file(4), "int8": file(1, 0.002)}
NETWORKS: list[dict[str, Any]] = [
    {"network": "lm", "files": SOME | {"int8, as shipped": file(1.5, 0.003)}},
    {"network": "labels", "files": SOME | {"readout": file(3, 0.0008)}},
]
RACES = [
    Race("lm", "pass", {"float32": [2.0], "int8": [1.0], "int8, as shipped": [4.0]}),
    Race("labels", "pass", {"float32": [3.0], "int8": [2.0]}),
]


def test_whole_files_stand_beside_their_float32_file() -> None:
    assert whole_files(NETWORKS, RACES).splitlines()[2:] == [
        "| lm | float32 | 4.0 | 1.000 | – | – | 1.00× |",
        "| lm | int8 | 1.0 | 1.002 | +0.0020 ± 0.0001 | 0.00100 | 2.00× |",
        "| lm | int8, as shipped | 1.5 | 1.003 | +0.0030 ± 0.0001 | 0.00150 | 0.50× |",
        "| labels | float32 | 4.0 | 1.000 | – | – | 1.00× |",
        "| labels | int8 | 1.0 | 1.002 | +0.0020 ± 0.0001 | 0.00100 | 1.50× |",
    ]


def test_parts_end_with_everything() -> None:
    assert parts(NETWORKS).splitlines()[2:] == [
        "| labels | readout | 3.0 | 0.000400 |",
        "| labels | everything | 1.0 | 0.001000 |",
    ]
