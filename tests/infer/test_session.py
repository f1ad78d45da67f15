"""A session goes on from where it stands: fed, forked, saved and restored, in any pieces."""

import hashlib
import json
import math
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer import CharLM, OptionError, SnapshotError, UnknownCharacterError

PROMPT = "dead beef, a cage.\n"
LATIN = st.text(st.sampled_from("\n !,.abcdefgxyzABG"), max_size=40)


# --- feeding and drawing --------------------------------------------------------------


@given(pieces=st.lists(LATIN, min_size=1, max_size=5))
def test_feeding_in_pieces_is_feeding_whole(lm: CharLM, pieces: list[str]) -> None:
    whole, parts = lm.session(seed=1), lm.session(seed=1)
    whole.feed("".join(pieces))
    for piece in pieces:
        parts.feed(piece)
    assert parts.generate(12) == whole.generate(12)
    np.testing.assert_allclose(parts.probabilities(), whole.probabilities(), atol=1e-6)


@given(sizes=st.lists(st.integers(0, 40), max_size=5), chunk=st.integers(1, 50))
def test_drawing_in_pieces_is_drawing_whole(lm: CharLM, sizes: list[int], chunk: int) -> None:
    session = lm.session(seed=9)
    session.feed(PROMPT)
    drawn = "".join("".join(session.stream(size, chunk=chunk)) for size in sizes)
    assert drawn == lm.generate(PROMPT, length=sum(sizes), seed=9)
    assert session.position == sum(sizes)


def test_new_session_begins_at_the_start_text(lm: CharLM, step_lm: CharLM) -> None:
    for model in (lm, step_lm):
        charlm = model.metadata.charlm
        assert charlm is not None
        for text in ("", charlm.start):
            session = model.session(seed=4)
            session.feed(text)
            assert session.generate(20) == model.generate(length=20, seed=4)


def test_empty_feed_changes_nothing(lm: CharLM) -> None:
    session = lm.session(seed=4)
    session.feed(PROMPT)
    session.feed("")
    session.feed("Ж", unknown="skip")
    assert session.generate(20) == lm.generate(PROMPT, length=20, seed=4)


def test_what_was_drawn_has_been_read(lm: CharLM) -> None:
    session, again = lm.session(seed=4), lm.session(seed=4)
    session.feed(PROMPT)
    again.feed(PROMPT + session.generate(10))
    np.testing.assert_allclose(session.probabilities(), again.probabilities(), atol=1e-6)


def test_feeding_draws_nothing(lm: CharLM) -> None:
    session = lm.session(seed=4)
    session.feed(PROMPT)
    session.probabilities()
    assert session.position == 0
    assert session.seed == 4


def test_drawing_nothing_moves_nothing(lm: CharLM) -> None:
    session = lm.session(seed=4)
    session.feed(PROMPT)
    assert session.generate(0) == ""
    assert list(session.stream(0)) == []
    assert session.generate(20) == lm.generate(PROMPT, length=20, seed=4)


def test_refused_text_leaves_the_session(lm: CharLM) -> None:
    session = lm.session(seed=4)
    session.feed(PROMPT)
    with pytest.raises(UnknownCharacterError):
        session.feed("abcЖ")
    assert session.generate(20) == lm.generate(PROMPT, length=20, seed=4)


def test_long_feed(lm: CharLM) -> None:
    text = PROMPT * 130  # several chunks of the reader
    session = lm.session(seed=2)
    session.feed(text)
    stepwise = lm.session(seed=2)
    for begin in range(0, len(text), 100):
        stepwise.feed(text[begin : begin + 100])
    assert session.generate(30) == stepwise.generate(30)


def test_probabilities(lm: CharLM) -> None:
    session = lm.session(seed=2)
    for text in ("", "a", PROMPT):
        session.feed(text)
        probabilities = session.probabilities()
        assert probabilities.shape == (len(lm.metadata.vocabulary),)
        assert (probabilities > 0).all()
        assert probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert session.probabilities().tolist() == probabilities.tolist()


def test_probabilities_are_what_is_drawn(lm: CharLM) -> None:
    session = lm.session(seed=0)
    session.feed(PROMPT)
    texts = [session.fork(seed=i).generate(1, temperature=1) for i in range(2000)]
    for char, probability in zip(lm.metadata.vocabulary, session.probabilities(), strict=True):
        deviation = math.sqrt(probability * (1 - probability) / 2000)
        assert abs(texts.count(char) / 2000 - probability) < 5 * deviation + 1e-3


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_stream_left_early(lm: CharLM, taken: int) -> None:
    """The session stands where what was given out ends."""
    free = lm.generate(PROMPT, length=100, seed=4)
    session = lm.session(seed=4)
    session.feed(PROMPT)
    pieces = session.stream(100, chunk=10)
    begun = "".join(next(pieces) for _ in range(taken))
    del pieces
    assert begun == free[: 10 * taken]
    assert session.position == 10 * taken
    assert session.generate(100 - 10 * taken) == free[10 * taken :]


# --- stop texts -----------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 2, 7, 32, 500])
def test_session_stands_right_after_the_stop(lm: CharLM, chunk: int) -> None:
    free = lm.generate(PROMPT, length=300, seed=11)
    stop = free[40:43]
    end = free.index(stop) + len(stop)
    session = lm.session(seed=11)
    session.feed(PROMPT)
    text = "".join(session.stream(300, stop=[stop, "no such text"], chunk=chunk))
    assert text == free[: end - len(stop)]
    assert session.stopped == stop
    assert session.position == end
    assert session.generate(300 - end) == free[end:]
    assert session.stopped is None


def test_half_a_stop_text_comes_out_at_the_end(lm: CharLM) -> None:
    free = lm.generate(PROMPT, length=50, seed=11)
    session = lm.session(seed=11)
    session.feed(PROMPT)
    assert session.generate(50, stop=free[-4:] + "\0") == free
    assert session.stopped is None
    assert session.position == 50


# --- forks ----------------------------------------------------------------------------


def test_fork_goes_the_same_way(lm: CharLM) -> None:
    session = lm.session(seed=3)
    session.feed(PROMPT)
    session.generate(13)
    twin = session.fork()
    assert (twin.seed, twin.position) == (3, 13)
    assert twin.generate(30) == session.generate(30)


def test_forks_are_apart(lm: CharLM) -> None:
    session = lm.session(seed=3)
    session.feed(PROMPT)
    expected = session.fork().generate(30)
    for seed in range(5):
        twin = session.fork(seed=seed)
        twin.feed("x" * seed)
        twin.generate(7)
    assert session.position == 0
    assert session.generate(30) == expected


def test_fork_with_another_seed_draws_as_that_seed(lm: CharLM) -> None:
    session = lm.session(seed=3)
    session.feed(PROMPT)
    session.generate(13)
    twin = session.fork(seed=5)
    assert (twin.seed, twin.position) == (5, 0)
    fresh = lm.session(seed=5)
    fresh.feed(PROMPT + lm.generate(PROMPT, length=13, seed=3))
    assert twin.generate(20) == fresh.generate(20)


def test_fork_before_any_text(lm: CharLM) -> None:
    twin = lm.session(seed=3).fork()
    twin.feed(PROMPT)
    assert twin.generate(10) == lm.generate(PROMPT, length=10, seed=3)


# --- save and restore -----------------------------------------------------------------


@given(text=LATIN, drawn=st.integers(0, 20), seed=st.integers(0, 2**64 - 1))
def test_restored_session_goes_on(lm: CharLM, text: str, drawn: int, seed: int) -> None:
    session = lm.session(seed=seed)
    session.feed(text)
    session.generate(drawn)
    saved = session.save()
    again = lm.session(restore=saved)
    assert (again.seed, again.position) == (seed, drawn)
    assert again.save() == saved
    assert again.generate(20) == session.generate(20)
    assert again.save() == session.save()


def test_session_saved_before_any_text(lm: CharLM) -> None:
    again = lm.session(restore=lm.session(seed=8).save())
    again.feed(PROMPT)
    assert again.generate(10) == lm.generate(PROMPT, length=10, seed=8)


def test_restored_by_another_instance(lm: CharLM, data: Path) -> None:
    session = lm.session(seed=8)
    session.feed(PROMPT)
    other = CharLM.load(data / "charlm.onnx", device="cpu")
    assert other.session(restore=session.save()).generate(20) == session.generate(20)


def test_any_buffer_can_be_restored(lm: CharLM) -> None:
    saved = lm.session(seed=8).save()
    for buffer in (bytearray(saved), memoryview(saved)):
        assert lm.session(restore=buffer).seed == 8  # type: ignore[arg-type]


def refusal(lm: CharLM, snapshot: bytes) -> str:
    with pytest.raises(SnapshotError) as caught:
        lm.session(restore=snapshot)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("other", ["wide", "step_lm"])
def test_snapshot_of_another_model(lm: CharLM, other: str, request: pytest.FixtureRequest) -> None:
    """Of another file even where its weights and sizes are the same."""
    foreign = request.getfixturevalue(other).session(seed=1).save()
    assert "belongs to another model file" in refusal(lm, foreign)


@pytest.mark.parametrize(
    "snapshot",
    [b"", b"\0", b"RNNSESS1", b"x" * 31, b"x" * 32, b"x" * 44, b"x" * 1000, b"\x80" * 99],
)
def test_bytes_that_are_no_snapshot(lm: CharLM, snapshot: bytes) -> None:
    assert "are not a session" in refusal(lm, snapshot)


def test_every_changed_byte_is_noticed(lm: CharLM) -> None:
    session = lm.session(seed=1)
    session.feed(PROMPT)
    saved = session.save()
    for at in range(len(saved)):
        refusal(lm, saved[:at] + bytes([saved[at] ^ 1]) + saved[at + 1 :])


def test_every_cut_is_noticed(lm: CharLM) -> None:
    saved = lm.session(seed=1).save()
    for size in range(len(saved)):
        refusal(lm, saved[:size])
    refusal(lm, saved + b"\0")


def signed(body: bytes) -> bytes:
    """A body with its checksum made good, as an attacker would."""
    return body + hashlib.sha256(body).digest()


def packed(header: bytes, state: bytes, magic: bytes = b"RNNSESS1", size: int = -1) -> bytes:
    return signed(struct.pack("<8sI", magic, len(header) if size < 0 else size) + header + state)


def parts(snapshot: bytes) -> tuple[dict[str, Any], bytes]:
    _, size = struct.unpack_from("<8sI", snapshot)
    header = json.loads(snapshot[12 : 12 + size])
    return header, snapshot[12 + size : -32]


def forged(lm: CharLM, edit: Callable[[dict[str, Any]], object]) -> bytes:
    header, state = parts(lm.session(seed=1).save())
    edit(header)
    return packed(json.dumps(header).encode(), state)


def test_forgery_that_is_none(lm: CharLM) -> None:
    assert forged(lm, dict.copy) == lm.session(seed=1).save()


@pytest.mark.parametrize("key", ["model", "started", "pending", "seed", "position"])
@pytest.mark.parametrize(
    "value", [None, -1, 2**64, 10**400, 1.5, math.nan, math.inf, "1", [], [[]], {}, {"a": 1}]
)
def test_forged_header(lm: CharLM, key: str, value: Any) -> None:
    refusal(lm, forged(lm, lambda it: it.update({key: value})))


@pytest.mark.parametrize("key", ["model", "started", "pending", "seed", "position"])
def test_header_without(lm: CharLM, key: str) -> None:
    refusal(lm, forged(lm, lambda it: it.pop(key)))


@pytest.mark.parametrize(
    ("key", "value"), [("pending", True), ("pending", 41), ("seed", False), ("position", True)]
)
def test_forged_number(lm: CharLM, key: str, value: Any) -> None:
    refusal(lm, forged(lm, lambda it: it.update({key: value})))


@pytest.mark.parametrize(
    "header",
    [b"", b"{", b"[]", b"null", b"1", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000],
)
def test_header_that_is_none(lm: CharLM, header: bytes) -> None:
    assert "header is damaged" in refusal(lm, packed(header, b""))


def test_forged_state(lm: CharLM) -> None:
    header, state = parts(lm.session(seed=1).save())
    encoded = json.dumps(header).encode()
    for other in (b"", state[:-1], state[:-4], state + b"\0", state * 2):
        assert "another size" in refusal(lm, packed(encoded, other))


def test_forged_frame(lm: CharLM) -> None:
    header, state = parts(lm.session(seed=1).save())
    encoded = json.dumps(header).encode()
    assert "version" in refusal(lm, packed(encoded, state, magic=b"RNNSESS2"))
    for size in (0, 1, len(encoded) - 1, len(encoded) + 1, 2**32 - 1):
        refusal(lm, packed(encoded, state, size=size))
    refusal(lm, signed(b""))
    refusal(lm, signed(b"RNNSESS1"))


def test_state_of_any_numbers_can_be_drawn_from(lm: CharLM) -> None:
    header, state = parts(lm.session(seed=1).save())
    header.update(started=True, pending=3)
    for value in (math.nan, math.inf, -math.inf, 3e38):
        numbers = struct.pack("<f", value) * (len(state) // 4)
        session = lm.session(restore=packed(json.dumps(header).encode(), numbers))
        assert len(session.generate(5)) == 5


@given(data=st.data())
def test_damaged_and_signed_again(lm: CharLM, data: st.DataObject) -> None:
    session = lm.session(seed=1)
    session.feed(PROMPT)
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    body = bytearray(session.save()[:-32])
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(body))
        match chance.randrange(3):
            case 0:
                body[at] = chance.randrange(256)
            case 1:
                body[at : at + chance.randrange(9)] = chance.randbytes(chance.randrange(9))
            case 2:
                body[12:12] = chance.choice([b"[", b"{", b'"', b"9", b" ", b"\0"])
    try:
        restored = lm.session(restore=signed(bytes(body)))
    except SnapshotError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert len(restored.generate(3)) == 3


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(lm: CharLM, data: bytes) -> None:
    refusal(lm, data)
    refusal(lm, signed(data))
    refusal(lm, packed(data, b""))


def test_model_without_state(edited: Callable[..., Path]) -> None:
    """The states that a file has are the file's affair: none at all is fine too."""

    def forget(model: Any) -> None:
        graph = model.graph
        kinds = {each.name: each for each in graph.input}
        for name in (b"h0", b"c0", b"h1", b"c1"):
            graph.input.remove(kinds[name])
            width = kinds[name].type.tensor_type.shape.dim[1].dim_value
            graph.initializer.add(
                name=name, data_type=1, dims=[1, width], raw_data=bytes(4 * width)
            )
        for output in [each for each in graph.output if each.name.endswith(b"_next")]:
            graph.output.remove(output)

    path = edited(forget, of="charlm.step")
    lm = CharLM.load(path, device="cpu")
    session = lm.session(seed=1)
    session.feed("abc")
    text = session.fork().generate(20)
    assert lm.session(restore=session.save()).generate(20) == text


# --- options --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"length": -1},
        {"length": 1.5},
        {"length": True},
        {"length": None},
        {"chunk": 0},
        {"chunk": -1},
        {"temperature": -1},
        {"temperature": math.nan},
        {"top_k": -1},
        {"top_p": 0},
        {"top_p": 2},
        {"stop": ""},
        {"stop": ["a", ""]},
    ],
)
def test_bad_option_is_refused_at_once(lm: CharLM, options: dict[str, Any]) -> None:
    session = lm.session(seed=1)
    with pytest.raises(OptionError) as caught:
        session.stream(**options)
    assert len(str(caught.value).splitlines()) == 1
    assert session.position == 0
    if "chunk" not in options:
        with pytest.raises(OptionError):
            session.generate(**options)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1"])
def test_bad_seed(lm: CharLM, seed: Any) -> None:
    with pytest.raises(OptionError, match="seed"):
        lm.session(seed=seed)
    with pytest.raises(OptionError, match="seed"):
        lm.session(seed=1).fork(seed=seed)


def test_fresh_seeds_differ(lm: CharLM) -> None:
    assert lm.session().seed != lm.session().seed
