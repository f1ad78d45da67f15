"""Tests stand one to one with modules, in the same folders."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"rnn_infer": ROOT / "tests" / "infer", "rnn_train": ROOT / "tests" / "train"}
WHOLE = {"fuzz", "main", "notebook", "package", "programs"}
"""Tests of a package as a whole, by name: `test_package.py`."""
MAX_MODULES = 20
"""Files of a folder that a reader can still take in."""


def modules(package: str) -> list[Path]:
    """Paths of a package's modules, relative to it."""
    home = ROOT / package
    found = (path.relative_to(home) for path in sorted(home.rglob("*.py")))
    return [path for path in found if not path.stem.startswith("__")]


CASES = [(package, path) for package in PACKAGES for path in modules(package)]


@pytest.mark.parametrize(("package", "path"), CASES, ids=[f"{a}/{b}" for a, b in CASES])
def test_module_has_tests(package: str, path: Path) -> None:
    folder = PACKAGES[package] / path.parent
    assert (folder / f"test_{path.stem}.py").is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_tests_have_a_module(package: str) -> None:
    known = {path.with_suffix("") for path in modules(package)}
    for path in PACKAGES[package].rglob("test_*.py"):
        place = path.relative_to(PACKAGES[package])
        name = place.stem.removeprefix("test_")
        words = name.split("_")
        # `test_session_fork.py` holds more tests of `session.py`.
        names = ["_".join(words[:end]) for end in range(1, len(words) + 1)]
        assert name in WHOLE or any(place.parent / each in known for each in names), place


@pytest.mark.parametrize("package", PACKAGES)
def test_folders_stay_small(package: str) -> None:
    for folder in (ROOT / package).rglob("*/"):
        assert len(list(folder.glob("*.py"))) <= MAX_MODULES, folder


@pytest.mark.parametrize(("package", "path"), CASES, ids=[f"{a}/{b}" for a, b in CASES])
def test_module_fits_its_purpose(package: str, path: Path) -> None:
    """No module grows beyond what can be read in one go."""
    assert len((ROOT / package / path).read_text("utf-8").splitlines()) <= 300
