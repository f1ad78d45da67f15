"""The table of ideas compares each idea with its base."""

from typing import Any

from benchmarks.idea_tables import ideas_rendered


def content(characters: int, **nats: list[float]) -> tuple[str, dict[str, Any]]:
    mean = {name: {"cpu_seconds": 10 * (1 + place)} for place, name in enumerate(nats)}
    runs = {
        name: {str(seed): {"held_out_nats_per_char": loss} for seed, loss in enumerate(losses)}
        for name, losses in nats.items()
    }
    facts = {"characters": characters, "epochs": 8.0, "bases": {"student": "two", "two": "two"}}
    return "plays", facts | {"mean": mean, "runs": runs}


def test_ideas_are_compared_with_their_base() -> None:
    long = content(150_000, recipe=[1.5], decay=[1.45], two=[1.4], student=[1.41])
    rows = ideas_rendered([long, content(20_000, recipe=[1.8], decay=[1.9])]).splitlines()
    assert rows[0] == (
        "|  | plays: 150,000 characters, 8 times | change "
        "| plays: 20,000 characters, 8 times | change | CPU time | seeds |"
    )
    assert rows[2] == "| recipe | 1.500 |  | 1.800 |  | 1.00× | 1, 1 |"
    assert rows[3] == "| decay | 1.450 | -0.050 | 1.900 | +0.100 | 2.00× | 1, 1 |"
    assert rows[4] == "| two | 1.400 |  | – | – | 3.00× | 1, 0 |"
    assert rows[5] == "| student | 1.410 | +0.010 | – | – | 4.00× | 1, 0 |"


def test_changes_are_those_of_the_seeds_that_both_have() -> None:
    rows = ideas_rendered([content(9, recipe=[1.5, 1.7], a=[1.4], b=[1.4, 1.8])]).splitlines()
    assert rows[2] == "| recipe | 1.600 (1.500 to 1.700) |  | 1.00× | 2 |"
    assert rows[3] == "| a | 1.400 | -0.100 | 2.00× | 1 |"
    assert rows[4].startswith("| b | 1.600 (1.400 to 1.800) | +0.000 (-0.100 to +0.100) |")
