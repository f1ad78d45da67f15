"""What a warm start takes from an earlier run, and which runs it refuses."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from rnn_train.distillation.warm_start import WarmStart
from rnn_train.errors import RunError
from rnn_train.training import checkpoint
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport


def test_earlier_run_is_read(finished: TrainingReport) -> None:
    warm = WarmStart.of(finished.run, {"hidden": 12, "dropout_output": 0.3})
    config = json.loads((finished.run / "config.json").read_text())
    assert ("".join(warm.vocabulary), warm.unknown) == (config["vocabulary"], config["unknown"])
    assert dataclasses.asdict(warm.model) == config["model"]
    state, _ = checkpoint.load_latest(finished.run / "checkpoints")
    average = checkpoint.averaged_weights(state)
    assert warm.weights.keys() == average.keys()
    assert all(torch.equal(value, average[name]) for name, value in warm.weights.items())
    assert any(not torch.equal(value, state["model"][name]) for name, value in average.items())


def test_earlier_run_is_free_again(finished: TrainingReport) -> None:
    WarmStart.of(finished.run, {})
    Run.open(finished.run).close()
    with pytest.raises(RunError):
        WarmStart.of(finished.run, {"hidden": 24})
    Run.open(finished.run).close()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"hidden": 24}, "hidden 12, which cannot change; drop --hidden"),
        ({"embedding": 24}, "embedding 6, which cannot change; drop --embedding"),
        ({"skip": False}, "skip True, which cannot change; drop --skip"),
        ({"layers": 3}, "drop --layers"),
        ({"head": 5}, "drop --head"),
    ],
)
def test_other_shape_is_refused(
    finished: TrainingReport, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        WarmStart.of(finished.run, asked)


def test_classifier_is_refused(finished_classifier: TrainingReport) -> None:
    with pytest.raises(RunError, match="no charlm run"):
        WarmStart.of(finished_classifier.run, {})


def test_missing_run_is_refused() -> None:
    with pytest.raises(RunError, match="no run folder"):
        WarmStart.of(Path("gone"), {})


def test_changed_run_is_refused(finished: TrainingReport, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished.run, tmp_path / "copy"))
    (folder / "corpus.bin").write_bytes(b"\0\1")
    with pytest.raises(RunError, match=r"changed since the last checkpoint: corpus\.bin"):
        WarmStart.of(folder, {})


def test_path_may_be_a_string(finished: TrainingReport) -> None:
    path: Any = str(finished.run)
    assert WarmStart.of(path, {}).folder == finished.run


def test_other_types_are_refused() -> None:
    path: Any = 7
    with pytest.raises(RunError, match="init_from must be the path of a run folder, got 7"):
        WarmStart.of(path, {})


def test_model_file_is_refused(finished: TrainingReport) -> None:
    with pytest.raises(RunError, match=r"is a model file.*such as runs/charlm-1"):
        WarmStart.of(finished.out, {})
