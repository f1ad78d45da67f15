"""Runs the model files under every release of onnxruntime that the package allows.

    python -m benchmarks.runtimes                    # all, with the running Python
    python -m benchmarks.runtimes --python 3.12 --python 3.13
    python -m benchmarks.runtimes --table            # only writes the table again

Each Python gets one temporary virtual environment without torch. The releases of onnxruntime are
installed into it in turn, with the other packages as `constraints.txt` pins them. Some rows with
other releases of numpy, protobuf and click follow. `benchmarks.runtimes_probe` measures each row.
The result and the table of `docs/how/runtimes.md` are written after each Python. The script ends
with an error if the pinned release fails. `--python` needs pyenv.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .harness import RESULTS, machine, read_plain
from .markdown import markdown_table

ROOT = Path(__file__).parents[1]
RESULT = RESULTS / "runtimes.json"
PAGE = ROOT / "docs" / "how" / "runtimes.md"
PACKAGES = ("onnxruntime", "numpy", "protobuf", "click")
OLDEST_RELEASE = (1, 22, 0)
VARIANTS = (
    *("numpy==1.26.4", "numpy==2.0.*", "numpy"),
    *("protobuf==4.*", "protobuf==5.*", "protobuf==6.*", "protobuf"),
    *("click==8.2.*", "click"),
)
"""Requirements of the rows that change one other package. A bare name is its newest release."""
OLDEST = ROOT / "tests" / "oldest.txt"
SAME = "the same"
Row = dict[str, Any]


class Environment:
    """A virtual environment whose packages change from row to row."""

    def __init__(self, base: str, folder: Path) -> None:
        _run([base, "-m", "venv", str(folder)])
        self.python = str(folder / "bin" / "python")
        pinned = ["-c", str(ROOT / "constraints.txt")]
        _run([*self._pip("install"), "-q", *pinned, "onnxruntime", "numpy", "protobuf", "click"])

    def releases(self) -> list[str]:
        """All releases of onnxruntime from the oldest allowed, the oldest first."""
        listing = _run([*self._pip("index"), "versions", "onnxruntime"])
        numbers = re.search(r"Available versions: (.*)", listing)
        found = numbers[1].split(", ") if numbers else []
        allowed = [each for each in found if _numbers(each) >= OLDEST_RELEASE]
        return sorted(allowed, key=_numbers)

    def row(self, requirements: list[str]) -> Row:
        """Installs some releases and measures."""
        flags = ("-q", "--no-deps", "--force-reinstall", "--no-compile", "--only-binary=:all:")
        try:
            _run([*self._pip("install"), *flags, *requirements])
        except RuntimeError as error:
            if "No matching distribution" not in str(error):
                raise
            asked = dict(each.split("==") for each in requirements if "==" in each)
            return {**self.versions(), **asked, "not_installed": str(error)}
        try:
            found = json.loads(_run([self.python, "-m", "benchmarks.runtimes_probe"]))
        except RuntimeError as error:
            found = {"error": str(error)}
        return {**self.versions(), **found}

    def versions(self) -> Row:
        """Python and the packages that are installed now."""
        code = (
            "import json, platform, importlib.metadata as m; print(json.dumps({'python': "
            f"platform.python_version(), **{{p: m.version(p) for p in {PACKAGES}}}}}))"
        )
        found: Row = json.loads(_run([self.python, "-c", code]))
        return found

    def _pip(self, command: str) -> list[str]:
        return [self.python, "-m", "pip", "--disable-pip-version-check", command]


def _run(command: list[str]) -> str:
    """Runs a command at the root of the repository and returns its output.

    Raises:
        RuntimeError: with the last line of what it wrote as an error.
    """
    settings = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    settings.pop("PYTHONPATH", None)
    done = subprocess.run(
        command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ends with {done.returncode}"]
        raise RuntimeError(lines[-1])
    return done.stdout


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", release))


def pins() -> dict[str, str]:
    """The pinned release of each package."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    found = dict(line.split("==") for line in lines if "==" in line)
    return {package: found[package] for package in PACKAGES}


def rows_of(base: str) -> list[Row]:
    """Measures all rows of one Python."""
    others = {package: pin for package, pin in pins().items() if package != "onnxruntime"}
    rows: list[Row] = []

    def add(requirements: list[str]) -> None:
        row = environment.row(requirements)
        if all(any(row[key] != each[key] for key in PACKAGES) for each in rows):
            rows.append(row)
        state = row.get("not_installed") or row.get("error") or "measured"
        print(row["python"], *requirements, "→", state, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        environment = Environment(base, Path(folder) / "venv")
        releases = environment.releases()
        for release in releases:
            add([f"onnxruntime=={release}"])
        for variant in VARIANTS:
            changed = variant.partition("==")[0]
            add([variant, *(f"{each}=={pin}" for each, pin in others.items() if each != changed)])
        add([line for line in OLDEST.read_text("utf-8").splitlines() if "==" in line])
    return rows


def is_pinned(row: Row) -> bool:
    """Whether the row has the pinned release of every package."""
    return all(row[package] == release for package, release in pins().items())


def failures(row: Row) -> list[str]:
    """What is wrong with a row by itself."""
    if "error" in row:
        return [row["error"]]
    found = [f"golden run of {name}" for name, each in row["golden"].items() if not each["ok"]]
    for name, ways in row["exactness"].items():
        found += [f"{way} of {name} differ by {size:.1e}" for way, size in ways.items() if size]
    for name, drawn in row["texts"].items():
        if not (drawn["same_alone"] and drawn["same_in_pieces"]):
            found.append(f"texts of {name} depend on the batch or the pieces")
    return found


def verdict(row: Row, pinned: Row) -> str:
    """Compares a row with the row of the pinned releases."""
    if "not_installed" in row:
        return "no package for this Python"
    found = failures(row)
    if "error" in pinned:
        found.append("not compared, because the pinned releases fail")
    if "error" in row or "error" in pinned:
        return "; ".join(found)
    for name, drawn in pinned["texts"].items():
        if row["texts"][name]["sha256"] != drawn["sha256"]:
            found.append(f"other text of {name}")
    for name, score in pinned["scores"].items():
        if row["scores"][name] != score:
            found.append(f"score of {name} differs by {abs(row['scores'][name] - score):.1e}")
    for name, answers in pinned["answers"].items():
        for kind, digest in answers.items():
            if row["answers"][name][kind] != digest:
                found.append(f"other {kind} of {name}")
    if row["command"] != pinned["command"]:
        found.append("other text of the command line")
    return "; ".join(found) or SAME


def table(rows: list[Row]) -> str:
    """Returns the table of the page. Pythons with equal cells share a row."""
    pythons: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        pythons.setdefault(tuple(_cells(row)), []).append(row["python"])
    head = [*PACKAGES, "golden runs", "exact", "against the pinned releases", "Python"]
    return markdown_table(head, [[*cells, ", ".join(found)] for cells, found in pythons.items()])


def _cells(row: Row) -> list[str]:
    versions = [row[package] for package in PACKAGES]
    if "error" in row or "not_installed" in row:
        return [*versions, "", "", row["verdict"]]
    golden = [each["ok"] for each in row["golden"].values()]
    largest = max(size for ways in row["exactness"].values() for size in ways.values())
    exact = f"{largest:.1e}" if largest else "equal bits"
    return [*versions, f"{sum(golden)} of {len(golden)}", exact, row["verdict"]]


def rendered(page: str, rows: list[Row]) -> str:
    """Returns the text of the page with the table replaced."""
    new = f"<!-- table runtimes -->\n\n{table(rows)}\n\n<!-- end -->"
    pattern = r"<!-- table runtimes -->.*?<!-- end -->"
    return re.sub(pattern, lambda _: new, page, flags=re.DOTALL)


def packed(rows: list[Row]) -> dict[str, list[Row]]:
    """Returns the rows for the file: each distinct outcome stands there once."""
    outcomes: list[Row] = []
    heads = []
    for row in rows:
        head = {key: row[key] for key in ("python", *PACKAGES, "verdict")}
        outcome = {key: each for key, each in row.items() if key not in head}
        if outcome not in outcomes:
            outcomes.append(outcome)
        heads.append({**head, "outcome": outcomes.index(outcome)})
    return {"rows": heads, "outcomes": outcomes}


def unpacked(content: dict[str, Any]) -> list[Row]:
    """Returns the rows that `packed` was given."""
    found = []
    for head in content["rows"]:
        row = {**head, **content["outcomes"][head["outcome"]]}
        del row["outcome"]
        found.append(row)
    return found


def show() -> None:
    """Writes the table of the committed result into the page."""
    rows = unpacked(read_plain("runtimes"))
    PAGE.write_text(rendered(PAGE.read_text("utf-8"), rows), "utf-8")


def save(rows: list[Row]) -> Row:
    """Writes the result and the page. Returns the row of the pinned releases."""
    pinned = next(row for row in rows if is_pinned(row))
    for row in rows:
        row["verdict"] = verdict(row, pinned)
    command = " ".join(["python -m benchmarks.runtimes", *sys.argv[1:]])
    content = {"command": command, "machine": machine(), **packed(rows)}
    RESULT.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    show()
    return pinned


def interpreter(release: str) -> str:
    """The path of a Python of pyenv, such as 3.12."""
    full = _run(["pyenv", "latest", release]).strip()
    return str(Path(_run(["pyenv", "prefix", full]).strip()) / "bin" / "python")


def main() -> None:
    """Measures, writes the result and the page, and fails if the pinned releases fail."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[], help="another Python, of pyenv")
    parser.add_argument("--table", action="store_true", help="only write the table again")
    arguments = parser.parse_args()
    if arguments.table:
        show()
        return
    rows: list[Row] = []
    for base in (sys.executable, *map(interpreter, arguments.python)):
        rows += rows_of(base)
        pinned = save(rows)
    if problems := failures(pinned):
        raise SystemExit("the pinned releases fail: " + "; ".join(problems))


if __name__ == "__main__":
    main()
