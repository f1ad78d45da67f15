"""The comparison on texts: how a text is cut, and how an interrupted comparison goes on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import texts
from benchmarks.text_peers import PEERS
from benchmarks.texts import OURS, Case, Figures, Results, run


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.txt"
    path.write_text(text, "utf-8")
    return path


def test_future_is_the_last_tenth_with_known_characters(tmp_path: Path) -> None:
    case = Case.of(put(tmp_path, "a", "ab" * 90 + "a!" * 10))
    assert case.past == "ab" * 90
    assert case.future == "a" * 10


def test_documents_are_cut_between_two_lines(tmp_path: Path) -> None:
    case = Case.of(put(tmp_path, "names", "Anna\nBob\n" * 10))
    assert case.documents
    assert case.past.endswith("\n")
    assert case.past + case.future == "Anna\nBob\n" * 10
    assert case.future == "Anna\nBob\n"


def test_long_future_is_scored_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "SCORED", 7)
    assert Case.of(put(tmp_path, "a", "ab" * 500)).future == "abababa"


def test_interrupted_comparison_goes_on(tmp_path: Path) -> None:
    put(tmp_path, "a", "ab" * 100)
    put(tmp_path, "b", "ba" * 100)
    out, asked = tmp_path / "texts.json", []

    def measure(name: str, case: Case, minutes: float, threads: int) -> Figures:
        asked.append((name, case.name, minutes))
        assert threads == 3
        if len(asked) == 4:
            raise KeyboardInterrupt
        return {"nats": 1.23456}

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, [2, 0.5], Results(out), threads=3, measure=measure)
    assert json.loads(out.read_text("utf-8"))["cells"][0]["contestants"][OURS]["nats"] == 1.2346
    run(tmp_path, [2, 0.5], Results(out), threads=3, measure=measure)
    every = [(n, text, m) for m in (0.5, 2) for text in "ab" for n in (OURS, *PEERS)]
    assert asked == every[:4] + every[3:]
    content = json.loads(out.read_text("utf-8"))
    assert [set(cell["contestants"]) for cell in content["cells"]] == [{OURS, *PEERS}] * 4
    assert content["machine"]["system"]


def test_score_has_its_processor_and_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a", "ab" * 100)
    out, asked = tmp_path / "texts.json", []

    def measure(name: str, *_: object) -> Figures:
        asked.append(name)
        return {"nats": 1.0}

    for cpu, contestant in (("A", "plain nn.LSTM"), ("B", OURS)):
        facts = {"cpu": cpu, "instructions": [cpu.lower()]}
        monkeypatch.setattr(texts, "machine", facts.copy)
        run(tmp_path, [1], Results(out), contestants=[contestant], measure=measure)
    scores = json.loads(out.read_text("utf-8"))["cells"][0]["contestants"]
    assert {name: each["cpu"] for name, each in scores.items()} == {"plain nn.LSTM": "A", OURS: "B"}
    assert [each["instructions"] for each in scores.values()] == [["a"], ["b"]]
    assert asked == list(scores)
    assert all(len(each["date"]) == len("2026-01-31") for each in scores.values())


def test_changed_text_is_measured_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def measure(name: str, case: Case, minutes: float, threads: int) -> Figures:
        asked.append(f"{name} {case.name} {minutes} {threads}")
        return {"nats": 1.0}

    for text in ("ab" * 100, "ab" * 100, "ba" * 100):
        put(tmp_path, "a", text)
        run(tmp_path, [1], Results(tmp_path / "out.json"), measure=measure)
    assert len(asked) == 2 * len([OURS, *PEERS])
    assert len(json.loads((tmp_path / "out.json").read_text("utf-8"))["cells"]) == 1


def test_other_threads_are_another_cell(tmp_path: Path) -> None:
    put(tmp_path, "a", "ab" * 100)

    def measure(name: str, case: Case, minutes: float, threads: int) -> Figures:
        assert (name, case.name, minutes) in [(each, "a", 1) for each in (OURS, *PEERS)]
        return {"nats": float(threads)}

    for threads in (1, 2):
        run(tmp_path, [1], Results(tmp_path / "out.json"), threads=threads, measure=measure)
    cells = json.loads((tmp_path / "out.json").read_text("utf-8"))["cells"]
    assert [(c["threads"], c["contestants"][OURS]["nats"]) for c in cells] == [(1, 1.0), (2, 2.0)]


def test_nothing_begins_after_the_hours(tmp_path: Path) -> None:
    put(tmp_path, "a", "ab" * 100)

    def measure(name: str, case: Case, minutes: float, threads: int) -> Figures:
        raise AssertionError(name, case, minutes, threads)

    run(tmp_path, [1], Results(tmp_path / "out.json"), hours=0, measure=measure)


def test_wrong_texts_are_named(tmp_path: Path) -> None:
    results = Results(tmp_path / "out.json")
    with pytest.raises(SystemExit, match="no text; make some"):
        run(tmp_path, [1], results)
    put(tmp_path, "a", "ab" * 100)
    with pytest.raises(SystemExit, match="has no b; it has a"):
        run(tmp_path, [1], results, only=["b"])


def test_share_of_the_processor_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> dict[str, float]:
        subprocess.run([sys.executable, "-S", "-c", "sum(range(3_000_000))"], check=True)
        return {"nats": 1.0}

    monkeypatch.setattr(texts, "peer", busy)
    case = Case("a", "", "", "")
    one, two = (texts.measured("plain nn.LSTM", case, 1.0, threads) for threads in (1, 1000))
    assert one["nats"] == 1.0
    assert 0 < one["cpu_share"] < 1.5  # the clock of CPU time is coarse
    assert two["cpu_share"] < one["cpu_share"]


def test_scores_of_two_processes_are_kept(tmp_path: Path) -> None:
    put(tmp_path, "a", "ab" * 100)
    out = tmp_path / "texts.json"

    def measure(name: str, *_: object) -> Figures:
        if name == OURS:  # meanwhile another process keeps the score of a peer
            run(tmp_path, [1], Results(out), contestants=["plain nn.LSTM"], measure=measure)
        return {"nats": 1.0}

    run(tmp_path, [1], Results(out), contestants=[OURS], measure=measure)
    cells = json.loads(out.read_text("utf-8"))["cells"]
    assert [set(cell["contestants"]) for cell in cells] == [{OURS, "plain nn.LSTM"}]
