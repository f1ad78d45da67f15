"""Soft targets of exported character models."""

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rnn_infer.runtime import reading
from rnn_infer.runtime.stepper import Stepper
from rnn_train.data.corpus import build_corpus
from rnn_train.data.held_out import documents_of
from rnn_train.data.joining import Joining
from rnn_train.data.sources import TextFile
from rnn_train.data.streams import ArrayRing
from rnn_train.distillation import teachers as teachers_module
from rnn_train.distillation.teachers import Teachers, open_soft_targets
from rnn_train.errors import DataError, RunError
from rnn_train.training_session import TrainingReport


def expected(file: Path, tokens: np.ndarray) -> np.ndarray:
    """Probabilities after each token of a ring, read in one call."""
    stepper = Stepper.open(file)
    before = tokens[-256:]
    read = np.concatenate([before, tokens])[None].astype(np.int64)
    logits, _ = stepper.forward(read, stepper.zeros(1))
    return torch.softmax(torch.from_numpy(logits[0, len(before) :]), -1).numpy()


@pytest.mark.parametrize("length", [1000, 1023, 3600])
def test_soft_targets_are_the_arithmetic_mean_of_the_predictions(
    finished: TrainingReport, second_teacher: Path, story: Path, tmp_path: Path, length: int
) -> None:
    tokens = build_corpus([TextFile(story)], tmp_path / "corpus.bin").tokens[:length]
    path = tmp_path / "targets.bin"
    teachers = Teachers([finished.out, second_teacher])
    teachers.write_soft_targets(tokens, path)
    targets = open_soft_targets(path, len(teachers.vocabulary))
    assert targets.shape == (length, len(teachers.vocabulary))
    mean = (expected(finished.out, tokens) + expected(second_teacher, tokens)) / 2
    # Characters that are a few hundred places back change these models' predictions a little.
    assert np.abs(targets - mean).max() < 2e-3
    assert np.abs(targets.astype(np.float64).sum(-1) - 1).max() < 2e-3


@pytest.mark.parametrize("numbers", [1, 7 * 19, 2**22])
def test_soft_targets_do_not_depend_on_the_size_of_a_chunk(
    finished: TrainingReport,
    story: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    numbers: int,
) -> None:
    tokens = build_corpus([TextFile(story)], tmp_path / "corpus.bin").tokens[:1200]
    teachers = Teachers([finished.out])
    teachers.write_soft_targets(tokens, tmp_path / "whole.bin")
    monkeypatch.setattr(reading, "_CHUNK_LOGITS", numbers * 4)
    teachers.write_soft_targets(tokens, tmp_path / "parts.bin")
    assert (tmp_path / "parts.bin").read_bytes() == (tmp_path / "whole.bin").read_bytes()


def test_ring_of_mapped_soft_targets(tmp_path: Path) -> None:
    table = np.arange(60, dtype=np.float16).reshape(20, 3)
    table.tofile(tmp_path / "table.bin")
    mapped = open_soft_targets(tmp_path / "table.bin", 3)
    assert isinstance(mapped, np.memmap)
    starts = np.array([0, 7, 15, 18])
    rows = ArrayRing(mapped).rows(starts, 5)
    assert np.array_equal(rows, ArrayRing(table).rows(starts, 5))
    assert np.array_equal(rows[3], table[[18, 19, 0, 1, 2]])


def test_teachers_that_cannot_teach(
    finished: TrainingReport, finished_classifier: TrainingReport, foreign: TrainingReport
) -> None:
    with pytest.raises(DataError, match="no character model"):
        Teachers([finished_classifier.out])
    with pytest.raises(DataError, match=r"foreign\.onnx has another vocabulary than .*model\.onnx"):
        Teachers([finished.out, foreign.out])


def test_full_disk(
    finished: TrainingReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says how much room is needed: two bytes for each probability."""
    teachers = Teachers([finished.out])
    size = 1000 * len(teachers.vocabulary) * 2
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, size - 1))
    path = tmp_path / "targets.bin"
    with pytest.raises(RunError, match=r"soft targets take 0\.0 GB"):
        teachers.write_soft_targets(np.zeros(1000, np.uint8), path)
    assert not path.exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, size))
    teachers.write_soft_targets(np.zeros(1000, np.uint8), path)
    assert path.stat().st_size == size


@pytest.mark.parametrize("numbers", [1, 2**22])
def test_documents_are_read_each_from_the_zero_state(
    finished: TrainingReport,
    second_teacher: Path,
    story: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    numbers: int,
) -> None:
    joining = Joining(documents="line")
    corpus = build_corpus([TextFile(story)], tmp_path / "corpus.bin", joining=joining)
    tokens, mark = corpus.tokens[:900], corpus.vocabulary.index("\n")
    tokens = tokens[: int(np.flatnonzero(tokens == mark)[-1]) + 1]
    monkeypatch.setattr(teachers_module, "_DOCUMENTS", 5)
    monkeypatch.setattr(reading, "_CHUNK_LOGITS", numbers)
    teachers = Teachers([finished.out, second_teacher])
    teachers.write_soft_targets(tokens, tmp_path / "targets.bin", mark)
    targets = open_soft_targets(tmp_path / "targets.bin", len(teachers.vocabulary))
    assert len(targets) == len(tokens)
    assert not targets[-1].any(), "no document begins at the last mark"
    steppers = [Stepper.open(each) for each in (finished.out, second_teacher)]
    documents = documents_of(tokens, mark)
    assert len(documents) > 10
    for begin, end in documents.tolist():
        read = tokens[None, begin:end].astype(np.int64)
        logits = [torch.from_numpy(each.forward(read, each.zeros(1))[0][0]) for each in steppers]
        expected = torch.stack(logits).softmax(-1).mean(0).numpy()
        assert np.abs(targets[begin:end] - expected).max() < 1e-3


def test_teachers_read_a_text_as_the_run_does(
    finished: TrainingReport, start: Callable[..., TrainingReport], story: Path
) -> None:
    Teachers([finished.out]).check_mark(None)
    with pytest.raises(DataError, match=r"was not trained on documents; .*drop --documents"):
        Teachers([finished.out]).check_mark("\n")
    teachers = Teachers([start("charlm", story, documents="line").out])
    teachers.check_mark("\n")
    for mark in (None, "\x03"):
        with pytest.raises(DataError, match="on documents; give --documents line here too"):
            teachers.check_mark(mark)
