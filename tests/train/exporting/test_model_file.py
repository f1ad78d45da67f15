"""Exported files of all shapes of models, against the format and against torch."""

import itertools
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import pytest
import torch

import rnn_infer
from rnn_infer import contract
from rnn_infer.runtime.stepper import Stepper
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.exporting.proof import TOLERANCE
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.training_session import TrainingReport
from tests.train.exporting.examples import (
    HIDDEN,
    LABELS,
    char_lstm,
    classifier,
    classifier_card,
    graphs,
    initializers,
    lm_card,
    shaken,
    some_tokens,
    torch_logits,
)

ROOT = Path(rnn_infer.__file__).parents[1]


# --- every shape of model -------------------------------------------------------------


@dataclass(frozen=True)
class Exported:
    """A model and its file."""

    model: CharLSTM | RecurrentClassifier
    card: ModelCard
    path: Path
    proof: dict[str, float]
    table: bool
    """Whether the first layer's projected input is folded into a table."""


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
            {"cell": "elman", "ngrams": 5, "bag": True, "pool": True},
            {"cell": "lstm", "ngrams": 2, "evidence": 3, "bag": True, "layers": 2},
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
    shaken(model)
    card = lm_card() if kind == "charlm" else classifier_card()
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    with mock.patch("rnn_train.exporting.network.MAX_TABLE", 2**20 if table else 0):
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


def test_no_needless_scan(exported: Exported) -> None:
    """N-grams of all times are looked up at once, and a GRU over a sequence is one node. A pool
    takes the Scan of a plain layer below it."""
    nodes = Counter(node.op_type for node in onnx.load(exported.path).graph.node)
    config = exported.model.config
    pool = getattr(config, "pool", False)
    whole = 0
    # A GRU layer that reads a folded table is stepped through.
    if isinstance(config, ClassifierConfig) and config.cell == "gru":
        whole = config.layers - (exported.table and max(config.ngrams, config.evidence) == 1)
    own = pool and getattr(config, "cell", "") != "elman"
    assert (nodes["Scan"], nodes["GRU"]) == (config.layers - whole + own, whole)


def test_each_layer_has_one_tensor_for_each_state(exported: Exported) -> None:
    states = [(each.name, each.width) for each in Stepper.open(exported.path).file.states]
    config = exported.model.config
    if isinstance(config, CharLSTMConfig):
        expected = [(f"{kind}{i}", HIDDEN["charlm"]) for i in range(config.layers) for kind in "hc"]
    else:
        kinds = "hc" if config.cell == "lstm" else "s"
        expected = [
            (f"{kind}{i}", HIDDEN["classifier"]) for i in range(config.layers) for kind in kinds
        ]
        if config.pool:
            n = config.layers
            expected += [(f"sum{n}", 6), (f"max{n}", 6), (f"count{n}", 1)]
        if (longest := max(config.ngrams, config.evidence)) > 1:
            passed = (config.evidence - 1) * len(LABELS)
            passed += config.bag * (config.ngrams - 1) * config.ngram_width
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


def test_file_holds_no_trace_of_this_machine(exported: Exported) -> None:
    proto = onnx.load(exported.path)
    for graph in graphs(proto.graph):
        for tensor in graph.initializer:
            tensor.ClearField("raw_data")  # the bytes of weights may spell a word by chance
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


def test_weights_are_stored_once(exported: Exported) -> None:
    proto = onnx.load(exported.path)
    assert not any(graph.initializer for graph in graphs(proto.graph)[1:])
    large = [t.raw_data for t in proto.graph.initializer if len(t.raw_data) > 100]
    assert len(set(large)) == len(large)


# --- what the file computes and holds -------------------------------------------------


def test_files_load_as_their_kind(tmp_path: Path) -> None:
    export(char_lstm(layers=2), lm_card(), tmp_path / "lm.onnx")
    assert len(rnn_infer.CharLM.load(tmp_path / "lm.onnx").generate("abc", length=40, seed=1)) == 40
    export(classifier(), classifier_card(), tmp_path / "classifier.onnx")
    loaded = rnn_infer.Classifier.load(tmp_path / "classifier.onnx")
    assert loaded.classify("abc").label in LABELS
    assert not Stepper.open(tmp_path / "classifier.onnx").file.generates


def test_golden_run_is_the_models(tmp_path: Path) -> None:
    model = char_lstm()
    export(model, lm_card(), tmp_path / "m.onnx")
    golden = rnn_infer.CharLM.load(tmp_path / "m.onnx").metadata.golden
    assert len(golden.tokens) == len(golden.uniform) == len(golden.generated) == 16
    logits = torch_logits(model, np.array([golden.tokens]))
    np.testing.assert_allclose(golden.logits, logits[0, -1], rtol=0, atol=1e-5)


def test_temperature_divides_the_logits(tmp_path: Path) -> None:
    for head in (0, 6):
        model = char_lstm(head=head)
        export(model, lm_card(temperature=2.5), tmp_path / "m.onnx")
        stepper = Stepper.open(tmp_path / "m.onnx")
        tokens = some_tokens(2, 9)
        logits, _ = stepper.forward(tokens, stepper.zeros(2))
        np.testing.assert_allclose(logits, torch_logits(model, tokens) / 2.5, rtol=0, atol=1e-5)
        assert stepper.file.metadata.training["temperature"] == 2.5


def test_dropout_is_left_out(tmp_path: Path) -> None:
    model = char_lstm(dropout_input=0.5, dropout_output=0.5, weight_drop=0.5).train()
    export(model, lm_card(), tmp_path / "m.onnx")
    stepper = Stepper.open(tmp_path / "m.onnx")
    tokens = some_tokens(1, 9)
    logits, _ = stepper.forward(tokens, stepper.zeros(1))
    np.testing.assert_allclose(logits, torch_logits(model.eval(), tokens), rtol=0, atol=1e-5)


# --- the same weights give the same bytes -------------------------------------------------


def test_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
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
from rnn_train.pipeline import export
torch.set_num_threads(1)
for run, out in zip(sys.argv[1::2], sys.argv[2::2]):
    export(Path(run), Path(out))
"""


def test_another_process_gives_the_same_bytes(
    tmp_path: Path, finished: TrainingReport, finished_classifier: TrainingReport
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    reports = (finished, finished_classifier)
    arguments = [part for r in reports for part in (str(r.run), f"{r.out.parent.name}.onnx")]
    environment = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-c", AGAIN, *arguments], cwd=folder, env=environment, check=True
    )
    for report in reports:
        assert (folder / f"{report.out.parent.name}.onnx").read_bytes() == report.out.read_bytes()
