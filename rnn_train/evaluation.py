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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_infer.classifier import Classifier
from rnn_infer.device import Device
from rnn_infer.stepper import Stepper
from rnn_infer.text import Vocabulary
from rnn_train import classifier, metrics
from rnn_train.adaptation import dynamic_loss
from rnn_train.charlm import bits
from rnn_train.corpus import encode_text
from rnn_train.datasets import open_texts
from rnn_train.errors import DataError, EvaluationError
from rnn_train.job import Say
from rnn_train.jobs import CharLMJob, ClassifierJob
from rnn_train.labelled import Rows, read_rows
from rnn_train.metrics import Reliability
from rnn_train.models import CharLSTM
from rnn_train.pipeline import finished_job
from rnn_train.training import pick_device

WINDOW = 256
_BATCH = 32
_MAX_LOGITS = 2**23
"""Numbers of one call's logits."""
State = tuple[Any, ...]


@dataclass(frozen=True)
class TextFigures:
    """Of a character model."""

    characters: int
    """Scored ones."""
    nats_per_char: dict[str, float]
    """By protocol."""

    def draw(self, folder: Path) -> list[Path]:
        """Raises `EvaluationError`: there is nothing to draw."""
        del folder
        raise EvaluationError("plots are of classifiers; leave --plots out")

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        protocols = {
            name: {"nats_per_char": nats, "bits_per_char": bits(nats)}
            for name, nats in self.nats_per_char.items()
        }
        return {"kind": "charlm", "characters": self.characters, "protocols": protocols}

    def as_text(self) -> str:
        """A few lines."""
        lines = [f"{self.characters:,} characters scored"]
        for name, nats in self.nats_per_char.items():
            lines.append(f"{name:10}{nats:.4f} nats/char  {bits(nats):.4f} bits/char")
        return "\n".join(lines)


@dataclass(frozen=True)
class LabelFigures:
    """Of one label."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class TableFigures:
    """Of a classifier."""

    rows: int
    metrics: dict[str, float]
    labels: tuple[LabelFigures, ...]
    truth: NDArray[np.int64] = field(repr=False, compare=False)
    """Index of each row's label, [rows]."""
    answers: NDArray[np.int64] = field(repr=False, compare=False)
    """Index of the label that it was given, [rows]."""
    reliability: Reliability = field(repr=False, compare=False)

    def draw(self, folder: Path) -> list[Path]:
        """Which labels are taken for which, and how far answers can be trusted, as PNG."""
        from rnn_train import plots  # slow to import

        folder.mkdir(parents=True, exist_ok=True)
        names = [each.label for each in self.labels]
        return plots.classifier_plots(self.truth, self.answers, self.reliability, names, folder)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        labels = [asdict(each) for each in self.labels]
        return {"kind": "classifier", "rows": self.rows, **self.metrics, "labels": labels}

    def as_text(self) -> str:
        """The figures, and a table of the labels."""
        lines = [f"{self.rows:,} rows scored"]
        lines += [f"{name.replace('_', ' ')}: {value:.4f}" for name, value in self.metrics.items()]
        width = max(len(each.label) for each in self.labels)
        lines += ["", f"{'label':{width}}  precision  recall      f1    rows"]
        lines += [
            f"{each.label:{width}}  {each.precision:9.3f}  {each.recall:6.3f}  {each.f1:6.3f}  "
            f"{each.rows:6}"
            for each in self.labels
        ]
        return "\n".join(lines)


def evaluate(
    target: Path,
    data: Sequence[str],
    *,
    dynamic: bool = False,
    device: Device = "auto",
    say: Say = print,
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
    with finished_job(target, say) as job:
        temperature = job.judge(job.model).temperature
        job.model.to(where)
        if isinstance(job, CharLMJob):
            return _evaluate_charlm(job, data, temperature, dynamic)
        assert isinstance(job, ClassifierJob)
        if dynamic:
            raise EvaluationError(f"{target}: dynamic evaluation is for character models")
        rows = _rows(data, job.alphabet.labels)
        logits, labels = classifier.held_out_logits(job.model, job.alphabet, rows)
        return _table_figures(logits / temperature, labels, job.alphabet.labels)


def _evaluate_file(path: Path, data: Sequence[str], device: Device) -> TextFigures | TableFigures:
    stepper = Stepper.open(path, device=device)
    metadata = stepper.file.metadata
    if metadata.kind == "charlm":
        text = "".join(chunk for file in open_texts(data) for chunk in file.chunks())
        tokens = Vocabulary(metadata).encode(text)
        if len(tokens) < 2:
            raise DataError(f"{data[0]}: {len(tokens)} characters of text; at least 2 are needed")
        nats = _static_losses(stepper, tokens, len(metadata.vocabulary))
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
    return _table_figures(logits, labels, model.labels)


# --- character models -----------------------------------------------------------------


class Reader(Protocol):
    """A model that reads tokens; `rnn_infer.Stepper` is one."""

    def zeros(self, batch: int) -> State:
        """The state before the first token."""

    def forward(self, tokens: NDArray[np.int64], state: Any) -> tuple[NDArray[np.float32], State]:
        """Tokens [batch, time] → logits [batch, time, n], and the state after them."""


class _TorchReader:
    def __init__(self, model: CharLSTM, temperature: float) -> None:
        self._model = model
        self._temperature = temperature

    def zeros(self, batch: int) -> State:
        return self._model.zeros(batch)

    @torch.inference_mode()
    def forward(self, tokens: NDArray[np.int64], state: Any) -> tuple[NDArray[np.float32], State]:
        device = self._model.embedding.weight.device
        logits, after = self._model(torch.from_numpy(tokens).to(device), state)
        return (logits.float() / self._temperature).cpu().numpy(), after


def _evaluate_charlm(
    job: CharLMJob, data: Sequence[str], temperature: float, dynamic: bool
) -> TextFigures:
    vocabulary, unknown = job.corpus.vocabulary, job.corpus.unknown
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.bin"
        tokens = encode_text(open_texts(data), vocabulary, unknown, path).tokens
        nats = _static_losses(_TorchReader(job.model, temperature), tokens, len(vocabulary))
        if dynamic:
            nats["dynamic"] = dynamic_loss(job.model, tokens, job.train_tokens, temperature)
        figures = TextFigures(len(tokens) - 1, nats)
        del tokens  # mapped, and its file goes now
    return figures


def _static_losses(model: Reader, tokens: NDArray[np.integer], outputs: int) -> dict[str, float]:
    return {
        "windows": windowed_loss(model, tokens, outputs),
        "stateful": stateful_loss(model, tokens, outputs),
    }


def windowed_loss(model: Reader, tokens: NDArray[np.integer], outputs: int) -> float:
    """Nats a character over windows of 256 that know nothing of what stands before them.

    Args:
        tokens: [characters], at least 2.
        outputs: width of the logits.
    """
    scored = len(tokens) - 1
    starts = range(0, scored - WINDOW + 1, WINDOW)
    batch = max(1, min(_BATCH, _MAX_LOGITS // (WINDOW * outputs)))
    total = 0.0
    for i in range(0, len(starts), batch):
        rows = [tokens[start : start + WINDOW + 1] for start in starts[i : i + batch]]
        total += _nats(model, np.stack(rows), model.zeros(len(rows)))[0]
    if rest := scored % WINDOW:
        total += _nats(model, tokens[None, -rest - 1 :], model.zeros(1))[0]
    return total / scored


def stateful_loss(model: Reader, tokens: NDArray[np.integer], outputs: int) -> float:
    """Nats a character of one pass that carries the state. Arguments: as `windowed_loss`."""
    scored = len(tokens) - 1
    size = max(1, min(WINDOW, _MAX_LOGITS // outputs))
    state, total = model.zeros(1), 0.0
    for begin in range(0, scored, size):
        nats, state = _nats(model, tokens[None, begin : begin + size + 1], state)
        total += nats
    return total / scored


def _nats(model: Reader, rows: NDArray[np.integer], state: State) -> tuple[float, State]:
    """Summed over rows [batch, time + 1], inputs and targets overlapping by one."""
    tokens: NDArray[np.int64] = rows.astype(np.int64)
    logits, after = model.forward(tokens[:, :-1], state)
    targets = np.take_along_axis(logits, tokens[:, 1:, None], -1)[..., 0]
    highest = logits.max(-1)
    normalizer = highest + np.log(np.exp(logits - highest[..., None]).sum(-1))
    return float((normalizer - targets).sum(dtype=np.float64)), after


# --- classifiers ----------------------------------------------------------------------


def _rows(data: Sequence[str], labels: Sequence[str]) -> Rows:
    rows = read_rows(data)
    if new := sorted(set(rows.labels) - set(labels)):
        shown = ", ".join(map(repr, new[:5]))
        raise DataError(f"{data[0]}: labels that the model does not know: {shown}; drop their rows")
    return rows


def _table_figures(logits: Tensor, truth: Tensor, labels: Sequence[str]) -> TableFigures:
    figures = tuple(
        LabelFigures(name, int(each["rows"]), each["precision"], each["recall"], each["f1"])
        for name, each in metrics.by_label(logits, truth, labels).items()
    )
    return TableFigures(
        len(truth),
        metrics.summary(logits, truth),
        figures,
        truth.numpy(),
        logits.argmax(-1).numpy(),
        metrics.reliability(logits, truth),
    )
