"""Write the software bill of materials of the package: `python sbom/make.py`.

The file is CycloneDX 1.6 (ECMA-424). It lists what `pip install rnn-infer[cpu,train]` brings, with
the versions that the tests ran with and each licence. The wheel carries it (PEP 770).
"""

import json
import re
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
FILE = ROOT / "sbom" / "rnn-infer.cdx.json"
EXTRAS = ("cpu", "train")
# Licences of distributions that name none in a form that a program can read.
_BY_HAND = {
    "fonttools": "MIT",
    "protobuf": "BSD-3-Clause",
    "tqdm": "MPL-2.0 AND MIT",
    "tzdata": "Apache-2.0",
}
_CLASSIFIERS = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def canonical(name: str) -> str:
    """Return a distribution's name in its one spelling (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(requirements: list[str], extras: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the requirements that hold on this machine, with these extras."""
    found = set()
    for each in map(Requirement, requirements):
        environments = [{"extra": extra} for extra in ("", *extras)]
        if each.marker is None or any(map(each.marker.evaluate, environments)):
            found.add(canonical(each.name))
    return sorted(found)


def licence(name: str, found: Distribution) -> str:
    """Return the SPDX expression of a distribution's licence.

    Raises:
        LookupError: its metadata names none that is known here.
    """
    metadata = found.metadata
    if expression := metadata.get_all("License-Expression"):
        return str(expression[0])
    for line in metadata.get_all("Classifier") or ():
        if (short := _CLASSIFIERS.get(line.rpartition(" :: ")[2])) and "License ::" in line:
            return short
    if name in _BY_HAND:
        return _BY_HAND[name]
    raise LookupError(f"{name}: its licence is unknown; look it up and add it to _BY_HAND")


def build() -> dict[str, Any]:
    """Return the document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    source = (ROOT / "rnn_infer" / "__init__.py").read_text("utf-8")
    version = re.findall(r'__version__ = "(.+)"', source)[0]
    optional = project["optional-dependencies"]
    direct = needs(project["dependencies"] + [each for key in EXTRAS for each in optional[key]])
    graph, waiting = {"rnn-infer": direct}, list(direct)
    while waiting:
        name = waiting.pop()
        if name not in graph:
            graph[name] = needs(distribution(name).requires or [])
            waiting += graph[name]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": "rnn-infer",
                "name": "rnn-infer",
                "version": version,
                "licenses": [{"expression": project["license"]}],
                "purl": f"pkg:pypi/rnn-infer@{version}",
            }
        },
        "components": [_component(name) for name in sorted(graph) if name != "rnn-infer"],
        "dependencies": [{"ref": name, "dependsOn": graph[name]} for name in sorted(graph)],
    }


def _component(name: str) -> dict[str, Any]:
    found = distribution(name)
    version = found.version.partition("+")[0]
    return {
        "type": "library",
        "bom-ref": name,
        "name": name,
        "version": version,
        "licenses": [{"expression": licence(name, found)}],
        "purl": f"pkg:pypi/{name}@{version}",
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(), indent=1) + "\n", encoding="utf-8")
