"""A character model that starts from an earlier run: new characters, and what is forgotten."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rnn_train import api
from rnn_train.run_task import finished_task
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training import checkpoint
from rnn_train.training_session import TrainingReport

Start = Callable[..., TrainingReport]
NEW = "Ünd 名 wäre es nicht so, ζ?\n" * 100


@pytest.fixture
def sequel(tmp_path: Path) -> Path:
    path = tmp_path / "sequel.txt"
    path.write_text(NEW, "utf-8")
    return path


def tune(data: Path, earlier: Path, lines: list[str], **fields: object) -> TrainingReport:
    options = {"epochs": 1.0, "training": {"batch": 4, "window": 16}, **fields}
    request = CharLMRequest(data=(str(data),), init_from=earlier, **options)  # type: ignore[arg-type]
    return api.train_charlm(request, out="new.onnx", run="new", device="cpu", log=lines.append)


def test_new_characters(finished: TrainingReport, sequel: Path) -> None:
    lines: list[str] = []
    report = tune(sequel, finished.run, lines)
    config = json.loads(Path("new/config.json").read_text())
    before = json.loads((finished.run / "config.json").read_text())["vocabulary"]
    assert config["vocabulary"].startswith(before), "known characters keep their tokens"
    assert set(config["vocabulary"]) == set(before) | set(NEW)
    new = len(config["vocabulary"]) - len(before)
    expected = f"{len(before)} known characters keep their weights, {new} new characters get new"
    assert any(expected in line for line in lines)
    start = checkpoint.read(Path("new/initial.ckpt"))
    state, _ = checkpoint.load_latest(finished.run / "checkpoints")
    old = checkpoint.averaged_weights(state)
    assert torch.equal(start["embedding.weight"][: len(before)], old["embedding.weight"])
    assert torch.equal(start["layers.0.weight_hh_l0"], old["layers.0.weight_hh_l0"])
    assert "held_out_share_seen_before" not in report.metrics
    loss = "earlier_data_nats_per_char"
    assert report.metrics[loss] > report.metrics[f"{loss}_before"], "foreign text: it forgets"
    assert any("earlier data nats per char before:" in line for line in lines)
    again = api.resume("new", out="again.onnx", log=lambda _: None)
    assert again.out.read_bytes() == report.out.read_bytes()


def test_same_text_is_not_forgotten(finished: TrainingReport, story: Path) -> None:
    lines: list[str] = []
    report = tune(story, finished.run, lines)
    assert report.metrics["held_out_share_seen_before"] == 1
    assert any("was trained on about 100% of the held-out data" in line for line in lines)
    loss = "earlier_data_nats_per_char"
    assert report.metrics[loss] < report.metrics[f"{loss}_before"] + 0.02
    config = json.loads(Path("new/config.json").read_text())
    before = json.loads((finished.run / "config.json").read_text())
    assert config["vocabulary"] == before["vocabulary"]


def test_going_on_with_a_tuned_model(finished: TrainingReport, sequel: Path) -> None:
    tune(sequel, finished.run, [], epochs=0.2)
    assert api.resume("new", epochs=0.2, log=lambda _: None).finished
    with finished_task(Path("new"), lambda _: None) as task:
        assert isinstance(task, CharLMTask)
        assert len(task.plan.continued) == 1
