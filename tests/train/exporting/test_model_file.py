"""Exported files against the contract and against torch."""

import itertools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import rnn_infer
from rnn_infer import contract
from rnn_infer.runtime.stepper import Stepper
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.exporting.proof import TOLERANCE
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.training_session import TrainingReport

VOCABULARY = tuple("\n abcdefghi")
LABELS = ("no", "perhaps", "yes")
Refused = Callable[[nn.Module, ModelCard, str], None]
ROOT = Path(rnn_infer.__file__).parents[1]


def char_lstm(**shape: Any) -> CharLSTM:
    chosen = {"vocabulary": len(VOCABULARY), "embedding": 5, "hidden": 7, "layers": 1} | shape
    return CharLSTM(CharLSTMConfig(**chosen))


def classifier(**shape: Any) -> RecurrentClassifier:
    chosen: dict[str, Any] = {"vocabulary": len(VOCABULARY), "labels": len(LABELS)}
    chosen |= {"embedding": 5, "hidden": 6, "pool": False} | shape
    return RecurrentClassifier(ClassifierConfig(**chosen))


def lm_card(**facts: Any) -> ModelCard:
    return ModelCard(**{"vocabulary": VOCABULARY, "unknown": None} | facts)


def classifier_card(**facts: Any) -> ModelCard:
    chosen: dict[str, Any] = {"vocabulary": VOCABULARY, "unknown": 3, "normalization": "NFC"}
    chosen |= {"labels": LABELS, "begin": "\n", "end": " ", "log_prior": (-1.0, -1.1, -1.2)}
    return ModelCard(**chosen | facts)


def graphs(graph: onnx.GraphProto) -> list[onnx.GraphProto]:
    """A graph and all graphs within it."""
    found = [graph]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found += graphs(attribute.g)
    return found


def initializers(path: Path) -> set[str]:
    return {each.name for each in onnx.load(path).graph.initializer}


def torch_logits(model: nn.Module, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    with torch.inference_mode():
        logits, _ = model(torch.from_numpy(tokens), model.zeros(len(tokens)))  # type: ignore[operator]
    return np.asarray(logits.numpy())


def some_tokens(batch: int, time: int) -> NDArray[np.int64]:
    return np.random.default_rng(5).integers(len(VOCABULARY), size=(batch, time))


# --- every shape of model -------------------------------------------------------------


@dataclass(frozen=True)
class Exported:
    """A model and its file."""

    model: CharLSTM | RecurrentClassifier
    card: ModelCard
    path: Path
    proof: dict[str, float]
    table: bool
    """The first layer's input was meant to fold into a table."""


CHARLM_SHAPES = [
    pytest.param(("charlm", {"layers": n, "head": head}, table), id=f"charlm-{n}-{head}-{table}")
    for n, head, table in itertools.product((1, 2, 3), (0, 6), (True, False))
]
CHARLM_SHAPES += [
    pytest.param(
        ("charlm", {"layers": n, "head": head, "skip": True}, table), id=f"skip-{n}-{head}"
    )
    for n, head, table in ((1, 0, True), (2, 6, True), (3, 0, False))
]
CLASSIFIER_SHAPES = [
    pytest.param(
        ("classifier", {"cell": cell, "layers": n, "pool": pool}, True),
        id=f"{cell}-{n}-{'pool' if pool else 'last'}",
    )
    for cell, n, pool in itertools.product(("elman", "gru", "lstm"), (1, 2), (False, True))
]
NGRAMS = {"ngram_rows": 40, "ngram_width": 3}
NGRAM_SHAPES = [
    pytest.param(("classifier", {**shape, **NGRAMS}, table), id=f"ngrams-{i}-{table}")
    for i, shape in enumerate(
        (
            {"cell": "gru", "ngrams": 3, "evidence": 4, "pool": True},
            {"cell": "elman", "ngrams": 4, "evidence": 2, "layers": 2},
            {"cell": "lstm", "ngrams": 3},
            {"cell": "gru", "evidence": 3, "layers": 2},
        )
    )
    for table in (True, False)
]
UNFOLDED = pytest.param(("classifier", {"cell": "gru"}, False), id="gru-1-last-False")


@pytest.fixture(
    scope="module", params=[*CHARLM_SHAPES, *CLASSIFIER_SHAPES, *NGRAM_SHAPES, UNFOLDED]
)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    kind, shape, table = request.param
    torch.manual_seed(3)
    model = char_lstm(**shape) if kind == "charlm" else classifier(**shape)
    with torch.no_grad():
        for parameter in model.parameters():  # a bias of zero hides mistakes
            parameter.add_(0.2 * torch.randn_like(parameter))
    card = lm_card() if kind == "charlm" else classifier_card()
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    with mock.patch("rnn_train.exporting.model_file.MAX_TABLE", 2**20 if table else 0):
        proof = export(model, card, path)
    return Exported(model, card, path, proof, table)


def test_proof_holds(exported: Exported) -> None:
    assert set(exported.proof) == {"torch", "stepwise", "batch"}
    assert all(0 <= value < TOLERANCE <= 1e-4 for value in exported.proof.values())
    assert rnn_infer.load(exported.path).metadata.proof == exported.proof


def test_onnx_checker_passes(exported: Exported) -> None:
    onnx.checker.check_model(onnx.load(exported.path), full_check=True)


def test_long_sequence_equals_torch(exported: Exported) -> None:
    tokens = some_tokens(2, 300)
    stepper = Stepper.open(exported.path, device="cpu")
    logits, _ = stepper.forward(tokens, stepper.zeros(2))
    np.testing.assert_allclose(logits, torch_logits(exported.model, tokens), rtol=0, atol=1e-4)


def test_only_what_must_be_is_stepped_through(exported: Exported) -> None:
    """Of n-grams, all times are looked up at once, and a GRU is one node."""
    nodes = Counter(node.op_type for node in onnx.load(exported.path).graph.node)
    config = exported.model.config
    pool = getattr(config, "pool", False)
    whole = 0
    if (
        isinstance(config, ClassifierConfig) and config.cell == "gru"
    ):  # but for one that reads a table of its products
        whole = config.layers - (exported.table and max(config.ngrams, config.evidence) == 1)
    assert (nodes["Scan"], nodes["GRU"]) == (config.layers - whole + pool, whole)


def test_state_has_one_tensor_a_layer_and_kind(exported: Exported) -> None:
    states = [(each.name, each.width) for each in Stepper.open(exported.path).file.states]
    config = exported.model.config
    if isinstance(config, CharLSTMConfig):
        expected = [(f"{kind}{i}", 7) for i in range(config.layers) for kind in "hc"]
    else:
        kinds = "hc" if config.cell == "lstm" else "s"
        expected = [(f"{kind}{i}", 6) for i in range(config.layers) for kind in kinds]
        if config.pool:
            n = config.layers
            expected += [(f"sum{n}", 6), (f"max{n}", 6), (f"count{n}", 1)]
        if (longest := max(config.ngrams, config.evidence)) > 1:
            passed = (config.evidence - 1) * len(LABELS)
            expected = [("codes0", longest)] + [
                (f"{name[:-1]}{int(name[-1]) + 1}", width + passed * (name[:3] == "sum"))
                for name, width in expected
            ]
    assert states == expected


def test_small_input_folds_into_a_table(exported: Exported) -> None:
    names = initializers(exported.path)
    assert ("input_table" in names, "embedding" in names) == (exported.table, not exported.table)


def test_only_allowed_operators(exported: Exported) -> None:
    for graph in graphs(onnx.load(exported.path).graph):
        for node in graph.node:
            assert node.domain == ""
            assert node.op_type in contract.OPERATORS


def test_file_tells_nothing_of_this_machine(exported: Exported) -> None:
    proto = onnx.load(exported.path)
    for graph in graphs(proto.graph):
        for tensor in graph.initializer:
            tensor.ClearField("raw_data")  # weights may spell anything
    text = proto.SerializeToString()
    for trace in (b"/home", b"/root", b"/work", b"/tmp", b"site-packages", b".py", b"forward"):
        assert trace not in text
    assert os.uname().nodename.encode() not in text
    assert proto.producer_name == proto.doc_string == ""
    assert not any(
        part.doc_string or part.metadata_props
        for graph in graphs(proto.graph)
        for part in (graph, *graph.node)
    )


def test_weights_are_kept_once(exported: Exported) -> None:
    proto = onnx.load(exported.path)
    assert not any(graph.initializer for graph in graphs(proto.graph)[1:])
    large = [t.raw_data for t in proto.graph.initializer if len(t.raw_data) > 100]
    assert len(set(large)) == len(large)


# --- what the file says ---------------------------------------------------------------


def test_document_of_a_charlm(tmp_path: Path) -> None:
    model = char_lstm(layers=2)
    card = lm_card(unknown=4, start="a", training={"data_sha256": "abc", "data_characters": 5})
    export(model, card, tmp_path / "m.onnx")
    lm = rnn_infer.CharLM.load(tmp_path / "m.onnx")
    document = lm.metadata
    assert document.kind == "charlm"
    assert document.vocabulary == VOCABULARY
    assert document.text.unknown == 4
    assert document.text.newlines == "lf"
    assert document.text.normalization == "none"
    assert document.charlm == contract.CharLMSection(start="a")
    assert document.classifier is None
    assert document.training["data_sha256"] == "abc"
    assert document.training["parameters"] == sum(p.numel() for p in model.parameters())
    assert document.training["model.layers"] == 2
    assert document.training["torch"] == torch.__version__.partition("+")[0]
    assert len(lm.generate("abc", length=40, seed=1)) == 40


def test_document_of_a_classifier(tmp_path: Path) -> None:
    export(classifier(), classifier_card(), tmp_path / "m.onnx")
    loaded = rnn_infer.Classifier.load(tmp_path / "m.onnx")
    section = loaded.metadata.classifier
    assert section == contract.ClassifierSection(
        labels=LABELS, begin="\n", end=" ", log_prior=(-1.0, -1.1, -1.2)
    )
    assert loaded.metadata.text == contract.TextRules("NFC", "lf", 3)
    assert loaded.metadata.charlm is None
    assert loaded.classify("abc").label in LABELS
    assert not Stepper.open(tmp_path / "m.onnx").file.generates


def test_golden_run_is_the_models_own(tmp_path: Path) -> None:
    model = char_lstm()
    export(model, lm_card(), tmp_path / "m.onnx")
    golden = rnn_infer.CharLM.load(tmp_path / "m.onnx").metadata.golden
    assert len(golden.tokens) == len(golden.uniform) == len(golden.generated) == 16
    logits = torch_logits(model, np.array([golden.tokens]))
    np.testing.assert_allclose(golden.logits, logits[0, -1], rtol=0, atol=1e-5)


def test_temperature_is_folded(tmp_path: Path) -> None:
    for head in (0, 6):
        model = char_lstm(head=head)
        export(model, lm_card(temperature=2.5), tmp_path / "m.onnx")
        stepper = Stepper.open(tmp_path / "m.onnx")
        tokens = some_tokens(2, 9)
        logits, _ = stepper.forward(tokens, stepper.zeros(2))
        np.testing.assert_allclose(logits, torch_logits(model, tokens) / 2.5, rtol=0, atol=1e-5)
        assert stepper.file.metadata.training["temperature"] == 2.5


def test_model_is_exported_as_it_evaluates(tmp_path: Path) -> None:
    model = char_lstm(dropout_input=0.5, dropout_output=0.5, weight_drop=0.5).train()
    export(model, lm_card(), tmp_path / "m.onnx")
    stepper = Stepper.open(tmp_path / "m.onnx")
    tokens = some_tokens(1, 9)
    logits, _ = stepper.forward(tokens, stepper.zeros(1))
    np.testing.assert_allclose(logits, torch_logits(model.eval(), tokens), rtol=0, atol=1e-5)


# --- the same weights, the same bytes -------------------------------------------------


def test_same_weights_same_bytes(tmp_path: Path) -> None:
    for make, card in ((char_lstm, lm_card), (classifier, classifier_card)):
        data = []
        for name in ("a.onnx", "a longer name.onnx"):
            torch.manual_seed(11)
            export(make(), card(), tmp_path / name)
            data.append((tmp_path / name).read_bytes())
            torch.randn(3)
        assert data[0] == data[1]


AGAIN = """
import sys
from pathlib import Path
import torch
from rnn_train.pipeline import export_run
torch.set_num_threads(1)
for run, out in zip(sys.argv[1::2], sys.argv[2::2]):
    export_run(Path(run), Path(out))
"""


def test_same_bytes_in_another_process(
    tmp_path: Path, finished: TrainingReport, finished_classifier: TrainingReport
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    reports = (finished, finished_classifier)
    arguments = [part for r in reports for part in (str(r.folder), f"{r.out.parent.name}.onnx")]
    environment = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-c", AGAIN, *arguments], cwd=folder, env=environment, check=True
    )
    for report in reports:
        assert (folder / f"{report.out.parent.name}.onnx").read_bytes() == report.out.read_bytes()
