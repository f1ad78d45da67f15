"""The small shipped model: a run and its files from one command, which goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

import rnn_train
from benchmarks import small_model
from benchmarks.small_model import Amounts, Ledger, Maker
from rnn_infer import CharLM
from rnn_train.errors import RunError

TEACHER = Path(__file__).parents[1] / "data" / "charlm.onnx"
AMOUNTS = Amounts(streams=2, characters=300, epochs=1.0)


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    folder = tmp_path_factory.mktemp("small")
    lm = CharLM.load(TEACHER, device="cpu")
    text = folder / "text.txt"
    text.write_text(lm.generate("", length=12_000, seed=1), "utf-8", newline="")
    model = small_model.MODEL | {"hidden": 96, "embedding": 4}
    return Maker(text, folder / "runs", TEACHER, AMOUNTS, model)


@pytest.fixture(scope="module")
def result(maker: Maker) -> dict[str, Any]:
    return maker.make()


def test_result_has_every_file_and_loss(maker: Maker, result: dict[str, Any]) -> None:
    assert [row["learnt"] for row in result["models"]] == ["no", "no", "yes"]
    for row in result["models"]:
        assert set(row["nats_per_char"]) == {"windows", "stateful"}
    student, eight_bit, _ = result["models"]
    assert student["parameters"] == eight_bit["parameters"]
    assert eight_bit["bytes"] < student["bytes"]
    assert result["data"]["held_out"] == result["data"]["characters"] // 50
    assert str(maker.runs) not in json.dumps(result)


@pytest.mark.usefixtures("result")
def test_run_learns_the_written_text_and_the_real_one(maker: Maker) -> None:
    real = maker.text.read_text("utf-8")
    written = (maker.runs / "written-1.txt").read_text("utf-8")
    assert len(written) == 2 * AMOUNTS.characters + 1
    past = real.removesuffix((maker.runs / "held-out.txt").read_text("utf-8"))
    assert (maker.runs / "first.txt").read_text("utf-8") == written + "\n" + 2 * past


def test_finished_work_is_not_done_again(
    maker: Maker, result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(rnn_train, "train_charlm", train)
    monkeypatch.setattr(rnn_train, "resume", train)
    again = Maker(maker.text, maker.runs, TEACHER, AMOUNTS, maker.model).make()
    assert again["models"] == result["models"]
    assert again["cpu_hours"] == result["cpu_hours"]


@pytest.mark.usefixtures("result")
def test_folder_of_another_text_is_refused(maker: Maker, tmp_path: Path) -> None:
    text = tmp_path / "other.txt"
    text.write_text("dead beef\n" * 200, "utf-8")
    with pytest.raises(RunError, match="has work of another text, model; give another folder"):
        Maker(text, maker.runs, TEACHER, AMOUNTS, maker.model | {"hidden": 97}).make()
    assert Maker(maker.text, maker.runs, TEACHER, AMOUNTS, maker.model).make()


def test_interrupted_work_counts_but_is_not_finished(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "done.json")
    with pytest.raises(KeyboardInterrupt), ledger.work("a"):
        raise KeyboardInterrupt
    assert "a" in Ledger(tmp_path / "done.json").seconds
    assert Ledger(tmp_path / "done.json").finished == []
    with ledger.work("a"):
        pass
    assert Ledger(tmp_path / "done.json").finished == ["a"]
