"""From trained weights to one self-describing `.onnx` file, proved before it is written."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

import rnn_train
from rnn_infer import contract
from rnn_infer.contract import CharLMSection, ClassifierSection, Golden, Metadata, TextRules
from rnn_train.errors import ExportError
from rnn_train.exporting import proof
from rnn_train.exporting.graph import FLOAT, INT64, Graph, Weights
from rnn_train.exporting.layers import Layer, LSTMLayer
from rnn_train.exporting.proof import Loss
from rnn_train.exporting.sampling import SamplingGraph
from rnn_train.exporting.sequence_layers import layer_of
from rnn_train.files import write_bytes
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.classifier import RecurrentClassifier

MAX_TABLE = 2**20
"""Largest folded input table, in numbers: above it the embedding and the product stay apart."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What the file says of itself, apart from its weights."""

    vocabulary: tuple[str, ...]
    unknown: int | None
    normalization: Literal["none", "NFC"] = "none"
    start: str = "\n"
    """charlm"""
    labels: tuple[str, ...] = ()
    """classifier, as the next three"""
    begin: str = ""
    end: str = ""
    log_prior: tuple[float, ...] = ()
    temperature: float = 1.0
    """Divides the logits; folded into the last layer's weights."""
    training: dict[str, bool | str | int | float] = field(default_factory=dict)


def export(
    model: CharLSTM | RecurrentClassifier,
    card: ModelCard,
    path: Path,
    *,
    step_only: bool = False,
    steps: int | None = None,
    weights: Weights = "float32",
    loss: Loss | None = None,
) -> dict[str, float]:
    """Builds the graph, proves it against `model` through `rnn_infer`, and writes the file.

    The same weights and card give the same bytes.

    Args:
        path: written whole or not at all.
        step_only: leave generation out, for hosts that want tokens and state only.
        steps: exactly so many tokens a call and no control flow, so that a CUDA graph can hold it;
            None: as many as are given.
        weights: of the large matrices: int8 is for the CPU, float16 for CUDA.
        loss: measures what rounded weights cost, which then stands in the file; they need it.

    Returns:
        The proof: the largest difference found in each comparison.

    Raises:
        ExportError: the file would not be true to the model; nothing is written.
        RunError: `path` cannot be written.
    """
    model = _on_cpu(model)
    if bad := [name for name, value in model.named_parameters() if not value.isfinite().all()]:
        raise ExportError(f"weights of {bad[0]} are no numbers; train again at a lower rate")
    if steps and isinstance(model, RecurrentClassifier) and model.config.ngrams > 1:
        raise ExportError("a classifier that looks n-grams up has no form of fixed steps")
    draws = isinstance(model, CharLSTM) and not step_only
    build = _Build(model, card, draws, steps, weights)
    # First without knowledge of itself, then with what running it showed.
    blank = build.metadata(_blank_golden(build), {})
    with proof.opened(build.bytes(blank)) as stepper:
        golden = proof.record(stepper)
        if loss and weights != "float32":
            with proof.opened(_Build(model, card, draws, steps, "float32").bytes(blank)) as exact:
                shown = proof.prove_rounded(exact, stepper, loss, weights)
        else:
            assert weights == "float32"
            shown = proof.prove(model, card.temperature, stepper)
    data = build.bytes(build.metadata(golden, shown))
    with proof.opened(data) as stepper:
        if not np.allclose(proof.record(stepper).logits, golden.logits, rtol=0, atol=1e-6):
            raise ExportError("the finished file gives other logits than its draft")
    write_bytes(path, data)
    return shown


class _Build:
    """A model's graph, and the metadata that goes with it."""

    def __init__(
        self,
        model: CharLSTM | RecurrentClassifier,
        card: ModelCard,
        draws: bool,
        steps: int | None,
        weights: Weights,
    ) -> None:
        self.model = model
        self.steps = steps
        self.weights = weights
        self.card = card
        self.draws = draws
        self.layers = _layers(model)

    def bytes(self, metadata: Metadata) -> bytes:
        """The whole file."""
        graph = Graph("rnn", weights=self.weights, recorded=self.steps is not None)
        time, steps = self.steps or "time", self.steps or "steps"
        tokens = graph.input(contract.TOKENS, INT64, ["batch", time])
        widths = {name: width for layer in self.layers for name, width in layer.states.items()}
        states = [graph.input(name, FLOAT, ["batch", width]) for name, width in widths.items()]
        drawing = None
        if self.draws:
            drawing = SamplingGraph(graph, metadata.outputs, self._look_up, self._feed, steps)
        run = self._step_by_step if self.steps else self._at_length
        logits, after, generated = run(graph, tokens, states, drawing)
        dims = ["batch", time, metadata.outputs]
        graph.output(logits, FLOAT, dims, name=graph.fresh(contract.LOGITS))
        for value, (name, width) in zip(after, widths.items(), strict=True):
            graph.output(value, FLOAT, ["batch", width], name=graph.fresh(name + contract.NEXT))
        if generated:
            graph.output(generated, INT64, ["batch", steps], name=graph.fresh(contract.GENERATED))
        return graph.model(
            contract.OPSET,
            contract.IR_VERSIONS.start,
            {contract.METADATA_KEY: metadata.to_json()},
        )

    def _at_length(
        self, graph: Graph, tokens: str, states: Sequence[str], drawing: SamplingGraph | None
    ) -> tuple[str, list[str], str]:
        """Any number of tokens, then any number of draws: tokens [batch, time] → logits
        [batch, time, n], the states in the end, and what is drawn."""
        by_time = graph.add("Transpose", tokens, perm=[1, 0], name="tokens_by_time")
        logits, after = self._sequence(graph, by_time, states)
        generated = ""
        if drawing:
            last = graph.add("Gather", logits, graph.constant("last_index", -1), axis=0, name="now")
            widths = [width for layer in self.layers for width in layer.states.values()]
            generated, after = drawing.add(graph, last, list(zip(after, widths, strict=True)))
        by_stream = graph.add("Transpose", logits, perm=[1, 0, 2], name="logits_by_stream")
        return by_stream, after, generated

    def _step_by_step(
        self, graph: Graph, tokens: str, states: Sequence[str], drawing: SamplingGraph | None
    ) -> tuple[str, list[str], str]:
        """A fixed number of steps, each of a given token or of what was drawn before it."""
        assert self.steps
        axis1 = graph.constant("axis1", [1])
        draw = drawing.one_by_one(graph, self.steps) if drawing else None
        logits: list[str] = []
        drawn: list[str] = []
        reached: list[Sequence[str]] = []
        for place, column in enumerate(graph.columns(tokens, self.steps, "token_column")):
            token = graph.add("Squeeze", column, axis1, name="token_read")
            if drawn:
                none = graph.constant("no_token", 0)
                token = graph.add("Where", graph.add("Less", token, none), drawn[-1], token)
            value, states = self._feed(graph, self._look_up(graph, token)[0], states)
            reached.append(states)
            logits.append(value)
            if draw:
                drawn.append(draw(value, place))
        generated = self._side_by_side(graph, drawn) if drawn else ""
        return (
            self._side_by_side(graph, logits),
            self._reached(graph, tokens, reached),
            generated,
        )

    @staticmethod
    def _side_by_side(graph: Graph, values: Sequence[str]) -> str:
        """Values [batch, …] of all steps → [batch, steps, …]."""
        axis1 = graph.constant("axis1", [1])
        columns = [graph.add("Unsqueeze", value, axis1) for value in values]
        return graph.add("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]

    @staticmethod
    def _reached(graph: Graph, tokens: str, states: Sequence[Sequence[str]]) -> list[str]:
        """Of the states after each step, those after the last that is one."""
        if len(states) == 1:
            return list(states[0])
        axis0, axis1 = graph.constant("axis0", [0]), graph.constant("axis1", [1])
        bound = graph.constant("no_step", contract.NO_STEP)
        taken = graph.add("Cast", graph.add("Greater", tokens, bound), to=INT64, name="taken")
        count = graph.add("ReduceSum", taken, axis1, keepdims=0, name="steps_taken")
        count = graph.add("ReduceMax", count, axis0, keepdims=0)
        last = graph.add("Sub", count, graph.constant("single_step", 1), name="last_step")
        picked = []
        for steps in zip(*states, strict=True):  # of one state
            rows = [graph.add("Unsqueeze", each, axis0) for each in steps]
            every = graph.add("Concat", *rows, axis=0, name="state_by_step")
            picked.append(graph.add("Gather", every, last, axis=0, name="state_reached"))
        return picked

    def _sequence(self, graph: Graph, tokens: str, states: Sequence[str]) -> tuple[str, list[str]]:
        """Layer by layer over all times: tokens [time, batch] → logits [time, batch, n]."""
        sizes = graph.add("Shape", tokens, name="time_batch")
        after: list[str] = []
        seen: list[str] = []
        x, _ = self._look_up(graph, tokens)
        for index, layer in enumerate(self.layers):
            own = states[len(after) : len(after) + len(layer.states)]
            if index == 0 and self._folds:
                x, new = layer.steps(graph, x, FLOAT, own)
            else:
                x, new = layer.sequence(graph, x, sizes, own)
            after += new
            seen.append(x)
        x, width = self._seen_by_head(graph, seen)
        logits = self._head(graph, graph.rows(x, width))
        return graph.by_time(logits, sizes, self._outputs()), after

    def _feed(self, graph: Graph, x: str, states: Sequence[str]) -> tuple[str, list[str]]:
        """One step of all layers: what was looked up of tokens [batch] → logits [batch, n]."""
        after: list[str] = []
        seen: list[str] = []
        for index, layer in enumerate(self.layers):
            own = states[len(after) : len(after) + len(layer.states)]
            if index == 0 and self._folds:
                x, new = layer.step(graph, x, FLOAT, own)
            else:
                x, new = layer.advance(graph, x, own)
            after += new
            seen.append(x)
        return self._head(graph, self._seen_by_head(graph, seen)[0]), after

    def _seen_by_head(self, graph: Graph, outputs: Sequence[str]) -> tuple[str, int]:
        """Of the layers' outputs [..., width], those that the head reads, and their width."""
        skips = isinstance(self.model, CharLSTM) and self.model.config.skip
        if not skips or len(outputs) == 1:
            return outputs[-1], self.layers[-1].output
        joined = graph.add("Concat", *outputs, axis=-1, name="all_layers")
        return joined, sum(layer.output for layer in self.layers)

    @property
    def _folds(self) -> bool:
        """Whether the first layer's projected input is small enough for a table of all tokens."""
        return self.model.embedding.weight.shape[0] * self.layers[0].projected <= MAX_TABLE

    def _look_up(self, graph: Graph, tokens: str) -> tuple[str, int]:
        """What stands for tokens [...] in a table, [..., width], and its width: the first layer's
        projected input where that is small enough, else its input."""
        weight, first = self.model.embedding.weight, self.layers[0]
        if self._folds:
            table, name, width = first.table(weight), "input_table", first.projected
        else:
            table, name, width = weight.detach().numpy(), "embedding", first.input
        row = graph.add("Gather", graph.constant(name, table), tokens, axis=0, name="table_row")
        return row, width

    def _head(self, graph: Graph, x: str) -> str:
        """Hidden [rows, width] → logits [rows, n], divided by the temperature."""
        linears = [m for m in _readout(self.model).modules() if isinstance(m, nn.Linear)]
        for index, linear in enumerate(linears):
            last = index == len(linears) - 1
            divisor = np.float32(self.card.temperature if last else 1)
            weight = linear.weight.detach().numpy().T / divisor
            bias = graph.constant(f"head{index}.b", linear.bias.detach().numpy() / divisor)
            bounded = index == 0 and isinstance(self.model, CharLSTM)  # states h
            x = graph.linear(x, f"head{index}.W", weight, bias, bounded)
            if not last:
                x = graph.add("Relu", x)
        return x

    def _outputs(self) -> int:
        return len(self.card.labels) or len(self.card.vocabulary)

    def metadata(self, golden: Golden, shown: dict[str, float]) -> Metadata:
        """The document that goes with the graph."""
        card = self.card
        is_lm = isinstance(self.model, CharLSTM)
        return Metadata(
            format_version=contract.FORMAT_VERSION,
            kind="charlm" if is_lm else "classifier",
            producer=f"rnn_train {rnn_train.__version__}",
            text=TextRules(normalization=card.normalization, newlines="lf", unknown=card.unknown),
            vocabulary=card.vocabulary,
            charlm=CharLMSection(start=card.start) if is_lm else None,
            classifier=None
            if is_lm
            else ClassifierSection(
                labels=card.labels, begin=card.begin, end=card.end, log_prior=card.log_prior
            ),
            training=_facts(self.model, card) | {"weights": self.weights},
            proof=shown,
            golden=golden,
        )


def _layers(model: CharLSTM | RecurrentClassifier) -> list[Layer]:
    if isinstance(model, CharLSTM):
        return [LSTMLayer(index, layer) for index, layer in enumerate(model.lstms())]
    return [layer_of(index, cell) for index, cell in enumerate(model.cells())]


def _readout(model: CharLSTM | RecurrentClassifier) -> nn.Module:
    return model.head if isinstance(model, CharLSTM) else model.readout


def _facts(model: nn.Module, card: ModelCard) -> dict[str, bool | str | int | float]:
    facts: dict[str, bool | str | int | float] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "temperature": round(card.temperature, 4),
        "torch": torch.__version__.partition("+")[0],
    }
    facts |= {
        f"model.{key}": value
        for key, value in dataclasses.asdict(model.config).items()  # type: ignore[call-overload]
        if isinstance(value, bool | str | int | float)
    }
    return facts | card.training


def _blank_golden(build: _Build) -> Golden:
    draws = (0,) if build.draws else ()
    return Golden(
        tokens=(0,), logits=(0.0,) * build._outputs(), uniform=(0.0,) * len(draws), generated=draws
    )


def _on_cpu(model: Any) -> Any:
    return model.to("cpu").float().eval()
