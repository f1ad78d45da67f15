"""Files of int8 weights: near the float32 model, and just as independent of batch and steps."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from rnn_infer import CharLM, Classifier
from rnn_infer.scoring import sequence_loss
from rnn_train.errors import ExportError
from rnn_train.exporting import proof
from rnn_train.exporting.from_file import reopen
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from tests.train.exporting.examples import graphs, initializers, no_loss, operators

VOCABULARY = tuple("\n abcdefghijklmnop")
CARD = ModelCard(vocabulary=VOCABULARY, unknown=None)
WIDTH = 96
"""Wide enough for a layer's matrices to be rounded."""


@dataclass(frozen=True)
class Both:
    """A model in float32 and in int8."""

    exact: CharLM
    rounded: CharLM
    path: Path
    model: CharLSTM
    card: ModelCard


MANY = VOCABULARY + tuple(map(chr, range(0x400, 0x450)))
"""So many characters that the table of projected inputs is rounded too."""


@pytest.fixture(
    scope="module",
    params=[
        (1, False, VOCABULARY),
        (1, False, MANY),
        (2, False, VOCABULARY),
        (2, True, MANY),
        (3, False, VOCABULARY),
    ],
    ids=["one", "one-many", "two", "two-skip-many", "three"],
)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    torch.manual_seed(1)
    layers, skip, vocabulary = request.param
    card = ModelCard(vocabulary=vocabulary, unknown=None)
    config = CharLSTMConfig(
        vocabulary=len(vocabulary), embedding=8, hidden=WIDTH, layers=layers, skip=skip
    )
    model = CharLSTM(config)
    assert isinstance(model.head, torch.nn.Linear)
    with torch.no_grad():
        model.head.weight.mul_(20)
        for layer in model.lstms():
            layer.get_parameter("bias_hh_l0").normal_(std=0.1)
    folder = tmp_path_factory.mktemp("int8")
    export(model, card, folder / "exact.onnx")
    export(model, card, folder / "rounded.onnx", weights="int8", loss=no_loss)
    return Both(
        CharLM.load(folder / "exact.onnx"),
        CharLM.load(folder / "rounded.onnx"),
        folder / "rounded.onnx",
        model,
        card,
    )


def table_of(values: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    if "input_table" in values:
        return values["input_table"]
    table: NDArray[np.float32] = values["input_table.q"] * values["input_table.step"]
    return table


def reference(path: Path, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the logits [batch, time, n] in numpy, step by step, with 64-bit integers."""
    values = initializers(path)
    layers = sum(name.endswith(".R.q") for name in values)
    batch = len(tokens)
    h = [np.zeros((batch, WIDTH)) for _ in range(layers)]
    c = [np.zeros((batch, WIDTH)) for _ in range(layers)]
    rows = []
    for token in tokens.T:
        below = None
        for i in range(layers):
            product = integers(h[i]) @ values[f"lstm{i}.R.q"].astype(np.int64)
            if below is None:
                gates = product * values[f"lstm{i}.R.step"] + table_of(values)[token]
            else:
                product += integers(below) @ values[f"lstm{i}.W.q"].astype(np.int64)
                gates = product * values[f"lstm{i}.step"] + values[f"lstm{i}.b"]
            sigmoids = 1 / (1 + np.exp(-gates[:, : 3 * WIDTH]))
            input_, forget, output = np.split(sigmoids, 3, 1)
            c[i] = forget * c[i] + input_ * np.tanh(gates[:, 3 * WIDTH :])
            below = h[i] = output * np.tanh(c[i])
        # The head reads the last layer, or all layers.
        seen = np.concatenate(h, 1)[:, -len(values["head0.W"]) :]
        rows.append(seen @ values["head0.W"] + values["head0.b"])
    return np.stack(rows, 1)


def integers(x: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.round(x.astype(np.float32) * 127).astype(np.int64)


def some_tokens(batch: int, time: int) -> NDArray[np.int64]:
    return np.random.default_rng(5).integers(len(VOCABULARY), size=(batch, time))


def test_numpy_reference(both: Both) -> None:
    tokens = some_tokens(4, 30)
    stepper = both.rounded._stepper
    logits, _ = stepper.forward(tokens, stepper.zeros(4))
    # A state near the middle between two integers may be rounded the other way. No more differs.
    assert np.abs(logits - reference(both.path, tokens)).max() < 0.05


def test_large_weights_are_integers_and_stored_once(both: Both) -> None:
    found = initializers(both.path)
    large = {name: each for name, each in found.items() if each.size >= 2**15}
    assert large
    assert all(each.dtype == np.int8 for each in large.values()), large.keys()
    for name, each in large.items():
        limit = 127 if name == "input_table.q" else 63
        assert np.abs(each.astype(int)).max() <= limit
    assert ("input_table.q" in large) is (both.card.vocabulary == MANY)
    assert both.path.stat().st_size < sum(each.nbytes for each in found.values()) + 60_000


def test_same_text_alone_batched_streamed_and_in_pieces(both: Both) -> None:
    lm = both.rounded
    prompts = ["abc", "", "dead\nbee", "a", "fig", "abc", "pal", "om"]
    options: Any = {"length": 90, "temperature": 1.0}
    together = lm.generate(prompts, seed=3, **options)
    for i, prompt in enumerate(prompts):
        assert lm.generate(prompt, seed=3 + i, **options) == together[i]
        for chunk in (1, 7):
            assert "".join(lm.stream(prompt, seed=3 + i, chunk=chunk, **options)) == together[i]
    session = lm.session(seed=3)
    session.feed("abc")
    pieces = [session.generate(n, temperature=1.0) for n in (1, 2, 30, 57)]
    assert "".join(pieces) == together[0]


def test_no_row_changes_another(both: Both) -> None:
    stepper = both.rounded._stepper
    tokens = some_tokens(16, 12)
    together, state = stepper.forward(tokens, stepper.zeros(16))
    for i, row in enumerate(tokens):
        alone, own = stepper.forward(row[None], stepper.zeros(1))
        np.testing.assert_array_equal(alone[0], together[i])
        for a, b in zip(own, state, strict=True):
            np.testing.assert_array_equal(a[0], b[i])


def test_steps_and_sequence_give_the_same_numbers(both: Both) -> None:
    stepper = both.rounded._stepper
    tokens = some_tokens(3, 20)
    whole, _ = stepper.forward(tokens, stepper.zeros(3))
    state = stepper.zeros(3)
    for t in range(tokens.shape[1]):
        logits, state = stepper.forward(tokens[:, t : t + 1], state)
        np.testing.assert_array_equal(logits[:, 0], whole[:, t])


def test_fixed_steps_draw_the_same_text(both: Both, tmp_path: Path) -> None:
    export(both.model, both.card, tmp_path / "fixed.onnx", weights="int8", steps=4, loss=no_loss)
    fixed = CharLM.load(tmp_path / "fixed.onnx")
    assert fixed.generate("abc", length=60, seed=3) == both.rounded.generate(
        "abc", length=60, seed=3
    )


def test_no_quantization_of_a_moved_value(both: Both) -> None:
    """No Reshape or Transpose comes before a QuantizeLinear.

    onnxruntime would put a DequantizeLinear in between, which the old WebGPU provider of
    onnxruntime-web computes wrongly.
    """
    for graph in graphs(onnx.load(both.path).graph):
        made = {name: node.op_type for node in graph.node for name in node.output}
        before = {made.get(n.input[0]) for n in graph.node if n.op_type == "QuantizeLinear"}
        assert not before & {"Reshape", "Transpose", "Squeeze", "Unsqueeze"}
    assert "QuantizeLinear" in operators(onnx.load(both.path).graph)


def test_near_the_exact_model(both: Both) -> None:
    tokens = some_tokens(8, 60)
    exact = sequence_loss(both.exact._stepper, tokens)
    assert abs(sequence_loss(both.rounded._stepper, tokens) - exact) < 0.05


def test_document_names_the_weights(both: Both) -> None:
    assert both.rounded.metadata.training["weights"] == "int8"
    assert both.exact.metadata.training["weights"] == "float32"
    assert both.rounded.metadata.proof["int8_loss"] == 0
    assert both.rounded.metadata.proof["batch"] == 0


def test_cost_is_measured_and_refused_if_too_high(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = CharLSTM(CharLSTMConfig(vocabulary=len(VOCABULARY), embedding=8, hidden=WIDTH))
    card = ModelCard(vocabulary=VOCABULARY, unknown=None)

    def costing(nats: float) -> proof.Loss:
        return lambda stepper: 2.0 + nats * ("MatMulInteger" in stepper.file.operators)

    assert (
        export(model, card, tmp_path / "m.onnx", weights="int8", loss=costing(0.004))["int8_loss"]
        == 0.004
    )
    for nats in (proof.MAX_ROUNDING_LOSS * 1.1, float("nan")):
        with pytest.raises(ExportError, match="worse by .* without --quantize"):
            export(model, card, tmp_path / "n.onnx", weights="int8", loss=costing(nats))
    assert not (tmp_path / "n.onnx").exists()


@pytest.mark.parametrize(("cell", "width"), [("elman", 192), ("gru", 128), ("lstm", 96)])
def test_classifier(cell: str, width: int, tmp_path: Path) -> None:
    torch.manual_seed(1)
    shape = ClassifierConfig(
        vocabulary=len(VOCABULARY), labels=3, cell=cell, hidden=width, embedding=16
    )
    rounded = both_classifiers(RecurrentClassifier(shape), tmp_path)
    assert "MatMulInteger" in rounded._stepper.file.operators


def test_tables_of_a_classifier(tmp_path: Path) -> None:
    torch.manual_seed(1)
    shape = ClassifierConfig(vocabulary=len(VOCABULARY), labels=3, hidden=8, ngrams=3, evidence=4)
    model = RecurrentClassifier(shape)
    with torch.no_grad():
        model.layers[0].get_parameter("evidence").normal_()
    both_classifiers(model, tmp_path)
    sizes = {name: (tmp_path / f"{name}.onnx").stat().st_size for name in ("exact", "rounded")}
    assert sizes["rounded"] < 0.3 * sizes["exact"]
    large = [each for each in initializers(tmp_path / "rounded.onnx").values() if each.size > 2**15]
    assert {each.dtype for each in large} == {np.dtype(np.uint8)}


def test_a_classifier_of_frequent_ngrams(tmp_path: Path) -> None:
    """Its vectors, its index and its readout are rounded. Few of its inputs are large."""
    torch.manual_seed(1)
    shape = ClassifierConfig(
        vocabulary=len(VOCABULARY),
        labels=300,
        hidden=32,
        ngrams=3,
        prefix=4,
        space=2,
        ngram_rows=2**14,
        frequent_ngrams=2**12,
        ngram_width=8,
        bag=True,
    )
    model = RecurrentClassifier(shape)
    vectors = model.layers[0].get_parameter("vectors")
    row_of = model.layers[0].get_buffer("row_of")
    row_of[::16] = torch.arange(len(row_of[::16]))
    with torch.no_grad():
        vectors[::100] *= 10
        model.readout.weight[:, -64:] *= 10
    labels = tuple(map(str, range(shape.labels)))
    card = {"labels": labels, "log_prior": (-5.0,) * len(labels)}
    both_classifiers(model, tmp_path, **card)
    stored = initializers(tmp_path / "rounded.onnx")
    assert "cell0.row_of" not in stored
    assert 8 * stored["cell0.row_of.bits"].size >= len(row_of)
    assert "head0.W.q" in stored
    again = tmp_path / "again.onnx"
    source = reopen(tmp_path / "exact.onnx")
    proved = export(source.model, source.card, again, weights="int8", loss=source.loss)
    assert proved["int8_loss"] < 0.001
    assert again.stat().st_size < 0.35 * (tmp_path / "exact.onnx").stat().st_size


def both_classifiers(model: RecurrentClassifier, folder: Path, **facts: Any) -> Classifier:
    """Export a classifier twice, compare the two files, and return the int8 one."""
    labels = {"labels": ("x", "y", "z"), "log_prior": (-1.0, -1.0, -1.0)}
    card = ModelCard(vocabulary=VOCABULARY, unknown=2, begin="\n", end=" ", **labels | facts)
    export(model, card, folder / "exact.onnx")
    shown = export(model, card, folder / "rounded.onnx", weights="int8", loss=no_loss)
    assert shown["batch"] == shown["stepwise"] == 0
    exact = Classifier.load(folder / "exact.onnx")
    rounded = Classifier.load(folder / "rounded.onnx")
    texts = ["abc", "fig", "a", "olive", "mandible", "bad" * 30]
    for one, other in zip(exact.classify(texts), rounded.classify(texts), strict=True):
        assert abs(one.probability - other.probability) < 0.05
    assert rounded.classify(texts[3]) == rounded.classify(texts)[3]
    return rounded
