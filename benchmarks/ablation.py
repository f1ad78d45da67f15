"""Figures of a recipe's variants by seed, written as they come: a long run can be resumed."""

import json
from pathlib import Path

import numpy as np

Figures = dict[str, float]
_WHOLE = ("parameters", "cpu_seconds")


class Ablation:
    """A results file."""

    def __init__(self, path: Path, facts: dict[str, object]) -> None:
        self._path = path
        self._facts = facts

    def has(self, name: str, seed: int) -> bool:
        """Whether an earlier call has measured this variant."""
        return str(seed) in self._runs().get(name, {})

    def keep(self, name: str, seed: int, figures: Figures) -> None:
        """Adds figures to the file. It is read again first: another process may have added some."""
        runs = self._runs()
        runs.setdefault(name, {})[str(seed)] = _rounded(figures)
        means = {each: _mean(list(seeds.values())) for each, seeds in runs.items()}
        found = self._facts | {"mean": means, "runs": runs}
        self._path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")

    def _runs(self) -> dict[str, dict[str, Figures]]:
        if not self._path.exists():
            return {}
        runs: dict[str, dict[str, Figures]] = json.loads(self._path.read_text())["runs"]
        return runs


def _mean(figures: list[Figures]) -> Figures:
    return _rounded({key: float(np.mean([each[key] for each in figures])) for key in figures[0]})


def _rounded(figures: Figures) -> Figures:
    return {k: round(v) if k in _WHOLE else round(v, 4) for k, v in figures.items()}
