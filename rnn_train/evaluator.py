"""How good a model is on data it never saw, each figure under a named protocol.

A character model is scored in nats a character, on every character but the first:

windows    windows of 256 characters, each from the zero state, all positions scored
stateful   one pass, the state carried from start to end
dynamic    stateful, and the weights follow the text already read (see `adaptation`)

A classifier is scored by accuracy, macro-F1, top-3 accuracy, nats, calibration error and each
label's precision, recall and F1.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from rnn_infer.classifier import Classifier
from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.text.vocabulary import Vocabulary
from rnn_train.data.corpus import encode_text
from rnn_train.data.datasets import open_texts
from rnn_train.data.labelled import Rows, read_rows
from rnn_train.errors import DataError, EvaluationError
from rnn_train.evaluation.classification import TableFigures, held_out_logits, table_figures
from rnn_train.evaluation.dynamic import dynamic_loss
from rnn_train.evaluation.language_model import TextFigures, TorchReader, static_losses
from rnn_train.pipeline import finished_task
from rnn_train.progress import Log
from rnn_train.tasks.registry import CharLMTask, ClassifierTask
from rnn_train.training.device import pick_device


def evaluate(
    target: Path,
    data: Sequence[str],
    *,
    dynamic: bool = False,
    device: Device = "auto",
    log: Log = print,
) -> TextFigures | TableFigures:
    """Scores a run's averaged weights, or an exported file, on data.

    Args:
        target: a run folder, or a `.onnx` file.
        data: sources as for training, of the model's kind.
        dynamic: score a character model's run under the protocol `dynamic`, too.

    Raises:
        RnnTrainError, RnnInferError: target or data cannot be used.
    """
    if not target.is_dir():
        if dynamic:
            raise EvaluationError(
                f"{target}: dynamic evaluation trains on while it reads, which an exported file "
                "cannot; name its run folder"
            )
        return _evaluate_file(target, data, device)
    where = pick_device(device)
    with finished_task(target, log) as task:
        temperature = task.measure(task.model).temperature
        task.model.to(where)
        if isinstance(task, CharLMTask):
            return _evaluate_charlm(task, data, temperature, dynamic)
        assert isinstance(task, ClassifierTask)
        if dynamic:
            raise EvaluationError(f"{target}: dynamic evaluation is for character models")
        rows = _rows(data, task.alphabet.labels)
        logits, labels = held_out_logits(task.model, task.alphabet, rows)
        return table_figures(logits / temperature, labels, task.alphabet.labels)


def _evaluate_file(path: Path, data: Sequence[str], device: Device) -> TextFigures | TableFigures:
    stepper = Stepper.open(path, device=device)
    metadata = stepper.file.metadata
    if metadata.kind == "charlm":
        text = "".join(chunk for file in open_texts(data) for chunk in file.chunks())
        tokens = Vocabulary(metadata).encode(text)
        if len(tokens) < 2:
            raise DataError(f"{data[0]}: {len(tokens)} characters of text; at least 2 are needed")
        nats = static_losses(stepper, tokens, len(metadata.vocabulary))
        return TextFigures(len(tokens) - 1, nats)
    model = Classifier(stepper)
    rows = _rows(data, model.labels)
    place = {label: i for i, label in enumerate(model.labels)}
    probabilities = np.zeros((len(rows), len(place)))
    for row, answer in zip(
        probabilities, model.classify(list(rows.texts), top=len(place)), strict=True
    ):
        for each in answer.top:
            row[place[each.label]] = each.probability
    logits = torch.from_numpy(np.log(np.maximum(probabilities, 1e-30))).float()
    labels = torch.tensor([place[label] for label in rows.labels])
    return table_figures(logits, labels, model.labels)


def _evaluate_charlm(
    task: CharLMTask, data: Sequence[str], temperature: float, dynamic: bool
) -> TextFigures:
    vocabulary, unknown = task.corpus.vocabulary, task.corpus.unknown
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.bin"
        tokens = encode_text(open_texts(data), vocabulary, unknown, path).tokens
        nats = static_losses(TorchReader(task.model, temperature), tokens, len(vocabulary))
        if dynamic:
            nats["dynamic"] = dynamic_loss(task.model, tokens, task.train_tokens, temperature)
        figures = TextFigures(len(tokens) - 1, nats)
        del tokens  # mapped, and its file goes now
    return figures


def _rows(data: Sequence[str], labels: Sequence[str]) -> Rows:
    rows = read_rows(data)
    if new := sorted(set(rows.labels) - set(labels)):
        shown = ", ".join(map(repr, new[:5]))
        raise DataError(f"{data[0]}: labels that the model does not know: {shown}; drop their rows")
    return rows
