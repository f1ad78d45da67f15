"""Evaluates a run or an exported file on data that it never saw.

For a character model, the figures are its loss in nats a character under named protocols. All
characters but the first are scored (see `evaluation.protocols` and `evaluation.dynamic`):

documents  for a model of documents, in place of the others: each document from the zero state
windows    windows of 256 characters, each from the zero state, all positions scored
stateful   one pass that carries the state from start to end
dynamic    stateful, and the weights keep learning from the text already read

For a classifier, they are those of `ClassifierFigures`.
"""

import tempfile
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_infer.conformal.threshold import threshold
from rnn_infer.contract import Metadata
from rnn_infer.labelling import Labeller
from rnn_infer.predictions import Choice
from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.tables.options import TableOptions
from rnn_infer.text.vocabulary import Unknown, Vocabulary
from rnn_train.data.corpus import encode_text
from rnn_train.data.datasets import open_texts
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.joining import FILE_MARK, LINE_MARK, Documents, Joining
from rnn_train.data.row_store import stored_rows
from rnn_train.errors import DataError, EvaluationError
from rnn_train.evaluation.answers import Answers
from rnn_train.evaluation.dynamic import dynamic_loss
from rnn_train.evaluation.figures import CharLMFigures, ClassifierFigures
from rnn_train.evaluation.protocols import Reader, TorchReader, documents_loss, static_losses
from rnn_train.exporting.metadata import draft
from rnn_train.progress import Log
from rnn_train.run_task import finished_task
from rnn_train.system_errors import system_errors
from rnn_train.tasks.charlm.overlap import shared_share
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.classifier.evaluated_rows import (
    evaluated_rows,
    logits_of_file,
    logits_of_run,
    readable,
    truth_of,
    with_truth,
)
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.training.device import pick_device
from rnn_train.wording import counted, percent

Prior = float | Literal["best"]
"""`prior` of `Classifier.classify`, or the one that the model's own held-out rows chose."""


@system_errors()
def evaluate(
    target: Path,
    data: Sequence[str],
    *,
    dynamic: bool = False,
    coverage: float | None = None,
    prior: Prior = 0.0,
    device: Device = "auto",
    log: Log = print,
    table: TableOptions | None = None,
    unknown: Unknown = "default",
    of_labels: str = "",
) -> CharLMFigures | ClassifierFigures:
    """Evaluates the averaged weights of a run, or an exported file, on data.

    Args:
        target: a run folder, or a `.onnx` file.
        data: sources as for training, for the model's kind.
        dynamic: use the protocol `dynamic` too, which needs a run of a character model.
        coverage: of a classifier: also measure its prediction sets for this coverage.
        prior: of a classifier: as in `Classifier.classify`; "best" is the one that the model's own
            held-out rows chose.
        device: where the model runs.
        log: takes one warning at a time.
        table: how files of labelled texts are read.
        unknown: what the model does with characters outside its vocabulary.
        of_labels: an option that needs labels. A character model is refused before it is scored.

    Raises:
        RnnTrainError, RnnInferError: the target or the data cannot be used.
    """
    wanted = _Wanted(target, coverage, prior, unknown, of_labels)
    if target.is_dir():
        return _evaluate_run(_Data(data, table, log), pick_device(device), wanted, dynamic)
    if dynamic:
        raise EvaluationError(
            f"{target}: an exported file cannot be trained, which dynamic evaluation does; "
            "name its run folder"
        )
    return _evaluate_file(target, _Data(data, table, log), device, wanted)


def _evaluate_run(
    data: "_Data", device: torch.device, wanted: "_Wanted", dynamic: bool
) -> CharLMFigures | ClassifierFigures:
    target, unknown = wanted.target, wanted.unknown
    with finished_task(target, data.log) as task:
        if isinstance(task, CharLMTask):
            wanted.refuse_classifier_options(data.table)
        elif dynamic:
            raise EvaluationError(
                f"{target}: dynamic evaluation is for character models; drop --dynamic"
            )
        result = task.measure(task.model)
        metadata = draft(task.model, task.card(result), "float32", draws=False)
        vocabulary = Vocabulary(metadata)
        task.model.to(device)
        if isinstance(task, CharLMTask):
            if unknown == "default":
                return _evaluate_charlm(task, data, result.temperature, dynamic)
            tokens = _tokens(data.sources, vocabulary, unknown, task.plan.joining)
            return _charlm_figures(task, tokens, result.temperature, dynamic, data.log)
        assert isinstance(task, ClassifierTask)
        wanted.check(metadata)
        with ExitStack() as opened:
            rows = read = opened.enter_context(data.rows(task.data.alphabet.labels))
            _warn(float(np.isin(rows.keys(), task.data.train.keys()).mean()), data.log)
            if unknown != "default":
                pairs = readable(rows, vocabulary, unknown)
                read = opened.enter_context(stored_rows(data.sources[0], pairs))
            found = logits_of_run(task.model, task.data.alphabet, read)
            return wanted.figures(map(result.calibration.apply_, found), rows, metadata)


def _evaluate_charlm(
    task: CharLMTask, data: "_Data", temperature: float, dynamic: bool
) -> CharLMFigures:
    corpus, joining = task.data.corpus, task.plan.joining
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.bin"
        files = open_texts(data.sources)
        tokens = encode_text(files, corpus.vocabulary, corpus.unknown, path, joining=joining).tokens
        figures = _charlm_figures(task, tokens, temperature, dynamic, data.log)
        del tokens  # it maps a file that the end of this block removes
    return figures


def _charlm_figures(
    task: CharLMTask, tokens: NDArray[np.integer], temperature: float, dynamic: bool, log: Log
) -> CharLMFigures:
    if dynamic and task.plan.joining.documents:
        raise EvaluationError("dynamic evaluation reads one text, not documents; drop --dynamic")
    _warn(shared_share(tokens, task.data.mark, task.data), log)
    reader = TorchReader(task.model, temperature)
    nats = _losses(reader, tokens, len(task.data.corpus.vocabulary), task.data.mark)
    if dynamic:
        nats["dynamic"] = dynamic_loss(task.model, tokens, task.data.train, temperature)
    return CharLMFigures(len(tokens) - 1, nats)


def _warn(share: float, log: Log) -> None:
    """Logs a warning if the run has learnt some of the data."""
    if share:
        log(
            f"warning: {percent(share)} of the data stands in the training data of the run too, so "
            "the figures are too good"
        )


def _evaluate_file(
    path: Path, data: "_Data", device: Device, wanted: "_Wanted"
) -> CharLMFigures | ClassifierFigures:
    stepper = Stepper.open(path, device=device)
    metadata = stepper.file.metadata
    if metadata.classifier is None:
        wanted.refuse_classifier_options(data.table)
        return _evaluate_charlm_file(stepper, data.sources, wanted.unknown)
    wanted.check(metadata)
    labeller = Labeller(stepper, metadata.classifier)
    # The file normalizes texts itself, if its rules say so.
    with data.rows(labeller.labels, normalized=False) as rows:
        return wanted.figures(logits_of_file(labeller, rows, wanted.unknown), rows, metadata)


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
        raise DataError(
            f"{data[0]}: {counted(len(tokens), 'character')} of text; at least 2 are needed"
        )
    return tokens


def _losses(
    model: Reader, tokens: NDArray[np.integer], outputs: int, mark: int | None
) -> dict[str, float]:
    """Scores a text, or documents with the token `mark` between them."""
    if mark is None:
        return static_losses(model, tokens, outputs)
    return {"documents": documents_loss(model, tokens, outputs, mark)}


@dataclass(frozen=True)
class _Wanted:
    """What to measure of a classifier."""

    target: Path
    coverage: float | None
    prior: Prior
    unknown: Unknown
    of_labels: str

    def __post_init__(self) -> None:
        number = 1.0 if self.prior == "best" else self.prior
        Choice(prior=number, coverage=self.coverage)  # it refuses wrong values

    def refuse_classifier_options(self, table: TableOptions | None) -> None:
        """Refuses options that need labels, and those of a table."""
        columns = vars(table or TableOptions())
        others = {"--coverage": self.coverage is not None, "--prior": self.prior != 0}
        others |= {f"--{each.replace('_', '-')}": columns[each] is not None for each in columns}
        if given := [*filter(others.get, others), *filter(None, [self.of_labels])]:
            raise EvaluationError(
                f"{self.target}: a character model, which has no labels; drop {given[0]}"
            )

    def check(self, metadata: Metadata) -> None:
        """Checks, before long work, that the model has what is asked for."""
        self._threshold(metadata)
        self._prior(metadata)

    def figures(
        self, logits: Iterable[Tensor], rows: EncodedRows, metadata: Metadata
    ) -> ClassifierFigures:
        """Computes the figures.

        Args:
            logits: [some rows, labels], calibrated, in order.
            rows: texts and labels.
            metadata: of the model.
        """
        assert metadata.classifier is not None
        labels, log_prior = metadata.classifier.labels, metadata.classifier.log_prior
        blocks = with_truth(logits, truth_of(rows, labels))
        prior = self._prior(metadata)
        answers = Answers.of_blocks(blocks, len(rows), log_prior, prior, self._threshold(metadata))
        return ClassifierFigures.of(answers, labels, keys=rows.keys(), prior=prior)

    def _threshold(self, metadata: Metadata) -> float | None:
        assert metadata.classifier is not None
        held_out = metadata.classifier.held_out
        return None if self.coverage is None else threshold(held_out, self.coverage)

    def _prior(self, metadata: Metadata) -> float:
        if self.prior != "best":
            return self.prior
        best = metadata.training.get("best_prior")
        if not isinstance(best, int | float):
            raise EvaluationError(
                f"{self.target}: has no best prior, because nothing was held out in its training; "
                "give a number"
            )
        return float(best)


@dataclass(frozen=True)
class _Data:
    """Labelled texts to evaluate on."""

    sources: Sequence[str]
    table: TableOptions | None
    log: Log

    def rows(
        self, labels: Sequence[str], normalized: bool = True
    ) -> AbstractContextManager[EncodedRows]:
        """Opens the rows of a model with these labels."""
        return evaluated_rows(self.sources, self.table, labels, self.log, normalized)
