"""Blocks of rows with their answers: each row has its own, each text is asked for once."""

import gc
import io
import random
from collections.abc import Iterator

import pytest

from rnn_infer.cli import answered as module
from rnn_infer.cli.answered import answered
from rnn_infer.errors import UnknownCharacterError
from rnn_infer.predictions import Prediction
from rnn_infer.tables.table import Table


def table_of(texts: list[str]) -> Table:
    content = "id,text\n" + "".join(f"{i},{text}\n" for i, text in enumerate(texts))
    return Table.open(io.BytesIO(content.encode()), name="a.csv", text_column="text")


def predictions(texts: list[str]) -> list[Prediction]:
    return [Prediction(text, ("A",), (1.0,)) for text in texts]


def write(found: list[Prediction]) -> list[str]:
    return [f"<{each.text}>" for each in found]


@pytest.fixture
def asked() -> list[str]:
    return []


def answers_of(table: Table, asked: list[str]) -> Iterator[tuple[str, str]]:
    def classify(texts: list[str]) -> list[Prediction]:
        asked.extend(texts)
        return predictions(texts)

    for rows, found in answered(table, classify, write, 1):
        yield from zip([row.text for row in rows], found, strict=True)


@pytest.mark.parametrize("kept", [0, 5, 1000])
def test_each_row_has_its_answer(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], kept: int
) -> None:
    monkeypatch.setattr(module, "_ROWS", 7)
    monkeypatch.setattr(module, "_PIECE", 3)
    monkeypatch.setattr(module, "_KEPT", kept)
    chance = random.Random(kept)
    texts = [chance.choice(["", "a", "b", "c", "d", "e", "f", "g", "h"]) for _ in range(100)]
    assert list(answers_of(table_of(texts), asked)) == [(text, f"<{text}>") for text in texts]
    if kept == 1000:
        assert sorted(asked) == sorted(set(texts))
    else:
        assert len(asked) < len(texts)


def test_long_texts_end_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHARACTERS", 20)
    monkeypatch.setattr(module, "_FIRST_PIECE", 1)
    monkeypatch.setattr(module, "_PIECE", 1)
    texts = ["x" * 15, "y" * 15, "z" * 15]
    blocks = answered(table_of(texts), predictions, write, 1)
    assert [len(rows) for rows, _ in blocks] == [2, 1]


def test_answers_of_long_texts_are_not_kept(
    monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    """Two blocks have few characters each, and too many together."""
    monkeypatch.setattr(module, "_ROWS", 2)
    monkeypatch.setattr(module, "_CHARACTERS", 20)
    texts = ["x" * 8, "y", "z" * 8, "y", "v" * 8, "y"]
    assert [text for text, _ in answers_of(table_of(texts), asked)] == texts
    assert asked == ["x" * 8, "y", "z" * 8, "v" * 8, "y"]


def test_a_block_of_long_texts_has_few_rows() -> None:
    texts = ["x" * (module._CHARACTERS // 20)] * 200
    rows, _ = next(iter(answered(table_of(texts), predictions, write, 1)))
    assert len(rows) == 16 + 32


@pytest.mark.parametrize(("labels", "rows"), [(1, 5), (3, 3), (8, 1), (100, 1)])
def test_a_block_of_answers_with_many_labels_has_few_rows(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], labels: int, rows: int
) -> None:
    """Nor are many of these answers kept."""
    monkeypatch.setattr(module, "_ROWS", 5)
    monkeypatch.setattr(module, "_LABELS", 10)

    def classify(texts: list[str]) -> list[Prediction]:
        asked.extend(texts)
        return predictions(texts)

    texts = [*"abcdefghijklmnop", "a"]
    blocks = list(answered(table_of(texts), classify, write, labels))
    assert {len(each) for each, _ in blocks[:-1]} == {rows}
    assert [answer for _, found in blocks for answer in found] == [f"<{text}>" for text in texts]
    assert asked == (texts[:-1] if labels == 1 else texts)


def test_error_of_a_text_comes_after_the_blocks_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_ROWS", 2)

    def classify(texts: list[str]) -> list[Prediction]:
        if "bad" in texts:
            raise ValueError("bad")
        return predictions(texts)

    blocks = answered(table_of(["a", "b", "c", "d", "bad", "e"]), classify, write, 1)
    assert [list(found) for _, found in (next(blocks), next(blocks))] == [
        ["<a>", "<b>"],
        ["<c>", "<d>"],
    ]
    with pytest.raises(ValueError, match="bad"):
        next(blocks)


def test_collector_is_off_only_for_the_blocks() -> None:
    assert gc.isenabled()
    blocks = answered(table_of(["a", "b"]), predictions, write, 1)
    next(blocks)
    assert not gc.isenabled()
    blocks.close()  # type: ignore[attr-defined]
    assert gc.isenabled()


def test_no_rows(asked: list[str]) -> None:
    assert list(answers_of(table_of([]), asked)) == []
    assert asked == []


@pytest.mark.parametrize("row", [0, 6, 13, 19])
def test_refused_text_is_named_with_its_row(monkeypatch: pytest.MonkeyPatch, row: int) -> None:
    """The first one of all; rows before its block are answered."""
    monkeypatch.setattr(module, "_ROWS", 7)
    texts = [f"text {i}" for i in range(20)]
    texts[row] = texts[-1] = "Ж"

    def classify(some: list[str]) -> list[Prediction]:
        if "Ж" in some:
            raise UnknownCharacterError("character 'Ж' is not in the vocabulary; remove it")
        return predictions(some)

    blocks = answered(table_of(texts), classify, write, 1)
    message = rf"^a\.csv: line {row + 2}: character 'Ж' is not in the vocabulary; remove it$"
    found: list[str] = []
    with pytest.raises(UnknownCharacterError, match=message):
        for rows, _ in blocks:
            found += [each.text for each in rows]
    assert found == texts[: row // 7 * 7]


def test_object_of_an_array_is_named() -> None:
    table = Table.open(io.BytesIO(b'[{"text": "a"}, {"text": "b"}]'), name="a.json")
    assert [table.place(each) for each in table] == ["a.json: object 1", "a.json: object 2"]
