"""A file is good, or it is a `ModelFileError` of one line that names the file."""

import copy
import hashlib
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_infer import CharLM, ModelFileError, contract, load
from rnn_infer.modelfile import read_model
from rnn_infer.onnxproto import model_class
from rnn_infer.sampling import Sampling
from rnn_infer.stepper import Stepper

Edited = Callable[..., Path]
FLOAT, INT32, INT64, STRING, BFLOAT16 = 1, 6, 7, 8, 16


def refusal(path: Path, sha256: str | None = None) -> str:
    """The message with which a file is refused, without its name."""
    with pytest.raises(ModelFileError) as caught:
        Stepper.open(path, device="cpu", sha256=sha256)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    assert len(message) < 1000
    return message.removeprefix(f"{path}: ")


# --- the file as a whole --------------------------------------------------------------


@pytest.mark.parametrize("name", ["charlm", "charlm.step", "wide", "classifier", "gru"])
def test_good_file_passes(data: Path, name: str) -> None:
    path = data / f"{name}.onnx"
    file = read_model(path)
    assert file.path == str(path)
    assert file.data == path.read_bytes()
    assert file.sha256 == hashlib.sha256(file.data).hexdigest()


def test_path_may_be_a_string(data: Path) -> None:
    assert read_model(str(data / "gru.onnx")).metadata.kind == "classifier"


def test_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.onnx") == "no such file"


def test_missing_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none" / "none.onnx") == "no such file"


def test_folder(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.touch()
    assert refusal(path) == "is empty"


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_impossible_name(name: str) -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_model(name)


def test_file_inside_a_file(data: Path) -> None:
    assert "cannot be read" in refusal(data / "charlm.onnx" / "x")


def test_too_large_file(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "MAX_FILE_BYTES", 1000)
    assert "larger than" in refusal(data / "charlm.onnx")


@pytest.mark.parametrize(
    "content",
    [
        b"\0",
        b"\n",
        b"not a model\n",
        b"PK\x03\x04",
        b'{"vocabulary": []}',
        b"\x08\x08",
        random.Random(1).randbytes(1000),
        b"\xff" * 1000,
        b"\x3a\x80\x80\x80\x80\x7f",
    ],
)
def test_bytes_of_something_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    assert refusal(path).startswith("damaged or not an ONNX file: ")


def test_foreign_onnx_file(tmp_path: Path) -> None:
    model = model_class()(ir_version=8)
    model.opset_import.add(domain=b"", version=18)
    model.graph.name = b"sum"
    model.graph.node.add(op_type=b"Add", input=[b"x", b"x"], output=[b"y"])
    for value in (model.graph.input.add(name=b"x"), model.graph.output.add(name=b"y")):
        value.type.tensor_type.elem_type = FLOAT
        value.type.tensor_type.shape.dim.add(dim_value=1)
    path = tmp_path / "foreign.onnx"
    path.write_bytes(model.SerializeToString())
    said = refusal(path)
    assert said.startswith("not a model made by rnn-train: ")
    assert "rnn_model" in said


def test_deeply_nested_message(tmp_path: Path) -> None:
    def field(number: int, body: bytes) -> bytes:
        size, length = len(body), b""
        while size > 127:
            length += bytes([size & 127 | 128])
            size >>= 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + body

    graph = b""
    for _ in range(3000):  # graph > node > attribute > graph > …
        graph = field(1, field(5, field(6, graph)))
    path = tmp_path / "deep.onnx"
    path.write_bytes(b"\x08\x08" + b"\x42\x02\x10\x12" + field(7, graph))
    assert refusal(path).startswith("damaged or not an ONNX file: ")


def test_pinned_hash(data: Path) -> None:
    path = data / "charlm.onnx"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_model(path, sha256=digest).sha256 == digest
    assert read_model(path, sha256=digest.upper()).sha256 == digest
    assert load(path, device="cpu", sha256=digest).metadata.kind == "charlm"


@pytest.mark.parametrize("pin", ["0" * 64, "", "xyz"])
def test_wrong_pinned_hash(data: Path, pin: str) -> None:
    path = data / "charlm.onnx"
    assert hashlib.sha256(path.read_bytes()).hexdigest() in refusal(path, sha256=pin)
    for loader in (load, CharLM.load):
        with pytest.raises(ModelFileError, match="sha256"):
            loader(path, device="cpu", sha256=pin)


# --- the metadata ---------------------------------------------------------------------

DOCUMENT_KEYS = (
    *("format_version", "kind", "producer", "text", "vocabulary"),
    *("charlm", "classifier", "training", "proof", "golden"),
)


@pytest.mark.parametrize("key", DOCUMENT_KEYS)
def test_document_without_a_key(documented: Edited, key: str) -> None:
    said = refusal(documented(lambda it: it.pop(key)))
    assert said.startswith("bad metadata: ")
    assert f"'{key}' is missing" in said


WRONG_VALUES = ("text", True, None, [None], {"x": None})
FITTING = (("producer", "text"), ("classifier", None))


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, it) for key in DOCUMENT_KEYS for it in WRONG_VALUES if (key, it) not in FITTING],
)
def test_document_with_a_wrong_type(documented: Edited, key: str, value: Any) -> None:
    assert refusal(documented(lambda it: it.update({key: value}))).startswith("bad metadata: ")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("more", 1, "unknown key 'more'"),
        ("format_version", 0, "format_version"),
        ("format_version", -1, "format_version"),
        ("kind", "tagger", "metadata.kind"),
        ("kind", "classifier", "section of its kind"),
        ("charlm", None, "section of its kind"),
        (
            "classifier",
            {"labels": ["x"], "begin": "", "end": "", "log_prior": [0]},
            "section of its kind",
        ),
        ("vocabulary", [], "vocabulary is empty"),
        ("vocabulary.0", "ab", "one Unicode character"),
        ("vocabulary.0", "", "one Unicode character"),
        ("vocabulary.0", "\ud800", "metadata.vocabulary[0]: half a surrogate pair"),
        ("charlm.start", "\n\udfff", "metadata.charlm.start: half a surrogate pair"),
        ("producer", "\ud800", "metadata.producer: half a surrogate pair"),
        ("training", {"\ud800": 1}, "metadata.training: half a surrogate pair"),
        ("vocabulary.2", "\n", "vocabulary repeats"),
        ("vocabulary.0", 10, "metadata.vocabulary[0]"),
        ("text.unknown", -1, "text.unknown"),
        ("text.unknown", 46, "text.unknown"),
        ("text.unknown", True, "text.unknown"),
        ("text.unknown", "\n", "text.unknown"),
        ("text.normalization", "NFKC", "text.normalization"),
        ("text.newlines", "crlf", "text.newlines"),
        ("text.more", 1, "unknown key 'more'"),
        ("charlm.start", "", "charlm.start is empty"),
        ("charlm.start", "\nZ", "charlm.start is not in"),
        ("golden.tokens", [], "golden.tokens is empty"),
        ("golden.tokens.0", 46, "golden tokens"),
        ("golden.tokens.0", -1, "golden tokens"),
        ("golden.tokens.0", True, "golden.tokens[0]"),
        ("golden.generated.0", 46, "golden tokens"),
        ("golden.generated.0", -1, "golden tokens"),
        ("golden.logits", [0.0], "golden.logits"),
        ("golden.uniform", [0.5], "one token a uniform"),
        ("golden.uniform.0", 1.0, "golden.uniform"),
        ("golden.uniform.0", -0.1, "golden.uniform"),
        ("golden.uniform.0", "0.1", "golden.uniform[0]"),
        ("training", {"loss": None}, "metadata.training.loss"),
        ("training", {"loss": [1]}, "metadata.training.loss"),
        ("training", {"a\nb": [1]}, "metadata.training"),
        ("training", {"x" * 5000: [1]}, "metadata.training"),
        ("proof", {"torch": "small"}, "metadata.proof.torch"),
        ("proof", {"torch": True}, "metadata.proof.torch"),
    ],
)
def test_document_rule(documented: Edited, place: str, value: Any, said: str) -> None:
    message = refusal(documented(lambda it: put(it, place, value)))
    assert message.startswith("bad metadata: ")
    assert said in message


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("classifier.labels", [], "labels are missing"),
        ("classifier.labels", list("abcdd"), "labels repeat"),
        ("classifier.labels", list("abcdef"), "one log_prior a label"),
        ("classifier.labels.0", 1, "metadata.classifier.labels[0]"),
        ("classifier.log_prior", [0.0] * 4, "one log_prior a label"),
        ("classifier.begin", "Ω", "begin and end"),
        ("classifier.end", "Ω", "begin and end"),
        ("classifier.end", None, "metadata.classifier.end"),
        ("charlm", {"start": "\n"}, "section of its kind"),
        ("golden.logits", [0.0] * 6, "golden.logits"),
    ],
)
def test_document_rule_of_a_classifier(
    documented: Edited, place: str, value: Any, said: str
) -> None:
    message = refusal(documented(lambda it: put(it, place, value), of="classifier"))
    assert message.startswith("bad metadata: ")
    assert said in message


def put(document: Any, place: str, value: Any) -> None:
    *path, last = (int(each) if each.isdecimal() else each for each in place.split("."))
    for key in path:
        document = document[key]
    document[last] = value


def test_start_that_the_text_rules_would_change(documented: Edited) -> None:
    """It would be looked up as another text, which the vocabulary may lack."""

    def change(document: Any) -> None:
        assert document["text"]["newlines"] == "lf"
        document["vocabulary"][0] = document["charlm"]["start"] = "\r"

    assert "charlm.start is none of the texts" in refusal(documented(change))


@pytest.mark.parametrize("mark", ["begin", "end"])
def test_mark_that_the_text_rules_would_change(documented: Edited, mark: str) -> None:
    def change(document: Any) -> None:
        assert document["text"]["normalization"] == "NFC"
        document["vocabulary"][5:7] = ["e", "\u0301"]
        document["vocabulary"][document["vocabulary"].index("e", 7)] = "€"
        document["classifier"][mark] = "e\u0301"

    said = refusal(documented(change, of="classifier"))
    assert "begin and end must be as the text rules give them" in said


@pytest.mark.parametrize("limit", ["MAX_VOCABULARY", "MAX_METADATA_BYTES"])
def test_document_over_a_limit(data: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(contract, limit, 10)
    assert refusal(data / "charlm.onnx")


def test_too_many_labels(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "MAX_LABELS", 4)
    assert "labels are missing or too many" in refusal(data / "classifier.onnx")


@pytest.mark.parametrize("version", [2, 10**6])
def test_newer_format_says_upgrade(documented: Edited, version: int) -> None:
    def renew(document: dict[str, Any]) -> None:
        document.clear()
        document.update(format_version=version, shape="unheard of")

    said = refusal(documented(renew))
    assert f"format version {version} is newer" in said
    assert "upgrade" in said


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"kind": "charlm", "kind": "charlm"}',
        b'{"proof": {"torch": NaN}}',
        b"[" * 100_000,
        b'{"format_version": ' + b"1" * 5000 + b"}",
        b'{"format_version": 1e999}',
    ],
)
def test_document_that_is_none(edited: Edited, document: bytes) -> None:
    def replace(model: Any) -> None:
        model.metadata_props[0].value = document

    assert "metadata" in refusal(edited(replace))


def test_every_depth_of_nesting_in_the_document(documented: Edited) -> None:
    """Near the interpreter's limit a value parses, and is too deep to be shown or compared."""
    for depth in range(900, 1000, 3):
        nested: Any = []
        for _ in range(depth):
            nested = [nested]
        try:
            path = documented(lambda it, value=nested: it.update(kind=value))
        except RecursionError:  # json.dumps itself
            return
        assert "metadata" in refusal(path)


def test_no_document(edited: Edited) -> None:
    assert "no 'rnn_model' metadata" in refusal(edited(lambda it: it.ClearField("metadata_props")))


def test_document_under_another_key(edited: Edited) -> None:
    def rename(model: Any) -> None:
        model.metadata_props[0].key = b"model"

    assert "no 'rnn_model' metadata" in refusal(edited(rename))


def test_second_document(edited: Edited) -> None:
    def double(model: Any) -> None:
        model.metadata_props.append(model.metadata_props[0])

    assert "metadata beside" in refusal(edited(double))


def test_other_metadata(edited: Edited) -> None:
    assert "metadata beside" in refusal(
        edited(lambda it: it.metadata_props.add(key=b"author", value=b"x"))
    )


# --- the header -----------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 7, 11, 2**40])
def test_ir_version_out_of_range(edited: Edited, version: int) -> None:
    assert "IR version" in refusal(edited(lambda it: setattr(it, "ir_version", version)))


@pytest.mark.parametrize("version", [-1, 0, 16, 22, 2**40])
def test_opset_out_of_range(edited: Edited, version: int) -> None:
    said = refusal(edited(lambda it: setattr(it.opset_import[0], "version", version)))
    assert f"opset {version} is outside" in said


@pytest.mark.parametrize(
    ("domain", "version"), [(b"ai.onnx.ml", 3), (b"com.microsoft", 2), (b"my.ops", 1)]
)
def test_other_operator_domain(edited: Edited, domain: bytes, version: int) -> None:
    said = refusal(edited(lambda it: it.opset_import.add(domain=domain, version=version)))
    assert f"operator domain '{domain.decode()}'" in said


def test_domain_twice(edited: Edited) -> None:
    said = refusal(edited(lambda it: it.opset_import.add(domain=b"", version=18)))
    assert "stands twice" in said


def test_no_standard_domain(edited: Edited) -> None:
    def change(model: Any) -> None:
        model.opset_import[0].domain, model.opset_import[0].version = b"com.microsoft", 1

    assert "operator domain 'com.microsoft'" in refusal(edited(change))


@pytest.mark.parametrize("field", ["graph", "opset_import"])
def test_header_without(edited: Edited, field: str) -> None:
    assert "it holds no graph" in refusal(edited(lambda it: it.ClearField(field)))


# --- what a file must not hold --------------------------------------------------------

STRANGER = b"\x0a\x01x"
"""Field 1 with one letter in it: the body of many a message."""


def unknown_field(number: int) -> bytes:
    """A field of that number, as bytes of a message."""
    key = number << 3 | 2
    head = bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])
    return head + bytes([len(STRANGER)]) + STRANGER


@pytest.mark.parametrize(
    ("find", "number"),
    [
        pytest.param(lambda it: it, 25, id="functions"),
        pytest.param(lambda it: it, 20, id="training_info"),
        pytest.param(lambda it: it, 26, id="configuration"),
        pytest.param(lambda it: it.opset_import[0], 9, id="opset"),
        pytest.param(lambda it: it.graph, 15, id="sparse_initializer"),
        pytest.param(lambda it: it.graph, 14, id="quantization_annotation"),
        pytest.param(lambda it: it.graph.node[0], 8, id="overload"),
        pytest.param(lambda it: with_attribute(it.graph).attribute[0], 11, id="graphs"),
        pytest.param(lambda it: with_attribute(it.graph).attribute[0], 10, id="tensors"),
        pytest.param(lambda it: with_attribute(it.graph).attribute[0], 21, id="ref_attr_name"),
        pytest.param(lambda it: it.graph.initializer[0], 3, id="segment"),
        pytest.param(lambda it: it.graph.input[0], 4, id="value metadata"),
        pytest.param(lambda it: it.graph.input[0].type, 4, id="sequence_type"),
        pytest.param(lambda it: it.graph.input[0].type, 9, id="optional_type"),
        pytest.param(lambda it: typed(it, "tokens"), 3, id="in a tensor type"),
        pytest.param(lambda it: typed(it, "tokens").shape, 2, id="in a shape"),
        pytest.param(lambda it: typed(it, "tokens").shape.dim[0], 4, id="in a dimension"),
        pytest.param(lambda it: body_of(it, "Loop"), 15, id="in a loop"),
        pytest.param(lambda it: body_of(it, "Scan").node[0], 8, id="in a scan"),
    ],
)
def test_field_the_format_does_not_know(
    edited: Edited, find: Callable[[Any], Any], number: int
) -> None:
    said = refusal(edited(lambda it: find(it).MergeFromString(unknown_field(number))))
    assert "holds fields the format does not know" in said


def body_of(model: Any, op: str) -> Any:
    """The subgraph of the first node of that kind."""
    node = next(node for node in model.graph.node if node.op_type == op.encode())
    return next(each.g for each in node.attribute if each.HasField("g"))


def with_attribute(graph: Any) -> Any:
    """The first node that has one."""
    return next(node for node in graph.node if node.attribute)


def everywhere(model: Any) -> dict[str, Any]:
    """The graphs a rule has to reach."""
    return {"main": model.graph, "loop": body_of(model, "Loop"), "scan": body_of(model, "Scan")}


@pytest.mark.parametrize("place", ["main", "loop", "scan"])
@pytest.mark.parametrize(
    ("domain", "op"),
    [
        ("", "RandomUniform"),
        ("", "Multinomial"),
        ("", "MatMulNBits"),
        ("", "loop"),
        ("", ""),
        ("ai.onnx", "Add"),
        ("com.microsoft", "Add"),
        ("com.microsoft", "BeamSearch"),
        ("ai.onnx.ml", "TreeEnsemble"),
        ("", "x" * 5000),
    ],
)
def test_operator_off_the_list(edited: Edited, place: str, domain: str, op: str) -> None:
    def change(model: Any) -> None:
        node = everywhere(model)[place].node[0]
        node.op_type, node.domain = op.encode(), domain.encode()

    said = refusal(edited(change))
    assert "is not on the allow-list" in said
    assert op[:20] in said


@pytest.mark.parametrize("place", ["main", "loop"])
def test_operator_name_that_is_no_text(edited: Edited, place: str) -> None:
    def change(model: Any) -> None:
        everywhere(model)[place].node[0].op_type = b"\xff"

    assert "not UTF-8" in refusal(edited(change))


@pytest.mark.parametrize(
    ("find", "field"),
    [
        pytest.param(lambda it: it, "producer_name", id="producer"),
        pytest.param(lambda it: it, "doc_string", id="text of the model"),
        pytest.param(lambda it: it.graph, "name", id="graph"),
        pytest.param(lambda it: it.graph.node[0], "name", id="node"),
        pytest.param(lambda it: it.graph.node[0], "doc_string", id="text of a node"),
        pytest.param(lambda it: with_attribute(it.graph).attribute[0], "name", id="attribute"),
        pytest.param(lambda it: it.graph.initializer[0], "doc_string", id="text of a tensor"),
        pytest.param(lambda it: it.graph.input[0], "doc_string", id="text of an input"),
        pytest.param(lambda it: typed(it, "tokens").shape.dim[0], "dim_param", id="dimension"),
        pytest.param(lambda it: body_of(it, "Loop").node[0], "name", id="in a loop"),
    ],
)
def test_name_that_is_no_text(edited: Edited, find: Callable[[Any], Any], field: str) -> None:
    """The runtime would choke on it, and say so on standard output."""
    said = refusal(edited(lambda it: setattr(find(it), field, b"a\xff")))
    assert said.startswith(f"damaged or not an ONNX file: {field} of ")
    assert said.endswith("is not UTF-8")


@pytest.mark.parametrize("field", ["input", "output"])
def test_value_name_that_is_no_text(edited: Edited, field: str) -> None:
    said = refusal(edited(lambda it: getattr(it.graph.node[0], field).append(b"\xff")))
    assert said.endswith("is not UTF-8")


def test_cycle_of_names_that_are_no_text(edited: Edited) -> None:
    def change(model: Any) -> None:
        model.graph.node.add(op_type=b"Neg", input=[b"\xff"], output=[b"\xff"])

    assert refusal(edited(change)).endswith("is not UTF-8")


def test_graphs_nested_too_deeply(edited: Edited) -> None:
    def nest(model: Any) -> None:
        graph = model.graph
        for _ in range(contract.MAX_NESTING):
            node = graph.node.add(op_type=b"If", input=[b"c"])
            graph = node.attribute.add(name=b"then_branch", type=5).g
            graph.name = b"branch"

    assert "nested too deeply" in refusal(edited(nest))


def test_subgraph_where_none_belongs(edited: Edited) -> None:
    def nest(model: Any) -> None:
        model.graph.node[0].attribute.add(name=b"body", type=5).g.name = b"hidden"

    assert "carries a subgraph" in refusal(edited(nest))


def test_too_many_nodes(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = len(model_class().FromString((data / "charlm.onnx").read_bytes()).graph.node)
    monkeypatch.setattr(contract, "MAX_NODES", main + 3)  # only with the subgraphs too many
    assert "too many nodes" in refusal(data / "charlm.onnx")


@pytest.mark.parametrize("kind", [0, 9, 10, 11, 13, 99, -1])
def test_attribute_type(edited: Edited, kind: int) -> None:
    def change(model: Any) -> None:
        with_attribute(model.graph).attribute[0].type = kind

    assert f"has type {kind}" in refusal(edited(change))


# --- tensors --------------------------------------------------------------------------


def attribute_tensor(graph: Any) -> Any:
    """The tensor of a Constant added to a graph."""
    node = graph.node.add(op_type=b"Constant", output=[b"added_constant"])
    tensor = node.attribute.add(name=b"value", type=4).t
    tensor.data_type, tensor.raw_data = FLOAT, b"\0" * 4
    return tensor


TENSORS: dict[str, Callable[[Any], Any]] = {
    "initializer": lambda it: it.graph.initializer[0],
    "attribute": lambda it: attribute_tensor(it.graph),
    "loop": lambda it: attribute_tensor(body_of(it, "Loop")),
    "scan initializer": lambda it: body_of(it, "Scan").initializer.add(
        name=b"w", data_type=FLOAT, raw_data=b"\0" * 4
    ),
}


@pytest.fixture(params=sorted(TENSORS))
def tensor_edited(
    request: pytest.FixtureRequest, edited: Edited
) -> Callable[[Callable[[Any], object]], Path]:
    find = TENSORS[request.param]
    return lambda edit: edited(lambda it: edit(find(it)))


def test_external_data(tensor_edited: Edited) -> None:
    def move(tensor: Any) -> None:
        tensor.external_data.add(key=b"location", value=b"/etc/passwd")
        tensor.data_location = 1
        tensor.ClearField("raw_data")

    assert "keeps its data in another file" in refusal(tensor_edited(move))


def test_external_location_alone(tensor_edited: Edited) -> None:
    said = refusal(tensor_edited(lambda it: setattr(it, "data_location", 1)))
    assert "keeps its data in another file" in said


def test_external_entry_alone(tensor_edited: Edited) -> None:
    said = refusal(tensor_edited(lambda it: it.external_data.add(key=b"offset", value=b"0")))
    assert "keeps its data in another file" in said


@pytest.mark.parametrize("kind", [0, STRING, BFLOAT16, 99, -1])
def test_element_type(tensor_edited: Edited, kind: int) -> None:
    said = refusal(tensor_edited(lambda it: setattr(it, "data_type", kind)))
    assert f"element type {kind}" in said


@pytest.mark.parametrize("raw", [b"", b"\0", b"\0" * 3, b"\0" * 5, b"\0" * 80_000])
def test_payload_of_another_size(tensor_edited: Edited, raw: bytes) -> None:
    said = refusal(tensor_edited(lambda it: setattr(it, "raw_data", raw)))
    assert "elements where its shape says" in said


def test_payload_in_the_wrong_field(tensor_edited: Edited) -> None:
    def move(tensor: Any) -> None:
        tensor.ClearField("raw_data")
        del tensor.dims[:]
        tensor.data_type = FLOAT
        tensor.int64_data.append(1)

    assert "holds 0 elements where its shape says 1" in refusal(tensor_edited(move))


@pytest.mark.parametrize(
    ("dims", "said"),
    [
        ([-1], "impossible shape"),
        ([2, -1], "impossible shape"),
        ([2**40], "impossible shape"),
        ([2**63 - 1], "impossible shape"),
        ([-(2**63)], "impossible shape"),
        ([2**20, 2**20, 2**24], "elements where its shape says"),
        ([2**29, 2**29, 2**29, 2**29], "elements where its shape says"),
        ([0, 2**29], "elements where its shape says 0"),
        ([7], "elements where its shape says 7"),
    ],
)
def test_shape_that_does_not_fit(tensor_edited: Edited, dims: list[int], said: str) -> None:
    def reshape(tensor: Any) -> None:
        del tensor.dims[:]
        tensor.dims.extend(dims)

    assert said in refusal(tensor_edited(reshape))


# --- names ----------------------------------------------------------------------------


def duplicate_input(graph: Any) -> None:
    graph.input.append(graph.input[0])


def duplicate_output(graph: Any) -> None:
    graph.output.append(graph.output[0])


def duplicate_initializer(graph: Any) -> None:
    graph.initializer.append(graph.initializer[0])


def initializer_named_as_an_input(graph: Any) -> None:
    graph.initializer[0].name = graph.input[0].name


def value_computed_twice(graph: Any) -> None:
    graph.node.append(graph.node[0])


def value_named_as_an_input(graph: Any) -> None:
    graph.node.add(op_type=b"Identity", input=[b"tokens"], output=[b"h0"])


def value_named_as_an_initializer(graph: Any) -> None:
    graph.node.add(op_type=b"Identity", input=[b"h0"], output=[graph.initializer[0].name])


def value_of_its_own_node(graph: Any) -> None:
    graph.node.add(op_type=b"Add", input=[b"h0", b"loop"], output=[b"loop"])


def nodes_in_reverse(graph: Any) -> None:
    nodes = [copy.deepcopy(node) for node in graph.node]
    del graph.node[:]
    graph.node.extend(reversed(nodes))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (duplicate_input, "stands twice"),
        (duplicate_output, "stands twice"),
        (duplicate_initializer, "stands twice"),
        (initializer_named_as_an_input, "stands twice"),
        (value_computed_twice, "computed twice"),
        (value_named_as_an_input, "computed twice"),
        (value_named_as_an_initializer, "computed twice"),
        (value_of_its_own_node, "used before it is computed"),
        (nodes_in_reverse, "used before it is computed"),
    ],
)
def test_names(edited: Edited, edit: Callable[[Any], None], said: str) -> None:
    assert said in refusal(edited(lambda it: edit(it.graph)))


@pytest.mark.parametrize("op", ["Loop", "Scan"])
@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (duplicate_input, "stands twice"),
        (value_computed_twice, "computed twice"),
        (nodes_in_reverse, "used before it is computed"),
    ],
)
def test_names_inside(edited: Edited, op: str, edit: Callable[[Any], None], said: str) -> None:
    assert said in refusal(edited(lambda it: edit(body_of(it, op))))


# --- inputs and outputs ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tokens", "input 'tokens' is missing"),
        ("uniform", "input 'uniform' is missing"),
        ("temperature", "input 'temperature' is missing"),
        ("top_k", "input 'top_k' is missing"),
        ("top_p", "input 'top_p' is missing"),
        ("h0", "output 'h0_next' is not in the format"),
    ],
)
def test_missing_input(edited: Edited, name: str, said: str) -> None:
    assert said in refusal(edited(lambda it: drop(it.graph.input, name)))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("logits", "output 'logits' is missing"),
        ("generated", "input 'temperature' is not in the format"),
        ("c1_next", "input 'c1' is not in the format"),
    ],
)
def test_missing_output(edited: Edited, name: str, said: str) -> None:
    assert said in refusal(edited(lambda it: drop(it.graph.output, name)))


def drop(values: Any, name: str) -> None:
    (index,) = (i for i, value in enumerate(values) if value.name == name.encode())
    del values[index]


@pytest.mark.parametrize("side", ["input", "output"])
def test_value_beside_the_format(edited: Edited, side: str) -> None:
    def add(model: Any) -> None:
        values = getattr(model.graph, side)
        values.append(values[0])
        values[-1].name = b"mask"

    assert f"{side} 'mask' is not in the format" in refusal(edited(add))


def typed(model: Any, name: str) -> Any:
    """The tensor type of an input or output."""
    values = (*model.graph.input, *model.graph.output)
    return next(value for value in values if value.name == name.encode()).type.tensor_type


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tokens", INT32),
        ("tokens", FLOAT),
        ("uniform", 11),
        ("temperature", INT64),
        ("top_k", FLOAT),
        ("top_p", 10),
        ("h0", INT64),
        ("h0_next", 11),
        ("logits", 10),
        ("logits", 0),
        ("generated", INT32),
    ],
)
def test_element_type_of_a_value(edited: Edited, name: str, kind: int) -> None:
    said = refusal(edited(lambda it: setattr(typed(it, name), "elem_type", kind)))
    assert said.startswith(f"'{name}' is ")


@pytest.mark.parametrize(
    ("name", "dims"),
    [
        ("tokens", [None]),
        ("tokens", [None, None, None]),
        ("tokens", [1, None]),
        ("tokens", [None, 16]),
        ("uniform", [None, 8]),
        ("temperature", []),
        ("top_k", [1]),
        ("top_p", [None, None]),
        ("h0", [1, 12]),
        ("h0", [None, 13]),
        ("h0", [None, None, 12]),
        ("h0_next", [None, 13]),
        ("logits", [None, None, 45]),
        ("logits", [None, 46]),
        ("logits", [None, None, None]),
        ("generated", [None, 1]),
        ("generated", [None]),
    ],
)
def test_shape_of_a_value(edited: Edited, name: str, dims: list[int | None]) -> None:
    assert refusal(edited(lambda it: reshape(it, name, dims))).startswith(f"'{name}")


@pytest.mark.parametrize("dims", [[], [None, None], [None, 0], [None, -1], [None, 2**16 + 1]])
def test_state_without_a_fixed_width(edited: Edited, dims: list[int | None]) -> None:
    assert "state 'h0' has no fixed width" in refusal(edited(lambda it: reshape(it, "h0", dims)))


def reshape(model: Any, name: str, dims: list[int | None]) -> None:
    shape = typed(model, name).shape
    del shape.dim[:]
    for dim in dims:
        shape.dim.add(dim_value=dim) if dim is not None else shape.dim.add(dim_param=b"n")


@pytest.mark.parametrize("field", ["type", "tensor_type", "shape"])
def test_value_of_unknown_rank(edited: Edited, field: str) -> None:
    def clear(model: Any) -> None:
        value = model.graph.input[0]
        owner = {"type": value, "tensor_type": value.type, "shape": value.type.tensor_type}[field]
        owner.ClearField(field)

    assert "no tensor of known rank" in refusal(edited(clear))


def test_label_added_without_a_weight(documented: Edited) -> None:
    def add(document: Any) -> None:
        document["classifier"]["labels"].append("Turkish")
        document["classifier"]["log_prior"].append(-1.0)
        document["golden"]["logits"].append(0.0)

    said = refusal(documented(add, of="classifier"))
    assert "'logits' is float32 [?, ?, 5], not float32 [?, ?, 6]" in said


def test_classifier_that_draws(edited: Edited) -> None:
    def disguise(model: Any) -> None:
        document = json.loads(model.metadata_props[0].value)
        labels = [f"label {i}" for i, _ in enumerate(document["vocabulary"])]
        document["kind"], document["charlm"] = "classifier", None
        document["classifier"] = {
            "labels": labels,
            "begin": "",
            "end": "",
            "log_prior": [0.0] * len(labels),
        }
        model.metadata_props[0].value = json.dumps(document).encode()

    assert "a classifier cannot have generation inputs" in refusal(edited(disguise))


def test_recorded_draws_go_with_drawing(documented: Edited) -> None:
    def record(document: Any) -> None:
        document["golden"].update(uniform=[0.5], generated=[1])

    def forget(document: Any) -> None:
        document["golden"].update(uniform=[], generated=[])

    assert "golden.generated" in refusal(documented(record, of="charlm.step"))
    assert "golden.generated" in refusal(documented(record, of="classifier"))
    assert "golden.generated" in refusal(documented(forget, of="charlm"))


# --- what only onnxruntime sees -------------------------------------------------------


def weight_removed(model: Any) -> None:
    del model.graph.initializer[0]


def attribute_unheard_of(model: Any) -> None:
    model.graph.node[0].attribute.add(name=b"colour", type=2, i=3)


def operator_exchanged(model: Any) -> None:
    next(node for node in model.graph.node if node.op_type == b"Gather").op_type = b"Gemm"


@pytest.mark.parametrize("edit", [weight_removed, attribute_unheard_of, operator_exchanged])
def test_graph_the_runtime_refuses(edited: Edited, edit: Callable[[Any], None]) -> None:
    assert refusal(edited(edit)).startswith("onnxruntime refuses the graph: ")


def test_graph_that_fails_when_it_runs(edited: Edited) -> None:
    """Each node fits its neighbours, but a table has fewer rows than there are characters."""

    def shorten(model: Any) -> None:
        table = next(each for each in model.graph.initializer if each.name == b"input_table")
        table.dims[0] = 1
        table.raw_data = table.raw_data[: 4 * table.dims[1]]

    path = edited(shorten)
    with pytest.raises(ModelFileError) as caught:
        run(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


# --- anything at all ------------------------------------------------------------------


def run(path: Path) -> None:
    """Opens a file, steps it, and draws from it."""
    stepper = Stepper.open(path, device="cpu")
    outputs = stepper.file.metadata.outputs
    tokens = np.array([[0, 1, 2], [2, 1, 0]])
    logits, state = stepper.forward(tokens, stepper.zeros(2))
    assert logits.shape == (2, 3, outputs)
    assert [each.shape for each in state] == [(2, each.width) for each in stepper.file.states]
    if stepper.file.metadata.kind == "charlm":
        uniform = np.full((2, 3), 0.5, np.float32)
        drawn, _ = stepper.draw(tokens, state, uniform, Sampling(top_k=3, top_p=0.9))
        assert drawn.shape == (2, 3)
        assert ((drawn >= 0) & (drawn < outputs)).all()


def damage(data: bytes, chance: random.Random) -> bytes:
    """A copy with bits turned, bytes lost, doubled or put in."""
    damaged = bytearray(data)
    at = chance.randrange(len(damaged))
    match chance.randrange(6):
        case 0 | 1:
            damaged[at] ^= 1 << chance.randrange(8)
        case 2:
            for _ in range(chance.randrange(2, 40)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        case 3:
            del damaged[at:]
        case 4:
            del damaged[at : at + chance.randrange(1, 200)]
        case 5:
            damaged[at:at] = damaged[at : at + chance.randrange(1, 200)]
    return bytes(damaged)


def outcome(path: Path) -> str:
    """Whether a file runs; anything but a proper refusal is an error."""
    try:
        run(path)
    except ModelFileError as error:
        assert str(error).startswith(str(path))
        assert len(str(error).splitlines()) == 1
        return "refused"
    return "runs"


@pytest.mark.parametrize("name", ["charlm", "charlm.step", "classifier"])
def test_damaged_files_run_or_are_refused(data: Path, tmp_path: Path, name: str) -> None:
    good = (data / f"{name}.onnx").read_bytes()
    path = tmp_path / "damaged.onnx"
    outcomes = []
    for seed in range(100):
        path.write_bytes(damage(good, random.Random(seed)))
        try:
            outcomes.append(outcome(path))
        except Exception as error:
            pytest.fail(f"damage {seed}: {type(error).__name__}: {error}")
    assert {"runs", "refused"} == set(outcomes)


def test_damaged_numbers_of_the_graph_run_or_are_refused(edited: Edited) -> None:
    """Turned bits in the small integers that hold shapes and axes: they parse whatever they say."""
    for seed in range(60):
        chance = random.Random(seed)

        def turn(model: Any, chance: random.Random = chance) -> None:
            tensors = [each for each in model.graph.initializer if each.data_type == INT64]
            tensor = chance.choice(tensors)
            raw = bytearray(tensor.raw_data)
            raw[8 * chance.randrange(len(raw) // 8)] ^= 1 << chance.randrange(3)
            tensor.raw_data = bytes(raw)

        try:
            outcome(edited(turn))
        except Exception as error:
            pytest.fail(f"damage {seed}: {type(error).__name__}: {error}")


@pytest.mark.parametrize("size", [1, 2, 10, 100, 1000, 5000, 10_000, 20_000, -1000, -100, -10, -1])
def test_truncated_file_is_refused(data: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "short.onnx"
    path.write_bytes((data / "charlm.onnx").read_bytes()[:size])
    assert refusal(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_no_regular_file(tmp_path: Path) -> None:
    """A pipe would keep the reader waiting; a device has no end."""
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (tmp_path / "pipe.onnx", Path("/dev/zero")):
        assert "no regular file" in refusal(path)


@pytest.mark.parametrize("key", ["tokens", "uniform"])
def test_recorded_run_is_bounded(documented: Edited, key: str) -> None:
    def change(document: Any) -> None:
        document["golden"][key] = document["golden"][key] * 200
        document["golden"]["generated"] = document["golden"]["generated"] * 200

    assert "too long" in refusal(documented(change))


def test_names_of_the_file_cannot_break_the_line(edited: Edited) -> None:
    def change(model: Any) -> None:
        model.graph.node[0].op_type = b"Sc\n\x1b[31m+"

    said = refusal(edited(change))
    assert "\n" not in said
    assert "\x1b" not in said
