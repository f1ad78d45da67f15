"""New items: all different, none of them known, each up to its end."""

import math
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from rnn_infer import CharLM, OptionError
from rnn_infer import generation as module
from rnn_infer.text.vocabulary import Unknown

HOT: dict[str, Any] = {"temperature": 1.5, "seed": 3, "length": 60}
Run = Callable[..., Result]


def mark(document: dict[str, Any]) -> None:
    document["charlm"]["end"] = "\n"
    document["format_version"] = 2


@pytest.fixture
def documents_file(documented: Callable[..., Path]) -> Path:
    """A model of documents, each of one line."""
    return documented(mark)


@pytest.fixture
def documents(documents_file: Path) -> CharLM:
    return CharLM.load(documents_file, device="cpu")


def test_items_are_those_of_single_calls(documents: CharLM) -> None:
    """In the order of their seeds, without copies and without unfinished ones."""
    found = documents.new_items(30, **HOT)
    assert len({each.text for each in found}) == 30
    assert all(each.stopped == "\n" and each.text and "\n" not in each.text for each in found)
    expected: list[str] = []
    for seed in range(3, found[-1].seed + 1):
        (alone,) = documents.complete([""], **(HOT | {"seed": seed}))
        if alone.stopped and alone.text and alone.text not in expected:
            expected.append(alone.text)
    assert [each.text for each in found] == expected


def test_result_does_not_depend_on_the_batches(
    documents: CharLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = documents.new_items(20, **HOT)
    monkeypatch.setattr(module, "_BATCHES", range(1, 8))
    monkeypatch.setattr(module, "_ITEM_CHUNK", 3)
    assert documents.new_items(20, **HOT) == expected
    assert documents.new_items(5, **HOT) == expected[:5]


def test_known_items_do_not_come_out(documents: CharLM) -> None:
    free = [each.text for each in documents.new_items(20, **HOT)]
    rest = documents.new_items(10, exclude=[*free[::2], "never\r\n"], **HOT)
    assert [each.text for each in rest] == free[1::2]


def test_known_items_in_another_canonical_form_do_not_come_out(documents: CharLM) -> None:
    often: dict[str, Any] = {"logit_bias": {"é": 6.0}, **HOT}
    free = [each.text for each in documents.new_items(20, **often)]
    accented = [text for text in free if "é" in text]
    assert len(accented) > 5
    known = [unicodedata.normalize("NFD", each) + "☃"[: i % 2] for i, each in enumerate(accented)]
    rest = [each.text for each in documents.new_items(10, exclude=known, **often)]
    assert not set(accented[::2]) & set(rest)
    assert set(accented[1::2]) & set(rest)  # with a snowman they were other items


@pytest.mark.parametrize(("unknown", "read"), [("skip", "the"), ("fold", "the")])
def test_unknown_characters_of_the_prompt_are_part_of_the_item(
    documents: CharLM, unknown: Unknown, read: str
) -> None:
    """The known items are compared with what the command prints, and with what was read."""
    typed = "☃the" if unknown == "skip" else "ṫhe"
    free = [each.text for each in documents.new_items(9, read, **HOT)]
    known = [(typed, read)[i % 2] + each for i, each in enumerate(free[:4])]
    found = documents.new_items(5, typed, exclude=known, unknown=unknown, **HOT)
    assert [each.text for each in found] == free[4:]


@pytest.mark.parametrize("least", [4, 15])
def test_items_have_a_minimum_length(documents: CharLM, least: int) -> None:
    items = [each.text for each in documents.new_items(10, min_length=least, **HOT)]
    assert min(map(len, items)) >= least
    with_prompt = documents.new_items(10, "ab", min_length=least, **HOT)
    assert min(len(each.text) for each in with_prompt) >= least - 2


def test_prompt_is_part_of_the_item(documents: CharLM) -> None:
    free = documents.new_items(8, "the", **HOT)
    known = ["the" + each.text for each in free[:4]]
    assert documents.new_items(4, "the", exclude=known, **HOT) == free[4:]
    assert (
        documents.new_items(4, "the", exclude=[each.text for each in free[:4]], **HOT) == free[:4]
    )
    again = documents.new_items(8, "old\nthe", **HOT)
    assert [each.text for each in again] == [each.text for each in free]


def test_stop_text_ends_an_item(lm: CharLM) -> None:
    items = lm.new_items(12, stop=["a", "e"], **HOT)
    assert len({each.text for each in items}) == 12
    assert {each.stopped for each in items} == {"a", "e"}


def test_no_item_is_wanted(documents: CharLM) -> None:
    assert documents.new_items(0) == []


def test_too_few_items_end_the_search(documents: CharLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAST_TRIES", 40)
    monkeypatch.setattr(module, "_TRIES_EACH", 4)
    # At such a temperature every text is the same.
    likeliest = documents.generate(length=400, temperature=0)
    cold: dict[str, Any] = {"temperature": 1e-6, "seed": 1, "stop": likeliest[4:7]}
    with pytest.raises(OptionError, match=r"only 1 of 3 new items in 40 tries; ask for fewer"):
        documents.new_items(3, **cold)
    with pytest.raises(OptionError, match=r"only 0 of 1 new items in 40 tries"):
        documents.new_items(1, exclude=[likeliest[:4]], **cold)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"logit_bias": {"\n": -math.inf}}, "no item can end: the end of a document is forbidden"),
        ({"logit_bias": {"a": -math.inf}, "stop": "ba"}, "stop text 'ba' can never come: 'a' is"),
        ({"temperature": 0}, "at temperature 0 all items are the same"),
        ({"length": 4, "min_length": 4}, "an item of min_length 4 and its end do not fit"),
        ({"length": 4, "min_length": 6, "prompt": "ab"}, "do not fit into the length"),
    ],
)
def test_what_no_try_can_give_is_refused_at_once(
    documents: CharLM, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.delattr(module, "_complete")  # nothing is drawn
    with pytest.raises(OptionError, match=message):
        documents.new_items(2, **options)


def test_stop_text_in_place_of_a_forbidden_end(documents: CharLM) -> None:
    forbidden = {"\n": -math.inf}
    items = documents.new_items(4, logit_bias=forbidden, stop="e", **HOT)
    assert [each.stopped for each in items] == ["e"] * 4
    assert documents.new_items(1, "ab", length=4, min_length=5, seed=1, stop="e")
    (text,) = documents.complete([""], length=30, logit_bias=forbidden, seed=1)
    assert text.stopped is None
    assert len(text.text) == 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": -1}, "count must be an integer of 0 or more, got -1"),
        ({"count": True}, "count must be an integer"),
        ({"count": 2, "min_length": 1.5}, "min_length must be an integer of 0 or more, got 1.5"),
        ({"count": 2, "exclude": "Anna"}, "exclude must be several texts, got 'Anna'; give a list"),
        ({"count": 2}, "train with --documents, or give a stop text"),
        ({"count": 2, "stop": "a", "length": -1}, "length must be"),
    ],
)
def test_bad_arguments(lm: CharLM, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        lm.new_items(**options)


# --- documents in other calls ---------------------------------------------------------


def test_text_ends_with_its_document(documents: CharLM, lm: CharLM) -> None:
    free = lm.generate("\nthe", length=300, seed=3, temperature=1.5)
    first = free.partition("\n")[0]
    for prompt in ("the", "\nthe", "some\nother\nthe"):
        options: dict[str, Any] = {"length": 300, "seed": 3, "temperature": 1.5}
        (made,) = documents.complete([prompt], **options)
        assert (made.text, made.stopped) == (first, "\n")
        assert "".join(documents.stream(prompt, **options)) == first
        with documents.pool() as pool:
            assert "".join(pool.stream(prompt, **options)) == first
    assert documents.next("the") == lm.next("\nthe")


def test_session_goes_on_with_the_next_document(documents: CharLM) -> None:
    session = documents.session(seed=5)
    session.feed("the")
    first = session.generate(2000, temperature=1.5)
    assert session.stopped == "\n"
    fresh = documents.session(restore=session.save())
    assert fresh.generate(200, temperature=1.5) == session.generate(200, temperature=1.5)
    assert "\n" not in first
    # The next document does not depend on the one before it.
    other, empty = documents.session(seed=6), documents.session(seed=6)
    other.feed("anything\nbut\n")
    assert other.generate(50) == empty.generate(50)


def test_score_starts_afresh_with_each_document(documents: CharLM, lm: CharLM) -> None:
    lines = ["anna", "bob", "the cat"]
    parts = lm.score([f"\n{line}\n" for line in lines])
    nats = sum(each.nats_per_char * each.characters for each in parts)
    for text in ("anna\nbob\nthe cat\n", "\nanna\nbob\nthe cat\n"):
        found = documents.score(text)
        assert found.characters == sum(map(len, lines)) + 3
        assert found.nats_per_char * found.characters == pytest.approx(nats, rel=1e-5)
        assert documents.score([text, "x"])[0] == pytest.approx(found)
    assert documents.score("x").characters == 1
    with pytest.raises(OptionError, match="text 0 has no character to score"):
        documents.score("\n")


@pytest.mark.parametrize(
    ("end", "message"), [("a", "charlm.end is not charlm.start"), ("", "charlm.end")]
)
def test_end_that_is_refused(
    documented: Callable[..., Path], refusal: Callable[..., str], end: str, message: str
) -> None:
    def edit(document: dict[str, Any]) -> None:
        mark(document)
        document["charlm"]["end"] = end

    assert message in refusal(documented(edit))


# --- the command ----------------------------------------------------------------------


def test_command(run: Run, documents: CharLM, documents_file: Path, tmp_path: Path) -> None:
    model = ("generate", "--model", str(documents_file), "--seed", "3", "--temperature", "1.5")
    free = run(*model, "--unique", "--count", "6", "--length", "60", "--prompt", "an")
    lines = free.stdout.splitlines()
    assert lines == ["an" + each.text for each in documents.new_items(6, "an", **HOT)]
    (tmp_path / "known.txt").write_text("\n".join(lines[:3]) + "\n")
    found = run(
        *model, "--unique", "--count", "3", "--length", "60", "--prompt", "an", "--json",
        "--exclude", str(tmp_path / "known.txt"), "--min-length", "3",
    )  # fmt: skip
    rows = [eval(line.replace("null", "None")) for line in found.stdout.splitlines()]
    assert [row["prompt"] + row["text"] for row in rows][:1] == lines[3:4]
    assert all(row["stopped"] == "\n" for row in rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--min-length", "3"), "--min-length needs --unique"),
        (("--exclude", "x.txt"), "--exclude needs --unique"),
        (("--unique", "--prompt", "-", "--exclude", "-"), "either --prompt or --exclude"),
        (("--unique", "--stop", "."), "do not fit into the length; give a larger length"),
        (("--unique",), "where an item ends is not known"),
        (("--unique", "--exclude", "absent.txt"), "absent.txt: cannot be read"),
        (("--stop", "Ж"), "can never write the stop text 'Ж': character 'Ж' (U+0416)"),
    ],
)
def test_command_refuses(
    run: Run, model: str, options: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LEAST_TRIES", 40)
    monkeypatch.setattr(module, "_TRIES_EACH", 4)
    found = run("generate", "--model", model, "--temperature", "0", "--length", "1", *options)
    assert found.exit_code in (1, 2)
    assert message in found.stderr
    assert len(found.stderr.splitlines()) == 1
