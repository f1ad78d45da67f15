"""Scores under their protocols: against sums done the slow way, and a run against its file."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import rnn_infer
from rnn_infer.errors import ModelFileError, UnknownCharacterError
from rnn_train.errors import DataError, EvaluationError, RunError
from rnn_train.evaluation import language_model
from rnn_train.evaluation.classification import TableFigures
from rnn_train.evaluation.dynamic import Adaptation, dynamic_loss
from rnn_train.evaluation.language_model import (
    TextFigures,
    TorchReader,
    stateful_loss,
    windowed_loss,
)
from rnn_train.evaluator import evaluate
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.pipeline import Report


class Memory:
    """A model whose logits depend on all that was read since the zero state."""

    outputs = 5

    def __init__(self) -> None:
        self.weights = np.random.default_rng(1).normal(size=(3, self.outputs))
        self.calls: list[tuple[int, int]] = []

    def zeros(self, batch: int) -> tuple[Any, ...]:
        return (np.zeros(batch),)

    def forward(
        self, tokens: NDArray[np.int64], state: Any
    ) -> tuple[NDArray[np.float32], tuple[Any, ...]]:
        assert tokens.dtype == np.int64
        self.calls.append((tokens.shape[0], tokens.shape[1]))
        (memory,) = state
        logits = np.empty((*tokens.shape, self.outputs), np.float32)
        for i in range(tokens.shape[1]):
            memory = 0.9 * memory + tokens[:, i]
            features = np.stack([memory, np.sin(memory), np.ones_like(memory)], 1)
            logits[:, i] = features @ self.weights
        return logits, (memory,)

    def slowly(self, tokens: NDArray[np.integer], begin: int) -> list[float]:
        """Nats of each token after `begin`, read from the zero state there."""
        logits, _ = Memory().forward(tokens[None, begin:-1].astype(np.int64), self.zeros(1))
        rows = torch.log_softmax(torch.from_numpy(logits[0]).double(), -1)
        return [-float(row[token]) for row, token in zip(rows, tokens[begin + 1 :], strict=True)]


def random_tokens(length: int) -> NDArray[np.integer]:
    return np.random.default_rng(length).integers(Memory.outputs, size=length).astype(np.uint8)


LENGTHS = [2, 3, 256, 257, 258, 513, 514, 256 * 40 + 7]


@pytest.mark.parametrize("length", LENGTHS)
def test_windows(length: int) -> None:
    tokens, memory = random_tokens(length), Memory()
    nats: list[float] = []
    for begin in range(0, length - 1, 256):
        nats += memory.slowly(tokens[: begin + 257], begin)
    assert len(nats) == length - 1
    assert windowed_loss(memory, tokens, memory.outputs) == pytest.approx(sum(nats) / len(nats))
    assert sum(batch * time for batch, time in memory.calls) == length - 1
    assert max(batch for batch, _ in memory.calls) <= 32


@pytest.mark.parametrize("length", LENGTHS)
def test_stateful(length: int) -> None:
    tokens, memory = random_tokens(length), Memory()
    nats = memory.slowly(tokens, 0)
    assert stateful_loss(memory, tokens, memory.outputs) == pytest.approx(sum(nats) / len(nats))
    assert sum(batch * time for batch, time in memory.calls) == length - 1


def test_many_outputs_are_read_in_small_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = random_tokens(2000)
    expected = [loss(Memory(), tokens, 5) for loss in (windowed_loss, stateful_loss)]
    monkeypatch.setattr(language_model, "_MAX_LOGITS", 3000)
    memory = Memory()
    assert windowed_loss(memory, tokens, 5) == pytest.approx(expected[0])
    assert max(batch for batch, _ in memory.calls) == 2
    memory.calls.clear()
    monkeypatch.setattr(language_model, "_MAX_LOGITS", 300)
    assert stateful_loss(memory, tokens, 5) == pytest.approx(expected[1])
    assert max(time for _, time in memory.calls) == 60


# --- a run and its file ---------------------------------------------------------------


def text_figures(target: Path, data: Path, **options: Any) -> TextFigures:
    figures = evaluate(target, [str(data)], device="cpu", log=print, **options)
    assert isinstance(figures, TextFigures)
    return figures


def test_run_and_file_agree(finished: Report, story: Path) -> None:
    of_run = text_figures(finished.folder, story, dynamic=True)
    of_file = text_figures(finished.out, story)
    assert list(of_run.nats_per_char) == ["windows", "stateful", "dynamic"]
    assert list(of_file.nats_per_char) == ["windows", "stateful"]
    assert of_run.characters == of_file.characters == 3999
    for name, nats in of_file.nats_per_char.items():
        assert nats == pytest.approx(of_run.nats_per_char[name], abs=1e-4)
    score = rnn_infer.CharLM.load(finished.out).score(story.read_text())
    assert score.nats_per_char == pytest.approx(of_file.nats_per_char["stateful"], abs=1e-6)


def test_text_figures_as_json(finished: Report, story: Path) -> None:
    figures = text_figures(finished.out, story)
    shown = figures.as_json()
    assert (shown["kind"], shown["characters"]) == ("charlm", 3999)
    for name, nats in figures.nats_per_char.items():
        each = shown["protocols"][name]
        assert each == {"nats_per_char": nats, "bits_per_char": pytest.approx(nats / math.log(2))}
        assert f"{name:10}{nats:.4f} nats/char" in figures.as_text()


@pytest.mark.parametrize("content", ["", "t"])
def test_too_short(finished: Report, tmp_path: Path, content: str) -> None:
    (tmp_path / "short.txt").write_text(content)
    for target in (finished.folder, finished.out):
        with pytest.raises(DataError, match=rf"short\.txt: {len(content)} characters .*least 2"):
            text_figures(target, tmp_path / "short.txt")


def test_foreign_characters(finished: Report, tmp_path: Path) -> None:
    (tmp_path / "foreign.txt").write_text("the fox Ж sees a tree")
    with pytest.raises(DataError, match=r"foreign\.txt: 1 characters .*'Ж'"):
        text_figures(finished.folder, tmp_path / "foreign.txt")
    with pytest.raises(UnknownCharacterError, match="'Ж'"):
        text_figures(finished.out, tmp_path / "foreign.txt")


def test_no_target(story: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.onnx"):
        text_figures(Path("gone.onnx"), story)
    with pytest.raises(RunError, match="no run folder"):
        text_figures(tmp_path, story)


# --- dynamic evaluation ---------------------------------------------------------------

LINE = np.array([0, 1, 2, 3, 4, 3, 2, 1] * 60, np.uint8)


@pytest.fixture
def model() -> CharLSTM:
    config = CharLSTMConfig(vocabulary=5, embedding=6, hidden=12, layers=2, weight_drop=0.5)
    return CharLSTM(config).eval()


def test_it_follows_the_text(model: CharLSTM) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    static = stateful_loss(TorchReader(model, 1.0), LINE, 5)
    followed = dynamic_loss(model, LINE, random_tokens(3000), 1.0, Adaptation(rate=0.01))
    assert followed < static - 0.05, "a text that repeats itself is soon foretold"
    assert not model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_it_is_stateful_where_nothing_is_learnt(model: CharLSTM, temperature: float) -> None:
    static = stateful_loss(TorchReader(model, temperature), LINE, 5)
    still = dynamic_loss(model, LINE, random_tokens(3000), temperature, Adaptation(rate=0.0))
    assert still == pytest.approx(static, abs=1e-5)


def test_it_scores_before_it_learns(model: CharLSTM) -> None:
    """One segment alone is scored by the trained weights, at any rate."""
    piece, how = LINE[:21], Adaptation(rate=0.5)
    static = stateful_loss(TorchReader(model, 1.0), piece, 5)
    assert dynamic_loss(model, piece, random_tokens(3000), 1.0, how) == pytest.approx(static)
    longer = LINE[:22]
    static = stateful_loss(TorchReader(model, 1.0), longer, 5)
    moved = dynamic_loss(model, longer, random_tokens(3000), 1.0, how)
    assert moved != pytest.approx(static, abs=1e-3)


def test_it_is_pulled_back(model: CharLSTM) -> None:
    """At full pull only the last segment is remembered, so that less is learnt."""
    training = random_tokens(3000)
    free, pulled = (
        dynamic_loss(model, LINE, training, 1.0, Adaptation(rate=0.01, decay=decay))
        for decay in (0.0, 1e9)
    )
    assert free < pulled - 0.1


# --- classifiers ----------------------------------------------------------------------


def table_figures(target: Path, data: Path) -> TableFigures:
    figures = evaluate(target, [str(data)], device="cpu")
    assert isinstance(figures, TableFigures)
    return figures


def test_classifier_run_and_file_agree(finished_classifier: Report, table: Path) -> None:
    of_run = table_figures(finished_classifier.folder, table)
    of_file = table_figures(finished_classifier.out, table)
    assert of_run.rows == of_file.rows == 80
    assert of_run.labels == of_file.labels
    assert of_run.metrics == pytest.approx(of_file.metrics, abs=1e-4)


def test_labels_are_counted(finished_classifier: Report, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("badoka,east\nbadoson,north\nbadoka,north\n")
    figures = table_figures(finished_classifier.out, tmp_path / "few.csv")
    answers = rnn_infer.Classifier.load(finished_classifier.out)
    given = [answers.classify(text).label for text in ("badoka", "badoson", "badoka")]
    truth = ["east", "north", "north"]
    for each in figures.labels:
        hits = sum(a == t == each.label for a, t in zip(given, truth, strict=True))
        assert each.rows == truth.count(each.label)
        assert each.recall == pytest.approx(hits / each.rows)
        assert each.precision == pytest.approx(hits / max(1, given.count(each.label)))
    right = sum(a == t for a, t in zip(given, truth, strict=True))
    assert figures.metrics["accuracy"] == pytest.approx(right / 3)


def test_table_figures_as_json(finished_classifier: Report, table: Path) -> None:
    figures = table_figures(finished_classifier.out, table)
    shown = figures.as_json()
    assert (shown["kind"], shown["rows"]) == ("classifier", 80)
    assert set(shown) >= {"accuracy", "macro_f1", "top_3_accuracy", "calibration_error"}
    assert [each["label"] for each in shown["labels"]] == ["east", "north"]
    assert set(shown["labels"][0]) == {"label", "rows", "precision", "recall", "f1"}
    assert "precision  recall" in figures.as_text()
    assert figures.as_text().count("\n") > 6


def test_unknown_label(finished_classifier: Report, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("badoka,east\nbadoka,west\n")
    for target in (finished_classifier.folder, finished_classifier.out):
        with pytest.raises(DataError, match=r"rows\.csv: labels .*'west'"):
            table_figures(target, tmp_path / "rows.csv")


def test_dynamic_is_for_runs_of_character_models(
    finished: Report, finished_classifier: Report, story: Path, table: Path
) -> None:
    with pytest.raises(EvaluationError, match="name its run folder"):
        evaluate(finished.out, [str(story)], dynamic=True)
    with pytest.raises(EvaluationError, match="for character models"):
        evaluate(finished_classifier.folder, [str(table)], dynamic=True, device="cpu")
