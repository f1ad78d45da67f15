"""Training on a GPU. The tests are skipped on a machine without one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import rnn_infer
from rnn_train import pipeline
from rnn_train.data.streams import ArrayRing, Streams
from rnn_train.data.transfer import DeviceRing
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest
from rnn_train.training.config import TrainingConfig
from rnn_train.training.loop import Trainer
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

DEVICE = torch.device("cuda")
TEXT = np.tile(np.random.default_rng(0).integers(9, size=50), 800).astype(np.uint8)
NAMES = tuple("abcdefghi")

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


def trainer(folder: Path, capture: bool, **model: Any) -> Trainer:
    torch.manual_seed(0)
    config = CharLSTMConfig(vocabulary=9, embedding=16, hidden=64, skip=True, **model)
    training = TrainingConfig(batch=32, window=128, muon=0.5, capture=capture)
    objective = CharLMObjective(
        CharLSTM(config).to(DEVICE),
        Streams(ArrayRing(TEXT), training.batch, training.window, 0),
        TEXT[:0],
        NAMES,
        0,
        DEVICE,
        capture=capture,
    )
    run = Run.create("charlm", folder)
    run.write_config({})
    return Trainer(run, objective, Schedule(4e-3, steps=10**6, minutes=None), training, DEVICE)


def losses(subject: Trainer, steps: int) -> list[float]:
    """Trains some steps. Returns the smoothed loss after each."""
    found = []
    for _ in range(steps):
        subject.take_step(4e-3)
        found.append(subject.counters.loss)
    return found


def weights(subject: Trainer) -> list[Tensor]:
    return [each.detach().float().cpu() for each in subject.objective.model.parameters()]


def test_replay_learns_as_launching_does(tmp_path: Path) -> None:
    no_dropout: dict[str, Any] = dict.fromkeys(
        ("dropout_input", "dropout_layer", "dropout_output"), 0.0
    )
    replayed = trainer(tmp_path / "replayed", capture=True, **no_dropout)
    launched = trainer(tmp_path / "launched", capture=False, **no_dropout)
    with_graph, without_graph = losses(replayed, 60), losses(launched, 60)
    assert with_graph[-1] < 0.8 * with_graph[0], "it did not learn"
    np.testing.assert_allclose(with_graph, without_graph, rtol=0.02)
    assert isinstance(replayed.objective, CharLMObjective)
    assert replayed.objective._pass is not replayed.objective.model, "nothing was captured"
    for one, other in zip(weights(replayed), weights(launched), strict=True):
        assert torch.cosine_similarity(one.flatten(), other.flatten(), 0) > 0.98


def test_each_replay_draws_new_dropout_masks(tmp_path: Path) -> None:
    subject = trainer(tmp_path / "run", capture=True, dropout_output=0.5)
    objective = subject.objective
    subject.take_step(0.0)  # the first step captures the graph
    with torch.autocast("cuda", torch.float16):
        # Step 0 opens an epoch, so it always starts from the zero state.
        found = {float(objective.loss(0)[0].detach()) for _ in range(4)}
    assert len(found) > 1


def test_text_is_on_the_gpu(tmp_path: Path) -> None:
    objective = trainer(tmp_path / "run", capture=False).objective
    assert isinstance(objective, CharLMObjective)
    assert isinstance(objective._streams.text, DeviceRing)
    window, _ = objective._streams.window(1)
    assert window.device.type == "cuda"
    expected, _ = Streams(ArrayRing(TEXT), 32, 128, 0).window(1)
    assert np.array_equal(window.cpu().numpy(), expected)


@pytest.mark.parametrize("with_teacher", [False, True])
def test_run_and_its_resumption(tmp_path: Path, with_teacher: bool) -> None:
    data = tmp_path / "text.txt"
    data.write_text("the cat saw the dog, and the dog saw the cat.\n" * 200)
    request = CharLMRequest(
        data=(str(data),),
        epochs=3,
        ensemble=int(with_teacher),
        model={"hidden": 48, "embedding": 16, "weight_drop": 0.1},
        training={"batch": 8, "window": 32},
    )
    out, folder = tmp_path / "model.onnx", tmp_path / "run"
    report = pipeline.train(request, out, folder=folder, device="cuda")
    assert report.metrics["held_out_nats_per_char"] < 2.5
    lm = rnn_infer.CharLM.load(out, device="cpu")
    assert len(lm.generate("the", length=30, seed=1)) == 30
    again = pipeline.resume(folder, tmp_path / "again.onnx", device="cuda")
    assert again.finished
    assert rnn_infer.CharLM.load(tmp_path / "again.onnx", device="cpu").generate(
        "the", length=30, seed=1
    ) == lm.generate("the", length=30, seed=1)


def table(folder: Path) -> Path:
    """Rows whose ends are their labels."""
    path, letters = folder / "names.csv", np.random.default_rng(0).choice([*"abcdefgh"], (400, 5))
    rows = [f"{''.join(row)}{('ka', 'son')[i % 2]},{i % 2}\n" for i, row in enumerate(letters)]
    path.write_text("text,label\n" + "".join(rows))
    return path


@pytest.mark.parametrize("ngrams", [1, 3])
def test_classifier_learns(tmp_path: Path, ngrams: int) -> None:
    """With vectors of n-grams, they are trained alone first, by an optimizer of their own."""
    request = ClassifierRequest(
        data=(str(table(tmp_path)),),
        epochs=6,
        model={
            "hidden": 16,
            "ngrams": ngrams,
            "evidence": 4 - ngrams,
            "ngram_rows": 64,
            "ngram_width": 8,
            "ngram_dropout": 0.3,
            "bag": ngrams > 1,
        },
        training={"batch": 16, "learning_rate": 1e-2, "tables": 5.0},
        ngrams_alone=0.4 if ngrams > 1 else 0.0,
    )
    report = pipeline.train(request, tmp_path / "m.onnx", folder=tmp_path / "run", device="cuda")
    assert report.metrics["accuracy"] > 0.9
    assert rnn_infer.Classifier.load(tmp_path / "m.onnx", device="cpu").classify("abeka").label


@pytest.mark.parametrize(("first", "then"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_run_goes_on_on_another_device(tmp_path: Path, first: str, then: str) -> None:
    request = ClassifierRequest(data=(str(table(tmp_path)),), epochs=2, model={"hidden": 16})
    out, folder = tmp_path / "model.onnx", tmp_path / "run"
    before = pipeline.train(request, out, folder=folder, device=first)
    after = pipeline.resume(folder, tmp_path / "more.onnx", epochs=1, device=then)
    assert after.finished
    assert after.metrics["accuracy"] > before.metrics["accuracy"] - 0.1
