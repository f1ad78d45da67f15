"""The bill of materials, the hashed set and the workflows belong to the package as it is."""

import importlib.util
import json
import re
import tomllib
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

import rnn_infer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads((ROOT / "sbom" / "rnn-infer.cdx.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def make() -> Any:
    spec = importlib.util.spec_from_file_location("make", ROOT / "sbom" / "make.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(path: Path) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def test_bill_is_of_this_version(document: Any) -> None:
    assert document["metadata"]["component"]["version"] == rnn_infer.__version__


def test_bill_lists_every_dependency_as_tested(document: Any, make: Any) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    declared = make.needs(project["dependencies"] + optional["cpu"] + optional["train"])
    (own,) = (each for each in document["dependencies"] if each["ref"] == "rnn-infer")
    assert own["dependsOn"] == declared
    listed = {each["bom-ref"]: each["version"] for each in document["components"]}
    needed = {name for each in document["dependencies"] for name in each["dependsOn"]}
    assert set(listed) == needed
    tested = pins(ROOT / "constraints.txt")
    assert listed == {name: tested[name] for name in listed}, "run: python sbom/make.py"


def test_bill_names_every_licence(document: Any) -> None:
    for each in document["components"]:
        (licence,) = each["licenses"]
        assert re.fullmatch(r"[\w.+-]+( (AND|OR|WITH) [\w.+-]+)*", licence["expression"]), each


def test_unknown_licence_is_an_error(make: Any) -> None:
    class Nameless:
        metadata = Message()

    with pytest.raises(LookupError, match="thing: its licence is unknown"):
        make.licence("thing", Nameless())


def test_hashed_set_is_the_tested_one() -> None:
    path = ROOT / "tests" / "inference.lock"
    tested = pins(ROOT / "constraints.txt")
    locked = pins(path)
    assert {"numpy", "onnxruntime", "click", "protobuf", "pytest"} <= set(locked)
    assert locked == {name: tested[name] for name in locked}
    for block in re.split(r"\n(?=\w)", path.read_text("utf-8"))[1:]:
        assert "--hash=sha256:" in block, block


def test_release_runs_without_a_stored_secret() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    assert "id-token: write" in text
    assert "secrets." not in text
    assert "attestations: true" in text


def test_scanner_of_models_has_no_complaint() -> None:
    path = ROOT / "benchmarks" / "results" / "model_scan.json"
    found = json.loads(path.read_text("utf-8"))
    shipped = sorted(each.name for each in (ROOT / "exported").glob("*.onnx"))
    assert found["files"] == shipped
    assert found["passed"] == found["checks"] > 0
    assert {each["severity"] for each in found["remarks"]} <= {"info"}
