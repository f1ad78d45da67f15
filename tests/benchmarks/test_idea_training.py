"""Shuffled streams read every piece once an epoch; growing ones read what the usual ones read."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.idea_training import PIECE, GrowingStreams, MuonPerGate, ShuffledStreams, TwoAhead
from rnn_train.data.streams import ArrayRing, Streams
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training.optimizers.muon import Muon
from rnn_train.training.run import Run


def test_an_epoch_reads_every_piece_once_in_another_order() -> None:
    text = np.arange(3 * 2 * PIECE * 4 + 5)
    streams = ShuffledStreams(ArrayRing(text), batch=2, window=4, seed=1)
    assert streams.windows == 3 * PIECE
    epochs = []
    for epoch in range(2):
        steps = range(epoch * streams.windows, (epoch + 1) * streams.windows)
        read = [streams.window(step) for step in steps]
        tokens = np.stack([np.asarray(each[0]) for each in read])
        assert np.unique(tokens[:, :, :-1]).size == tokens[:, :, :-1].size
        assert [step for step, each in enumerate(read) if each[1]] == [0, PIECE, 2 * PIECE]
        inside = tokens[1:PIECE, :, 0] == tokens[: PIECE - 1, :, -1]
        assert inside.all(), "a stream goes on inside a piece"
        epochs.append(tokens[::PIECE, :, 0])
    assert not np.array_equal(np.argsort(epochs[0].flatten()), np.argsort(epochs[1].flatten()))


def test_streams_over_another_text_are_shuffled_alike() -> None:
    streams = ShuffledStreams(ArrayRing(np.arange(600)), batch=2, window=4, seed=1)
    other = streams.over(ArrayRing(np.arange(600) * 2))
    assert np.array_equal(other.window(7)[0], np.asarray(streams.window(7)[0]) * 2)
    assert np.array_equal(
        streams.aligned(streams.text, 7), np.asarray(streams.window(7)[0])[:, :-1]
    )


def test_growing_streams_read_what_the_usual_ones_read() -> None:
    text = ArrayRing(np.arange(1000))
    usual = Streams(text, batch=3, window=8, seed=5)
    count = 2 * usual.windows + 3
    growing = GrowingStreams(text, batch=3, window=8, seed=5, usual=count).over(text)
    read = [growing.window(step) for step in range(growing.steps)]
    lengths = [each[0].shape[1] - 1 for each in read]
    assert lengths == sorted(lengths)
    assert (lengths[0], lengths[-1]) == (2, 8)
    expected = [usual.window(step) for step in range(count)]
    for place in (slice(None, -1), slice(1, None)):  # the inputs, the targets
        got = np.concatenate([each[0][:, place] for each in read], 1)
        assert np.array_equal(got, np.concatenate([each[0][:, place] for each in expected], 1))
    fresh = [place for place, each in zip(np.cumsum([0, *lengths]), read, strict=False) if each[1]]
    assert fresh == [8 * step for step, each in enumerate(expected) if each[1]]


def test_second_head_learns_the_character_after_the_next(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("abcd" * 300, "utf-8")
    request = CharLMRequest(
        data=(str(tmp_path / "text.txt"),),
        epochs=1,
        model={"hidden": 16, "embedding": 8},
        training={"batch": 4, "window": 12},
    )
    run = Run.create("charlm", tmp_path / "run")
    task = CharLMTask.create(run, request, Settings(device="cpu"))
    objective = TwoAhead(task, torch.device("cpu"))
    loss, characters = objective.loss(0)
    assert characters == 48
    loss.backward()  # type: ignore[no-untyped-call]
    weights = [p for name, p in task.model.named_parameters() if "ahead" in name]
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=0.05)
    assert len(weights) == 2
    assert all(weight.grad is not None and weight.grad.any() for weight in weights)
    for step in range(1, 40):
        optimizer.step()
        optimizer.zero_grad()
        loss = objective.loss(step)[0]
        loss.backward()  # type: ignore[no-untyped-call]
    run.close()
    assert loss < 0.2, "both characters follow from the one that was read"


def test_each_gate_gets_an_orthogonal_update() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(4 * 6, 6))
    weight.grad = torch.randn(4 * 6, 6)
    alone = MuonPerGate([weight], lr=1.0)
    alone.step()
    for gate in weight.detach().chunk(4):
        values = torch.linalg.svdvals(gate) / (0.2 * 6**0.5)
        assert values.min() > 0.6
        assert values.max() < 1.3
    whole = nn.Parameter(torch.zeros(4 * 6, 6))
    whole.grad = weight.grad
    Muon([whole], lr=1.0).step()
    assert torch.linalg.svdvals(whole.detach()[:6]).min() < 0.6 * 0.2 * 6**0.5
    assert alone.state_dict()["state"], "the mean of the gradients is kept"
