"""The contract: the metadata document, and the names in the graphs of the tiny models."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer import contract
from rnn_infer.contract import (
    CharLMSection,
    ClassifierSection,
    Golden,
    Metadata,
    TextRules,
)
from rnn_infer.modelfile.reader import ModelFile, read_model
from rnn_infer.modelfile.schema import decode, parse_json

NAMES = ("charlm", "charlm.step", "charlm.one", "charlm.three", "wide", "classifier", "gru")


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, data: Path) -> Path:
    return data / f"{request.param}.onnx"


@pytest.fixture
def file(path: Path) -> ModelFile:
    return read_model(path)


def test_document_of_a_file_round_trips(file: ModelFile) -> None:
    document = file.metadata.to_json()
    assert decode(Metadata, parse_json(document), "metadata") == file.metadata
    assert document.encode() in file.data


finite = st.floats(allow_nan=False, allow_infinity=False)
char = st.characters(exclude_categories=["Cs"])
token = st.integers(0, 2**31)
METADATA = st.builds(
    Metadata,
    format_version=st.integers(0, 9),
    kind=st.sampled_from(["charlm", "classifier"]),
    producer=st.text(char),
    text=st.builds(
        TextRules,
        normalization=st.sampled_from(["none", "NFC"]),
        newlines=st.sampled_from(["keep", "lf"]),
        unknown=st.none() | token,
    ),
    vocabulary=st.lists(char, unique=True).map(tuple),
    charlm=st.none() | st.builds(CharLMSection, start=st.text(char)),
    classifier=st.none()
    | st.builds(
        ClassifierSection,
        labels=st.lists(st.text(char)).map(tuple),
        begin=st.text(char),
        end=st.text(char),
        log_prior=st.lists(finite).map(tuple),
    ),
    training=st.dictionaries(st.text(char), st.booleans() | st.text(char) | token | finite),
    proof=st.dictionaries(st.text(char), finite),
    golden=st.builds(
        Golden,
        tokens=st.lists(token).map(tuple),
        logits=st.lists(finite).map(tuple),
        uniform=st.lists(finite).map(tuple),
        generated=st.lists(token).map(tuple),
    ),
)


@given(METADATA)
def test_any_document_round_trips(metadata: Metadata) -> None:
    again = decode(Metadata, parse_json(metadata.to_json()), "metadata")
    assert again == metadata
    assert again.to_json() == metadata.to_json()


def test_document_is_one_ascii_line_in_key_order(file: ModelFile) -> None:
    document = file.metadata.to_json()
    assert document.isascii()
    assert document.isprintable()
    keys = list(json.loads(document))
    assert keys == sorted(keys)


@dataclasses.dataclass(frozen=True)
class Tolerant(Golden):
    """A section with a key that came later."""

    later: float | None = contract.optional(since=2)


@pytest.mark.parametrize(("later", "version"), [(None, 1), (0.5, 2)])
def test_optional_key_raises_the_version(
    file: ModelFile, later: float | None, version: int
) -> None:
    golden = Tolerant(**vars(file.metadata.golden) | {"tolerance": None, "later": later})
    metadata = dataclasses.replace(file.metadata, golden=golden).with_version()
    assert metadata.format_version == version
    written = json.loads(metadata.to_json())
    assert written["golden"].get("later") == later
    assert ("later" in written["golden"]) == (later is not None)
    assert written["classifier" if metadata.charlm else "charlm"] is None  # not optional


def test_document_refuses_nan(file: ModelFile) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dataclasses.replace(file.metadata, proof={"torch": float("nan")}).to_json()


def test_outputs_is_the_number_of_labels_or_characters(data: Path) -> None:
    charlm = read_model(data / "charlm.onnx").metadata
    assert charlm.outputs == len(charlm.vocabulary)
    classifier = read_model(data / "classifier.onnx").metadata
    assert classifier.classifier is not None
    assert classifier.outputs == len(classifier.classifier.labels) == 5


def test_names_of_a_graph_follow_the_contract(path: Path, file: ModelFile) -> None:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = [each.name for each in session.get_inputs()]
    outputs = [each.name for each in session.get_outputs()]
    states = [state.name for state in file.states]
    sampling = list(contract.GENERATION_INPUTS) if file.generates else []
    assert sorted(inputs) == sorted([contract.TOKENS, *states, *sampling])
    drawn = [contract.GENERATED] if file.generates else []
    nexts = [name + contract.NEXT for name in states]
    assert sorted(outputs) == sorted([contract.LOGITS, *nexts, *drawn])


@pytest.mark.parametrize(
    ("name", "states", "generates"),
    [
        ("charlm", {"h0": 12, "c0": 12, "h1": 12, "c1": 12}, True),
        ("charlm.step", {"h0": 12, "c0": 12, "h1": 12, "c1": 12}, False),
        ("charlm.one", {"h0": 12, "c0": 12, "h1": 12, "c1": 12}, True),
        ("charlm.three", {"h0": 12, "c0": 12, "h1": 12, "c1": 12}, True),
        ("wide", {"h0": 8, "c0": 8}, True),
        ("classifier", {"s0": 16, "sum1": 16, "max1": 16, "count1": 1}, False),
        ("gru", {"s0": 16}, False),
    ],
)
def test_states_of_the_tiny_models(
    data: Path, name: str, states: dict[str, int], generates: bool
) -> None:
    file = read_model(data / f"{name}.onnx")
    assert {state.name: state.width for state in file.states} == states
    assert file.generates is generates
    assert file.steps == {"charlm.one": 1, "charlm.three": 3}.get(name)


def test_operators_of_a_file_are_allowed(file: ModelFile) -> None:
    assert file.operators <= contract.OPERATORS
    assert ("Scan" in file.operators) is (file.steps is None)
    assert ("Loop" in file.operators) is (file.generates and file.steps is None)


@pytest.mark.parametrize(
    "operator",
    [
        "RandomUniform",
        "RandomNormalLike",
        "Multinomial",
        "Bernoulli",
        "StringNormalizer",
        "Optional",
    ],
)
def test_operators_that_are_not_allowed(operator: str) -> None:
    assert operator not in contract.OPERATORS


def test_written_versions_can_be_read() -> None:
    assert contract.OPSET in contract.OPSETS
    assert max(contract.OPSETS) < 22  # CUDA's recurrent kernels are for lower opsets


def test_every_key_is_required(file: ModelFile) -> None:
    document: dict[str, Any] = json.loads(file.metadata.to_json())
    assert set(document) == {field.name for field in dataclasses.fields(Metadata)}
