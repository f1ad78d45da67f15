"""One command from a text to the figure of each protocol; it goes on where it was interrupted."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import rnn_train
from benchmarks import shakespeare
from benchmarks.shakespeare import Row, Split, spread
from benchmarks.texts import Case
from rnn_infer import CharLM
from rnn_train.training import checkpoint

TEXT = "ROMEO:\nGood morrow, cousin.\n\nBENVOLIO:\nIs the day so young?\n\n" * 40
MODEL = Path(__file__).parents[1] / "data" / "charlm.onnx"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shakespeare")
    (folder / "input.txt").write_text(TEXT, "utf-8")
    return folder


def call(
    place: Path, monkeypatch: pytest.MonkeyPatch, *words: str, runs: str = "runs"
) -> dict[str, Any]:
    """Runs the command in a folder, and returns the result."""
    monkeypatch.chdir(place)
    out = place / "result.json"
    command = ["shakespeare", "input.txt", "--threads", "1", "--runs", runs, "--out", str(out)]
    monkeypatch.setattr("sys.argv", [*command, *words])
    shakespeare.main()
    content: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return content


def test_split_is_that_of_nanogpt(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a" * 1_115_394, "utf-8")
    split = Split.of(path, 0.1)
    assert len(split.past) == 1_003_854
    assert len(split.future) == 111_540
    assert split.facts["held_out"] == 111_540
    assert Split.of(path, 1.0).past == ""


def test_seeds_are_trained_and_scored(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--epochs", "1", "--seeds", "3", "--dynamic")
    first = call(place, monkeypatch, *words)
    (row,) = first["runs"]
    assert set(row["nats_per_char"]) == {"windows", "stateful", "dynamic"}
    assert row["characters"] == first["data"]["held_out"] - 1
    assert row["hours"] > 0
    assert row["parameters"] > 0
    assert first["data"]["sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert first["command"].endswith("shakespeare input.txt --epochs 1 --seeds 3 --dynamic")
    assert str(place) not in json.dumps(first)

    def train(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(rnn_train, "train_charlm", train)
    assert call(place, monkeypatch, *words)["runs"] == first["runs"]
    run = place / "runs" / "1-epochs-seed-3"
    again = call(place, monkeypatch, "--models", str(run), str(run / "model.onnx"), "--dynamic")
    assert again["runs"][0]["nats_per_char"] == row["nats_per_char"]
    assert "dynamic" not in again["runs"][1]["nats_per_char"]
    assert set(again["spread"]) == {"windows", "stateful"}


def test_peer_learns_the_same_once_with_each_seed(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    class Trained:
        finished = True

    def peer(name: str, case: Case, minutes: float, threads: int, seed: int) -> dict[str, float]:
        calls.append((name, len(case.past), len(case.future), minutes, threads, seed))
        return {"nats": 2.0 + seed}

    def train(*_: Any, out: Path, **__: Any) -> Trained:
        out.parent.mkdir(exist_ok=True)
        return Trained()

    monkeypatch.setattr(shakespeare, "peer", peer)
    monkeypatch.setattr(rnn_train, "train_charlm", train)
    monkeypatch.setattr(checkpoint, "load_latest", lambda _: ({"elapsed": 9}, 1))
    monkeypatch.setattr(shakespeare, "_parameters", lambda _: 1)
    monkeypatch.setattr(shakespeare, "_scored", lambda *_: {"nats_per_char": {"stateful": 1.5}})
    words = ("--minutes", "0.5", "--seeds", "0", "1", "--peer")
    for _ in range(2):
        found = call(place, monkeypatch, *words, runs="beside")
        past = int(0.9 * len(TEXT))
        facts = (past, len(TEXT) - past, 0.5, 1)
        assert calls == [("plain nn.LSTM", *facts, 0), ("plain nn.LSTM", *facts, 1)]
        assert found["peer_spread"]["stateful"]["mean"] == 2.5
        assert found["command"].endswith("--minutes 0.5 --seeds 0 1 --peer")
    assert "plain nn.LSTM, stateful: mean 2.5000, 2.0000 to 3.0000" in capsys.readouterr().out


def test_models_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "".join(char for char in CharLM.load(MODEL).metadata.vocabulary if char) * 20
    (tmp_path / "input.txt").write_text(text, "utf-8", newline="")
    found = call(tmp_path, monkeypatch, "--models", str(MODEL), str(MODEL), "--held-out", "0.5")
    one, other = found["runs"]
    assert one == other
    assert one["sha256"] == hashlib.sha256(MODEL.read_bytes()).hexdigest()
    future = tmp_path / "future.txt"
    future.write_text(text[len(text) // 2 :], "utf-8", newline="")
    expected = rnn_train.evaluate(MODEL, [str(future)])
    assert isinstance(expected, rnn_train.CharLMFigures)
    assert one["nats_per_char"]["windows"] == round(expected.nats_per_char["windows"], 4)
    assert found["command"].endswith("input.txt --held-out 0.5 --models charlm.onnx charlm.onnx")
    assert "standard deviation 0.0000" in capsys.readouterr().out


def test_interruption_is_said(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        finished = False

    monkeypatch.setattr(rnn_train, "train_charlm", lambda *_, **__: Interrupted())
    with pytest.raises(SystemExit, match="130"):
        call(place, monkeypatch, "--epochs", "1", runs="others")
    assert "the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give --minutes, --epochs or --models"),
        (("--epochs", "1", "--peer"), "--peer needs --minutes"),
        (("--models", "no.onnx"), "no.onnx"),
        (("--models", str(MODEL.parent / "classifier.onnx")), "classifier"),
        (("--models", str(MODEL), "--held-out", "0"), "--held-out must be above 0"),
    ],
)
def test_wrong_calls_are_refused(
    words: tuple[str, ...],
    message: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as found:
        call(place, monkeypatch, *words)
    assert message in f"{found.value} {capsys.readouterr().err}"


def test_text_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no UTF-8 text"):
        Split.of(tmp_path / "no.txt", 0.1)
    (tmp_path / "latin.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(SystemExit, match="no UTF-8 text"):
        Split.of(tmp_path / "latin.txt", 0.1)


def test_spread_is_of_the_protocols_that_all_have() -> None:
    rows: list[Row] = [
        {"nats_per_char": {"windows": 1.0, "dynamic": 0.5}},
        {"nats_per_char": {"windows": 2}},
    ]
    assert spread(rows) == {
        "windows": {"mean": 1.5, "least": 1.0, "most": 2, "deviation": 0.7071},
    }
