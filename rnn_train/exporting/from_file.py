"""A float32 model file as a model again, so that another variant of it can be exported.

A file has no embedding if its first layer is folded into a table of all tokens; then the model
gets an embedding of ones and zeros, which picks the rows of that table. So all numbers stay the
same, but the model is no longer the one that was trained.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from rnn_infer.contract import Metadata
from rnn_infer.errors import check_memory
from rnn_infer.runtime.last_logits import last_logits
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling
from rnn_infer.text.ragged import Ragged
from rnn_train.errors import ExportError
from rnn_train.exporting.layers.lstm import CUT_SUFFIXES
from rnn_train.exporting.metadata import ModelCard
from rnn_train.exporting.proof import Loss
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.models.embedding import CodedEmbedding
from rnn_train.models.ngrams import NGramCell
from rnn_train.models.pooling import PassThrough

Arrays = Mapping[str, NDArray[Any]]
"""The weights of a file by name."""
_STREAMS, _LENGTH, _PIECE = 16, 256, 32
"""Texts that a character model draws, their length, and how much of them is read at once."""
_TEXTS, _LONGEST = 512, 12
"""Random texts for a classifier, and their greatest length."""


class Reopened(NamedTuple):
    """What an export needs, taken from a file."""

    model: CharLSTM | RecurrentClassifier
    card: ModelCard
    loss: Loss
    """Cross-entropy in nats against the file's own probabilities. The data of the training is not
    in a file: a character model reads text that the file draws, a classifier reads random texts."""


def reopen(path: Path) -> Reopened:
    """Read a file as a model.

    Args:
        path: of a float32 file, of any variant.

    Raises:
        ExportError: its weights are rounded, or they do not tell the weights of its cell.
        RnnInferError: the file is missing, damaged, or breaks the format.
    """
    stepper = Stepper.open(path, device="cpu")
    metadata = stepper.file.metadata
    if (weights := metadata.training.get("weights")) != "float32":
        raise ExportError(
            f"{path}: has {weights} weights, which lost the exact ones; name the float32 file, or "
            "the run folder"
        )
    graph = onnx.load_from_string(stepper.file.data).graph
    arrays = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    rebuild = _charlm if metadata.kind == "charlm" else _classifier
    try:
        model = rebuild(metadata, arrays)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        check_memory(error)
        raise ExportError(
            f"{path}: does not tell the weights of its layers ({type(error).__name__}: {error}); "
            "export its run folder"
        ) from error
    loss = _text_loss(stepper) if metadata.kind == "charlm" else _labels_loss(stepper)
    return Reopened(model.eval(), _card(metadata), loss)


def _card(metadata: Metadata) -> ModelCard:
    marks = metadata.classifier
    facts = {key: value for key, value in metadata.training.items() if key != "weights"}
    return ModelCard(
        vocabulary=metadata.vocabulary,
        unknown=metadata.text.unknown,
        normalization=metadata.text.normalization,
        start=metadata.charlm.start if metadata.charlm else "\n",
        labels=marks.labels if marks else (),
        begin=marks.begin if marks else "",
        end=marks.end if marks else "",
        log_prior=marks.log_prior if marks else (),
        held_out=marks.held_out if marks else None,
        noise=(marks.noise or ()) if marks else (),
        training=facts,
    )


def _config(kind: type[Any], metadata: Metadata, **own: Any) -> Any:
    """Make the config that the facts of a file tell, with some values of its own."""
    names = {each.name for each in fields(kind)}
    facts = {key.removeprefix("model."): value for key, value in metadata.training.items()}
    return kind(**{key: facts[key] for key in names & facts.keys()} | own)


def _charlm(metadata: Metadata, arrays: Arrays) -> CharLSTM:
    table, folded = _table(arrays)
    model = CharLSTM(_config(CharLSTMConfig, metadata, embedding=table.shape[1]))
    _set(model.embedding.weight, table)
    for index, lstm in enumerate(model.lstms()):
        name = f"lstm{index}"
        first = folded if index == 0 else None
        input_ = arrays[f"{name}.W"] if first is None else first
        weights = {
            "weight_ih_l0": input_.T,
            "weight_hh_l0": _recurrent(name, arrays).T,
            "bias_ih_l0": arrays[f"{name}.b"] if first is None else np.zeros(input_.shape[1]),
        }
        width = lstm.hidden_size  # the file has the gates i, f, o, g; torch i, f, g, o
        order = np.concatenate([np.arange(k * width, (k + 1) * width) for k in (0, 1, 3, 2)])
        for each, value in weights.items():
            _set(lstm.get_parameter(each), value[order])
        _set(lstm.get_parameter("bias_hh_l0"), np.zeros(4 * width))
    _set_head(model.head, arrays)
    return model


def _recurrent(name: str, arrays: Arrays) -> NDArray[Any]:
    """Return the recurrent matrix of an LSTM [width, 4 width]: a file has it whole or in parts."""
    whole = f"{name}.R"
    if whole in arrays:
        return arrays[whole]
    return np.concatenate([arrays[whole + suffix] for suffix in CUT_SUFFIXES], axis=1)


def _classifier(metadata: Metadata, arrays: Arrays) -> RecurrentClassifier:
    table, folded = _table(arrays)
    config = _config(ClassifierConfig, metadata)
    if not config.reads_ngrams and folded is not None:
        config = _config(ClassifierConfig, metadata, embedding=table.shape[1])
    model = RecurrentClassifier(config)
    if isinstance(model.embedding, CodedEmbedding):
        # The first layer takes n-grams: it passes the embedding on, so the table is just that.
        _set(model.embedding.vectors, (table if folded is None else folded)[:, :-1])
        folded = None
    else:
        _set(model.embedding.weight, table)
    for index, layer in enumerate(model.cells()):
        cell = layer.cell if isinstance(layer, PassThrough) else layer
        for name, parameter in cell.named_parameters():
            if not parameter.numel():
                continue  # no n-gram has vectors, or evidence: the file has no such table
            if index or folded is None:
                value = arrays[f"cell{index}.{name}"]
            else:
                value = _first_weight(name, arrays, folded)
            _set(parameter, value if value.shape == tuple(parameter.shape) else value.T)
        if isinstance(cell, NGramCell) and cell.frequent:
            _set(cell.row_of, arrays[f"cell{index}.row_of"])
    _set_head(model.readout, arrays)
    return model


def _first_weight(name: str, arrays: Arrays, table: NDArray[Any]) -> NDArray[Any]:
    """Return a weight of a folded first cell: `project` is x W + b of the rows of the table."""
    if name in ("W", "inputs.weight"):
        return table
    if name in ("b", "inputs.bias"):
        return np.zeros(table.shape[1], np.float32)
    return arrays[f"cell0.{name}"]


def _table(arrays: Arrays) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the embedding [tokens, width], and the folded table or None."""
    if "embedding" in arrays:
        return arrays["embedding"], None
    folded = arrays["input_table"]
    return np.eye(len(folded), dtype=np.float32), folded


def _set_head(head: torch.nn.Module, arrays: Arrays) -> None:
    linears = [each for each in head.modules() if isinstance(each, torch.nn.Linear)]
    for index, linear in enumerate(linears):
        _set(linear.weight, arrays[f"head{index}.W"].T)
        _set(linear.bias, arrays[f"head{index}.b"])


@torch.no_grad()
def _set(parameter: torch.Tensor, value: NDArray[Any]) -> None:
    if tuple(parameter.shape) != value.shape:
        raise ValueError(f"a weight has shape {value.shape}, not {tuple(parameter.shape)}")
    parameter.copy_(torch.from_numpy(value.copy()))


def _text_loss(source: Stepper) -> Loss:
    section = source.file.metadata.charlm
    assert section is not None
    start = source.file.metadata.vocabulary.index(section.start[0])
    uniform = np.random.default_rng(1).random((_STREAMS, _LENGTH), np.float32)
    begin = np.full((_STREAMS, 1), start)
    text, _ = source.draw(begin, source.zeros(_STREAMS), uniform, Sampling())

    def loss(stepper: Stepper) -> float:
        found = []
        states = [each.zeros(_STREAMS) for each in (source, stepper)]
        for piece in np.split(text, _LENGTH // _PIECE, 1):
            exact, states[0] = source.forward(piece, states[0])
            logits, states[1] = stepper.forward(piece, states[1])
            found.append(_cross_entropy(exact, logits))
        return float(np.mean(found))

    return loss


def _labels_loss(source: Stepper) -> Loss:
    size, random = len(source.file.metadata.vocabulary), np.random.default_rng(1)
    lengths = random.integers(1, _LONGEST + 1, size=_TEXTS)
    texts = Ragged.of([random.integers(size, size=length) for length in lengths])
    exact = last_logits(source, texts)
    return lambda stepper: _cross_entropy(exact, last_logits(stepper, texts))


def _cross_entropy(exact: NDArray[np.float32], logits: NDArray[np.float32]) -> float:
    """Return the mean of −Σ p log q, where p and q are the probabilities of logits [..., n]."""
    expected, found = _log_softmax(exact), _log_softmax(logits)
    return -float((np.exp(expected) * found).sum(-1).mean())


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    below = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    found: NDArray[np.float64] = below - np.log(np.exp(below).sum(-1, keepdims=True))
    return found
