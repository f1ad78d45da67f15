"""`rnn-infer classify`: predictions as text and as JSON, traces, and bad options."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from rnn_infer import Classifier

Run = Callable[..., Result]
Printed = Callable[..., str]

ANSWER = {"text", "label", "probability", "top", "known"}


def rows(printed: str) -> list[Any]:
    return [json.loads(line) for line in printed.splitlines()]


TEXTS = ["Rossi", "O'Neill", "Müller"]


def test_classify_json(good: Printed, names: str, data: Path) -> None:
    found = rows(good("classify", "--model", names, *TEXTS, "--top", "2", "--json"))
    expected = Classifier.load(data / "gru.onnx", device="cpu").classify(TEXTS, top=2)
    for row, prediction in zip(found, expected, strict=True):
        assert set(row) == ANSWER
        assert (row["text"], row["label"]) == (prediction.text, prediction.label)
        assert row["probability"] == prediction.probability
        assert row["top"] == [
            {"label": each.label, "probability": each.probability} for each in prediction.top
        ]


def test_classify_as_text(good: Printed, names: str) -> None:
    lines = good("classify", "--model", names, *TEXTS, "中国").splitlines()
    assert [line.split()[0] for line in lines] == [*TEXTS, "中国"]
    assert all("%" in line for line in lines)


def test_classify_trace(good: Printed, names: str) -> None:
    (row,) = rows(good("classify", "--model", names, "Rossi", "--trace", "--json"))
    assert set(row) == {"text", "trace"}
    assert [each["text"] for each in row["trace"]] == ["R", "Ro", "Ros", "Ross", "Rossi"]
    assert all(set(each) == ANSWER for each in row["trace"])
    (answer,) = rows(good("classify", "--model", names, "Rossi", "--json"))
    assert row["trace"][-1]["label"] == answer["label"]
    assert len(good("classify", "--model", names, "Rossi", "--trace").splitlines()) == 6


def test_classify_more_than_one_batch_in_order(
    good: Printed, names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_infer.cli.answered._ROWS", 7)
    sizes: list[int] = []
    classify = Classifier.classify

    def watched(self: Classifier, texts: list[str], **options: Any) -> Any:
        sizes.append(len(texts))
        return classify(self, texts, **options)

    monkeypatch.setattr(Classifier, "classify", watched)
    texts = [f"Name{'x' * (i % 20)}" for i in range(40)]
    path = tmp_path / "names.txt"
    path.write_text("\n".join(texts))
    printed = good("classify", "--model", names, "--input", str(path), "--json")
    assert [row["text"] for row in rows(printed)] == texts
    assert sizes == [7, 7, 6, 0, 0, 0]  # memory does not grow, and no text is classified twice


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give texts, or --input FILE"),
        (("Rossi", "--input", "-"), "give texts, or --input FILE"),
        (("Rossi", "--top", "0"), "--top"),
        (("Rossi", "--prior", "2"), "prior"),
        (("Rossi", "--prior", "nan"), "prior"),
        (("Rossi", ""), "text 1 is empty"),
        (("Rossi", "a\udcff"), "not UTF-8"),
        (("Rossi", "Ж", "--unknown", "error"), "command line: text 2: character 'Ж' (U+0416)"),
        (("Ж", "--unknown", "error", "--trace"), "command line: text 1: character 'Ж' (U+0416)"),
        (("Ж", "--unknown", "skip"), "nothing to classify"),
        (("Ж", "--unknown", "skip", "--trace"), "nothing to classify"),
        (("--input", "no such file.csv"), "no such file.csv: cannot be read"),
        (("--input", "."), ".: cannot be read"),
    ],
)
def test_bad_input_of_classify(
    bad: Printed, names: str, arguments: tuple[str, ...], said: str
) -> None:
    for extra in ((), ("--json",)):
        assert said in bad("classify", "--model", names, *arguments, *extra)
