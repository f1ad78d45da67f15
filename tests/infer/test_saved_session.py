"""The bytes of a saved session: damaged, cut, forged, or of another model."""

import hashlib
import json
import math
import random
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer import CharLM, SnapshotError
from rnn_infer.runtime.repetition import WINDOW

PROMPT = "dead beef, a cage.\n"


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
def test_session_of_another_model(lm: CharLM, other: str, request: pytest.FixtureRequest) -> None:
    """Another file is refused even if it has the same weights and sizes."""
    foreign = request.getfixturevalue(other).session(seed=1).save()
    assert "belongs to another model file" in refusal(lm, foreign)


@pytest.mark.parametrize(
    "snapshot",
    [b"", b"\0", b"RNNSESS1", b"x" * 31, b"x" * 32, b"x" * 44, b"x" * 1000, b"\x80" * 99],
)
def test_bytes_that_are_not_a_session(lm: CharLM, snapshot: bytes) -> None:
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
    """Return a body with a correct checksum, as an attacker would make it."""
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


def test_forging_without_a_change(lm: CharLM) -> None:
    assert forged(lm, dict.copy) == lm.session(seed=1).save()


@pytest.mark.parametrize("key", ["model", "started", "pending", "seed", "position"])
@pytest.mark.parametrize(
    "value", [None, -1, 2**64, 10**400, 1.5, math.nan, math.inf, "1", [], [[]], {}, {"a": 1}]
)
def test_forged_header(lm: CharLM, key: str, value: Any) -> None:
    refusal(lm, forged(lm, lambda it: it.update({key: value})))


@pytest.mark.parametrize("key", ["model", "started", "pending", "seed", "position"])
def test_missing_header_field(lm: CharLM, key: str) -> None:
    refusal(lm, forged(lm, lambda it: it.pop(key)))


@pytest.mark.parametrize(
    ("key", "value"), [("pending", True), ("pending", 41), ("seed", False), ("position", True)]
)
def test_number_out_of_range(lm: CharLM, key: str, value: Any) -> None:
    refusal(lm, forged(lm, lambda it: it.update({key: value})))


@pytest.mark.parametrize(
    "header",
    [b"", b"{", b"[]", b"null", b"1", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000],
)
def test_header_that_is_not_an_object(lm: CharLM, header: bytes) -> None:
    assert "header is damaged" in refusal(lm, packed(header, b""))


def test_state_of_another_size(lm: CharLM) -> None:
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


def test_state_of_any_numbers_can_be_used(lm: CharLM) -> None:
    header, state = parts(lm.session(seed=1).save())
    header.update(started=True, pending=3)
    for value in (math.nan, math.inf, -math.inf, 3e38):
        numbers = struct.pack("<f", value) * (len(state) // 4)
        session = lm.session(restore=packed(json.dumps(header).encode(), numbers))
        assert len(session.generate(5)) == 5


@given(data=st.data())
def test_damaged_bytes_with_a_correct_checksum(lm: CharLM, data: st.DataObject) -> None:
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
def test_random_bytes_are_refused(lm: CharLM, data: bytes) -> None:
    refusal(lm, data)
    refusal(lm, signed(data))
    refusal(lm, packed(data, b""))


def test_plain_session_has_the_fields_of_earlier_versions(lm: CharLM) -> None:
    session = lm.session(seed=1)
    session.generate(300)
    header, _ = parts(session.save())
    assert list(header) == ["model", "started", "pending", "seed", "position"]


def test_session_drawn_with_a_penalty_keeps_what_it_counts(lm: CharLM) -> None:
    session = lm.session(seed=1)
    session.generate(10, repetition_penalty=2)
    assert len(parts(session.save())[0]["recent"]) == 10
    session.generate(300, repetition_penalty=2)
    assert len(parts(session.save())[0]["recent"]) == WINDOW


@pytest.mark.parametrize("recent", [None, 3, "ab", {}, [41], [-1], [1.5], [True], [0] * 257])
def test_forged_recent_tokens(lm: CharLM, recent: Any) -> None:
    assert "damaged" in refusal(lm, forged(lm, lambda header: header.update(recent=recent)))
