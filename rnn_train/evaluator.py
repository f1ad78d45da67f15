"""Evaluates a run or an exported file on data that it never saw.

For a character model, the figures are its loss in nats a character under named protocols. All
characters but the first are scored (see `evaluation.protocols` and `evaluation.dynamic`):

documents  for a model of documents, in place of the others: each document from the zero state
windows    windows of 256 characters, each from the zero state, all positions scored
stateful   one pass that carries the state from start to end
dynamic    stateful, and the weights keep learning from the text already read

For a classifier, they are accuracy, macro-F1, top-3 accuracy, nats, calibration error, and
precision, recall and F1 of each label.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_infer.classifier import Classifier
from rnn_infer.conformal.threshold import threshold
from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.tables.options import TableOptions
from rnn_infer.text.vocabulary import Unknown, Vocabulary
from rnn_train.data.corpus import encode_text
from rnn_train.data.datasets import open_texts
from rnn_train.data.joining import FILE_MARK, LINE_MARK, Documents, Joining
from rnn_train.data.labelled import read_rows
from rnn_train.data.rows import Rows
from rnn_train.errors import DataError, EvaluationError
from rnn_train.evaluation.classification import held_out_logits
from rnn_train.evaluation.dynamic import dynamic_loss
from rnn_train.evaluation.figures import CharLMFigures, ClassifierFigures
from rnn_train.evaluation.protocols import (
    Reader,
    TorchReader,
    documents_loss,
    static_losses,
)
from rnn_train.exporting.metadata import draft
from rnn_train.progress import Log
from rnn_train.run_task import finished_task
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.training.device import pick_device


def evaluate(
    target: Path,
    data: Sequence[str],
    *,
    dynamic: bool = False,
    coverage: float | None = None,
    device: Device = "auto",
    log: Log = print,
    table: TableOptions | None = None,
    unknown: Unknown = "default",
) -> CharLMFigures | ClassifierFigures:
    """Evaluates the averaged weights of a run, or an exported file, on data.

    Args:
        target: a run folder, or a `.onnx` file.
        data: sources as for training, for the model's kind.
        dynamic: use the protocol `dynamic` too, which needs a run of a character model.
        coverage: of a classifier: also measure its prediction sets for this coverage.
        device: where the model runs.
        log: takes one warning at a time.
        table: how files of labelled texts are read.
        unknown: what the model does with characters outside its vocabulary.

    Raises:
        RnnTrainError, RnnInferError: the target or the data cannot be used.
    """
    if not target.is_dir():
        if dynamic:
            raise EvaluationError(
                f"{target}: an exported file cannot be trained, which dynamic evaluation does; "
                "name its run folder"
            )
        return _evaluate_file(target, _Data(data, table, log), device, unknown, coverage)
    where = pick_device(device)
    with finished_task(target, log) as task:
        result = task.measure(task.model)
        temperature = result.temperature
        vocabulary = Vocabulary(draft(task.model, task.card(result), "float32", draws=False))
        task.model.to(where)
        if isinstance(task, CharLMTask):
            _refuse_sets(coverage)
            if unknown == "default":
                return _evaluate_charlm(task, data, temperature, dynamic)
            tokens = _tokens(data, vocabulary, unknown, task.plan.joining)
            return _charlm_figures(task, tokens, temperature, dynamic)
        assert isinstance(task, ClassifierTask)
        if dynamic:
            raise EvaluationError(
                f"{target}: dynamic evaluation is for character models; drop --dynamic"
            )
        scores = result.scores(temperature) if result.scores else None
        limit = None if coverage is None else threshold(scores, coverage)
        rows = _Data(data, table, log).rows(task.data.alphabet.labels)
        if unknown != "default":
            rows = _readable(rows, vocabulary, unknown)
        return _evaluate_classifier(task, rows, temperature, limit)


def _refuse_sets(coverage: float | None) -> None:
    if coverage is not None:
        raise EvaluationError("prediction sets are of classifiers; drop --coverage")


def _evaluate_charlm(
    task: CharLMTask, data: Sequence[str], temperature: float, dynamic: bool
) -> CharLMFigures:
    corpus, joining = task.data.corpus, task.plan.joining
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.bin"
        files = open_texts(data)
        tokens = encode_text(files, corpus.vocabulary, corpus.unknown, path, joining=joining).tokens
        figures = _charlm_figures(task, tokens, temperature, dynamic)
        del tokens  # it maps a file that the end of this block removes
    return figures


def _charlm_figures(
    task: CharLMTask, tokens: NDArray[np.integer], temperature: float, dynamic: bool
) -> CharLMFigures:
    if dynamic and task.plan.joining.documents:
        raise EvaluationError("dynamic evaluation reads one text, not documents; drop --dynamic")
    reader = TorchReader(task.model, temperature)
    nats = _losses(reader, tokens, len(task.data.corpus.vocabulary), task.data.mark)
    if dynamic:
        nats["dynamic"] = dynamic_loss(task.model, tokens, task.data.train, temperature)
    return CharLMFigures(len(tokens) - 1, nats)


def _readable(rows: Rows, vocabulary: Vocabulary, unknown: Unknown) -> Rows:
    """Replaces or leaves out unknown characters, as an exported file does.

    Raises:
        UnknownCharacterError: a text has one, and `unknown` is "error".
        DataError: nothing is left of a text.
    """
    texts = tuple(vocabulary.decode(vocabulary.encode(text, unknown)) for text in rows.texts)
    if "" in texts:
        text = rows.texts[texts.index("")]
        raise DataError(
            f"text {text!r:.60} has no character the model knows; there is nothing to classify"
        )
    return Rows(texts, rows.labels)


def _evaluate_classifier(
    task: ClassifierTask, rows: Rows, temperature: float, limit: float | None
) -> ClassifierFigures:
    alphabet = task.data.alphabet
    logits, labels = held_out_logits(task.model, alphabet, rows)
    return ClassifierFigures.of(logits / temperature, labels, alphabet.labels, limit)


def _evaluate_file(
    path: Path, data: "_Data", device: Device, unknown: Unknown, coverage: float | None
) -> CharLMFigures | ClassifierFigures:
    stepper = Stepper.open(path, device=device)
    if stepper.file.metadata.kind == "charlm":
        _refuse_sets(coverage)
        return _evaluate_charlm_file(stepper, data.sources, unknown)
    return _evaluate_classifier_file(Classifier(stepper), data, unknown, coverage)


def _evaluate_charlm_file(stepper: Stepper, data: Sequence[str], unknown: Unknown) -> CharLMFigures:
    metadata = stepper.file.metadata
    vocabulary = Vocabulary(metadata)
    kinds: dict[str | None, Documents] = {LINE_MARK: "line", FILE_MARK: "file"}
    joining = Joining(documents=kinds.get(vocabulary.end))
    tokens = _tokens(data, vocabulary, unknown, joining)
    nats = _losses(stepper, tokens, len(metadata.vocabulary), vocabulary.mark)
    return CharLMFigures(len(tokens) - 1, nats)


def _tokens(
    data: Sequence[str], vocabulary: Vocabulary, unknown: Unknown, joining: Joining
) -> NDArray[np.int64]:
    """Reads texts as an exported file does."""
    text = "".join(chunk.text for chunk in joining.read(open_texts(data)))
    tokens = vocabulary.encode(text, unknown)
    if len(tokens) < 2:
        raise DataError(f"{data[0]}: {len(tokens)} characters of text; at least 2 are needed")
    return tokens


def _losses(
    model: Reader, tokens: NDArray[np.integer], outputs: int, mark: int | None
) -> dict[str, float]:
    """Scores a text, or documents with the token `mark` between them."""
    if mark is None:
        return static_losses(model, tokens, outputs)
    return {"documents": documents_loss(model, tokens, outputs, mark)}


def _evaluate_classifier_file(
    model: Classifier, data: "_Data", unknown: Unknown, coverage: float | None
) -> ClassifierFigures:
    section = model.metadata.classifier
    scores = section.held_out if section else None
    limit = None if coverage is None else threshold(scores, coverage)
    rows = data.rows(model.labels)
    index = {label: i for i, label in enumerate(model.labels)}
    probabilities = np.zeros((len(rows), len(index)))
    predictions = model.classify(list(rows.texts), top=len(index), unknown=unknown)
    for row, prediction in zip(probabilities, predictions, strict=True):
        for each in prediction.top:
            row[index[each.label]] = each.probability
    logits = torch.from_numpy(np.log(np.maximum(probabilities, 1e-30))).float()
    labels = torch.tensor([index[label] for label in rows.labels])
    return ClassifierFigures.of(logits, labels, model.labels, limit)


@dataclass(frozen=True)
class _Data:
    """Labelled texts to evaluate on."""

    sources: Sequence[str]
    table: TableOptions | None
    log: Log

    def rows(self, labels: Sequence[str]) -> Rows:
        """Reads the rows of a model with these labels."""
        rows = read_rows(self.sources, self.table, labels, self.log)
        if new := sorted(set(rows.labels) - set(labels)):
            shown = ", ".join(map(repr, new[:5]))
            raise DataError(
                f"{self.sources[0]}: labels that the model does not know: {shown}; drop these "
                "rows, or name another --label-column"
            )
        return rows
