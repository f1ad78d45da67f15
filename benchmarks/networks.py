"""One untrained network in every implementation: speed does not depend on the weights' values."""

import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.exporting.products import Weights
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.decoding import without_onednn

from .harness import Work

TEMPERATURE = 0.8
SAMPLING = Sampling(temperature=TEMPERATURE)


@dataclass(frozen=True)
class Shape:
    """Layers, width (the embedding's too) and vocabulary."""

    layers: int
    width: int
    vocabulary: int = 65

    def __str__(self) -> str:
        return f"{self.layers}×{self.width}, vocabulary {self.vocabulary}"

    def model(self) -> CharLSTM:
        """The network, untrained, the same each time."""
        torch.manual_seed(0)
        config = CharLSTMConfig(
            vocabulary=self.vocabulary,
            embedding=self.width,
            hidden=self.width,
            layers=self.layers,
        )
        return CharLSTM(config).eval()


def write(
    shape: Shape, path: Path, *, weights: Weights = "float32", steps: int | None = None
) -> None:
    """Exports the network as a user's model is exported."""
    characters = tuple(chr(0x4E00 + i) for i in range(shape.vocabulary))
    card = ModelCard(vocabulary=characters, unknown=None, start=characters[0])
    export(shape.model(), card, path, weights=weights, steps=steps, loss=lambda _: 0.0)


def ours(
    shape: Shape, *, threads: int, weights: Weights = "float32", steps: int | None = None
) -> Stepper:
    """This project's exported file, opened on the CPU as a user's would be."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write(shape, path, weights=weights, steps=steps)
        return Stepper.open(path, device="cpu", threads=threads)


def our_generation(stepper: Stepper, streams: int) -> Work:
    """Generation as `CharLM.generate` runs it: pieces of 128 characters."""
    random = np.random.default_rng(0)
    state, tokens = stepper.zeros(streams), np.zeros((streams, 1), np.int64)

    def work(count: int) -> None:
        nonlocal state, tokens
        while count:
            steps = min(count, 128)
            count -= steps
            uniform = random.random((streams, steps), np.float32)
            drawn, state = stepper.draw(tokens, state, uniform, SAMPLING)
            tokens = drawn[:, -1:]

    return work


def naive_onnxruntime(shape: Shape, streams: int, threads: int) -> Work:
    """A plain graph (Gather, LSTM, Gemm), one `run` a character, drawn in numpy."""
    session = _session(plain_graph(shape), threads)
    names = [each.name for each in session.get_inputs()][1:]
    state = {name: np.zeros((1, streams, shape.width), np.float32) for name in names}
    tokens = np.zeros((1, streams), np.int64)
    random = np.random.default_rng(0)

    def work(count: int) -> None:
        nonlocal tokens
        for _ in range(count):
            logits, *after = session.run(None, {"tokens": tokens, **state})
            state.update(zip(names, after, strict=True))
            scaled = logits[0] / np.float32(TEMPERATURE)
            weights = np.exp(scaled - scaled.max(-1, keepdims=True))
            cumulative = weights.cumsum(-1)
            target = random.random((streams, 1), np.float32) * cumulative[:, -1:]
            tokens = (cumulative <= target).sum(-1)[None]

    return work


def plain_graph(shape: Shape) -> bytes:
    """The network as most write it: Gather, LSTM and MatMul, with states of its own names."""
    model, width = shape.model(), shape.width
    weights: dict[str, Any] = {"embedding": model.embedding.weight}
    nodes = [helper.make_node("Gather", ["embedding", "tokens"], ["x0"])]
    inputs = [helper.make_tensor_value_info("tokens", TensorProto.INT64, ["time", "batch"])]
    outputs = []
    order = np.concatenate([np.arange(k * width, (k + 1) * width) for k in (0, 3, 1, 2)])
    for i, layer in enumerate(model.lstms()):
        own = {name: value.detach().numpy()[order] for name, value in layer.named_parameters()}
        weights[f"W{i}"], weights[f"R{i}"] = own["weight_ih_l0"][None], own["weight_hh_l0"][None]
        weights[f"B{i}"] = np.concatenate([own["bias_ih_l0"], own["bias_hh_l0"]])[None]
        given = [f"x{i}", f"W{i}", f"R{i}", f"B{i}", "", f"h{i}", f"c{i}"]
        made = [f"y{i}", f"h{i}_next", f"c{i}_next"]
        nodes.append(helper.make_node("LSTM", given, made, hidden_size=width))
        nodes.append(helper.make_node("Squeeze", [f"y{i}", "one"], [f"x{i + 1}"]))
        for name in ("h", "c"):
            dims: list[str | int | None] = [1, "batch", width]
            inputs.append(helper.make_tensor_value_info(f"{name}{i}", TensorProto.FLOAT, dims))
            after = f"{name}{i}_next"
            outputs.append(helper.make_tensor_value_info(after, TensorProto.FLOAT, dims))
    head = model.head
    assert isinstance(head, nn.Linear)
    weights |= {"one": np.array([1]), "head": head.weight.T, "bias": head.bias}
    nodes.append(helper.make_node("MatMul", [f"x{shape.layers}", "head"], ["product"]))
    nodes.append(helper.make_node("Add", ["product", "bias"], ["logits"]))
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    tensors = [
        numpy_helper.from_array(
            np.ascontiguousarray(w.detach().numpy() if isinstance(w, Tensor) else w), name
        )
        for name, w in weights.items()
    ]
    graph = helper.make_graph(nodes, "plain", inputs, [logits, *outputs], tensors)
    opset = [helper.make_opsetid("", 18)]
    data: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return data


def _session(data: bytes, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


class _Cells(nn.Module):
    """The network on `nn.LSTMCell`."""

    def __init__(self, model: CharLSTM) -> None:
        super().__init__()
        self.embedding, self.head = model.embedding, model.head
        self.cells = nn.ModuleList()
        for layer in model.lstms():
            cell = nn.LSTMCell(layer.input_size, layer.hidden_size)
            weights = {n.removesuffix("_l0"): p for n, p in layer.state_dict().items()}
            cell.load_state_dict(weights)
            self.cells.append(cell)

    def forward(
        self, tokens: Tensor, state: list[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        x = self.embedding(tokens)
        after = []
        for cell, own in zip(self.cells, state, strict=True):
            h, c = cell(x, own)
            after.append((h, c))
            x = h
        return self.head(x), after


class _Stacked(nn.Module):
    """The network on one `nn.LSTM` of all layers, as tutorials write it."""

    def __init__(self, model: CharLSTM) -> None:
        super().__init__()
        config = model.config
        self.embedding, self.head = model.embedding, model.head
        self.lstm = nn.LSTM(config.embedding, config.hidden, config.layers, batch_first=True)
        self.lstm.load_state_dict(
            {
                f"{name.removesuffix('_l0')}_l{i}": value
                for i, layer in enumerate(model.lstms())
                for name, value in layer.state_dict().items()
            }
        )

    def forward(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        x, after = self.lstm(self.embedding(tokens), state)
        return self.head(x), after


def torch_lstm(
    shape: Shape,
    streams: int,
    *,
    int8: bool = False,
    where: Device = "cpu",
    half: bool = False,
    graph: bool = False,
) -> Work:
    """`nn.LSTM`, one call a character.

    Args:
        int8: dynamically quantised.
        half: in float16.
        graph: the whole step, drawing included, recorded once as a CUDA graph.
    """
    network: nn.Module = _Stacked(shape.model()).eval().to(where)
    if half:
        network = network.half()
    if int8:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kinds = {nn.LSTM, nn.Linear}
            quantize: Any = torch.ao.quantization.quantize_dynamic
            network = quantize(network, kinds, dtype=torch.qint8)
    kind = torch.float16 if half else torch.float32
    zeros = torch.zeros(shape.layers, streams, shape.width, device=where, dtype=kind)

    def step(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        logits, state = network(tokens[:, None], state)
        return logits[:, -1], state

    if graph:
        return _torch_graph(step, (zeros, zeros.clone()), streams)
    return _torch_work(step, (zeros, zeros), streams, where)


def torch_cells(shape: Shape, streams: int, *, compiled: bool = False) -> Work:
    """`nn.LSTMCell`, one call a character, eager or compiled."""
    network: Any = _Cells(shape.model()).eval()
    if compiled:
        torch.compiler.reset()  # or the shapes raced before count against a limit
        network = torch.compile(network)
    zeros = torch.zeros(streams, shape.width)
    return _torch_work(network, [(zeros, zeros)] * shape.layers, streams)


def _torch_work(
    step: Callable[[Tensor, Any], tuple[Tensor, Any]],
    state: Any,
    streams: int,
    where: Device = "cpu",
) -> Work:
    tokens = torch.zeros(streams, dtype=torch.int64, device=where)

    def work(count: int) -> None:
        nonlocal tokens, state
        with torch.inference_mode():
            for _ in range(count):
                logits, state = step(tokens, state)
                weights = torch.softmax(logits.float() / TEMPERATURE, -1)
                tokens = torch.multinomial(weights, 1)[:, 0]
            tokens.cpu()  # on a GPU all of it only begins before this

    return work


def _torch_graph(
    step: Callable[[Tensor, Any], tuple[Tensor, Any]], state: tuple[Tensor, Tensor], streams: int
) -> Work:
    """A step that was recorded; tokens and state are written where they are read."""
    tokens = torch.zeros(streams, dtype=torch.int64, device="cuda")

    def once() -> None:
        logits, after = step(tokens, state)
        weights = torch.softmax(logits.float() / TEMPERATURE, -1)
        # What `multinomial` does, without its check: that waits for the GPU, which is an error here
        # (pytorch/pytorch issue 134442).
        drawn = (weights / torch.empty_like(weights).exponential_()).argmax(-1)
        tokens.copy_(drawn)
        for each, new in zip(state, after, strict=True):
            each.copy_(new)

    with torch.inference_mode():
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                once()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            once()

    def work(count: int) -> None:
        for _ in range(count):
            graph.replay()
        tokens.cpu()

    return work


def guarded(work: Work) -> Work:
    """`work` without oneDNN."""

    def inside(count: int) -> None:
        with without_onednn():
            work(count)

    return inside
