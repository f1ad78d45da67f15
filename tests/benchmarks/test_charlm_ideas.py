"""Shuffled streams read every piece once an epoch; the arithmetic mean is that of probabilities."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import charlm_ablation, charlm_ideas
from benchmarks.charlm_ablation import IDEAS, VARIANTS, measure
from benchmarks.charlm_ideas import PIECE, ShuffledStreams
from rnn_train.data.streams import ArrayRing
from rnn_train.distillation.teachers import open_soft_targets


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


def test_mean_is_of_probabilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"sure": [0.75, 0.25], "not": [0.25, 0.75], "half": [0.5, 0.5]}

    class Fake:
        vocabulary = ("a", "b")

        def __init__(self, files: list[Path]) -> None:
            self._row = rows[files[0].name]

        def write_soft_targets(self, tokens: NDArray[np.int64], path: Path) -> None:
            path.write_bytes(np.tile(np.array(self._row, "<f2"), (len(tokens), 1)).tobytes())

    monkeypatch.setattr(charlm_ideas, "Teachers", Fake)
    out = tmp_path / "mean.bin"
    for teachers, expected in ((["sure", "not"], [0.5, 0.5]), (["sure", "half"], [0.625, 0.375])):
        charlm_ideas.write_arithmetic_mean([Path(n) for n in teachers], np.zeros(9, np.int64), out)
        assert open_soft_targets(out, 2).tolist() == [expected] * 9


@pytest.mark.parametrize("name", IDEAS[3:])
def test_ideas_are_trained(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        charlm_ablation, "MODEL", charlm_ablation.MODEL | {"embedding": 8, "hidden": 16}
    )
    text = "".join(chr(97 + i * i % 11) for i in range(3000))
    figures = measure(text, text[:500], VARIANTS[name], seed=0, epochs=1)
    assert 0 < figures["held_out_nats_per_char"] < np.log(11) + 1
