"""Strict decoding of JSON into dataclasses: types, keys, and messages."""

import copy
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnn_infer.modelfile.schema import SchemaError, decode, parse_json


@dataclass(frozen=True)
class Inner:
    size: int
    name: str


@dataclass(frozen=True)
class Outer:
    kind: Literal["a", "b"]
    ratio: float
    flag: bool
    inner: Inner
    maybe: Inner | None
    items: tuple[int, ...]
    facts: dict[str, bool | str | int | float]


GOOD: dict[str, Any] = {
    "kind": "a",
    "ratio": 0.5,
    "flag": True,
    "inner": {"size": 1, "name": "x"},
    "maybe": {"size": 2, "name": "y"},
    "items": [3, 4],
    "facts": {"t": True, "s": "s", "i": 1, "f": 1.5},
}
KEYS = sorted(GOOD)


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    value = copy.deepcopy(GOOD)
    place: Any = value
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return value


def test_good_value() -> None:
    assert decode(Outer, GOOD, "it") == Outer(
        "a",
        0.5,
        True,
        Inner(1, "x"),
        Inner(2, "y"),
        (3, 4),
        {"t": True, "s": "s", "i": 1, "f": 1.5},
    )


def test_types_of_a_union_are_kept() -> None:
    facts = decode(Outer, GOOD, "it").facts
    assert {key: type(value) for key, value in facts.items()} == {
        "t": bool,
        "s": str,
        "i": int,
        "f": float,
    }


def test_null_only_for_optional_types() -> None:
    assert decode(Outer, changed("maybe", to=None), "it").maybe is None
    for key in sorted(set(KEYS) - {"maybe"}):
        with pytest.raises(SchemaError, match=rf"it\.{key}\b"):
            decode(Outer, changed(key, to=None), "it")


def test_integer_as_float() -> None:
    ratio = decode(Outer, changed("ratio", to=2), "it").ratio
    assert (type(ratio), ratio) == (float, 2.0)


@pytest.mark.parametrize("key", KEYS)
def test_missing_key(key: str) -> None:
    value = copy.deepcopy(GOOD)
    del value[key]
    with pytest.raises(SchemaError, match=f"it: key '{key}' is missing"):
        decode(Outer, value, "it")


@dataclass(frozen=True)
class Grown:
    size: int
    later: Inner | None = None


def test_field_with_a_default_may_be_missing() -> None:
    assert decode(Grown, {"size": 1}, "it") == Grown(1)
    inner = {"size": 2, "name": "y"}
    assert decode(Grown, {"size": 1, "later": inner}, "it") == Grown(1, Inner(2, "y"))
    with pytest.raises(SchemaError, match="key 'size' is missing"):
        decode(Grown, {"later": inner}, "it")
    with pytest.raises(SchemaError, match=r"it\.later: key 'name' is missing"):
        decode(Grown, {"size": 1, "later": {"size": 2}}, "it")


@pytest.mark.parametrize(
    ("path", "to", "said"),
    [
        (("more",), 1, "it: unknown key 'more'"),
        (("kind",), "c", r"it\.kind: expected one of 'a', 'b', got 'c'"),
        (("kind",), 0, r"it\.kind"),
        (("kind",), ["a"], r"it\.kind: expected one of 'a', 'b', got list"),
        (("ratio",), "0.5", r"it\.ratio: expected float, got str"),
        (("ratio",), True, r"it\.ratio: expected float, got bool"),
        (("ratio",), 10**400, r"it\.ratio: number out of range"),
        (("ratio",), float("inf"), r"it\.ratio: number out of range"),
        (("ratio",), float("nan"), r"it\.ratio: number out of range"),
        (("flag",), 1, r"it\.flag: expected bool, got int"),
        (("flag",), "true", r"it\.flag: expected bool, got str"),
        (("inner",), [], r"it\.inner: expected an object, got list"),
        (("inner", "size"), True, r"it\.inner\.size: expected int, got bool"),
        (("inner", "size"), 1.0, r"it\.inner\.size: expected int, got float"),
        (("inner", "size"), "1", r"it\.inner\.size: expected int, got str"),
        (("inner", "name"), 1, r"it\.inner\.name: expected str, got int"),
        (("inner", "more"), 1, r"it\.inner: unknown key 'more'"),
        (("inner",), {"size": 1}, r"it\.inner: key 'name' is missing"),
        (("maybe", "size"), None, r"it\.maybe\.size: expected int, got null"),
        (("maybe",), 1, r"it\.maybe: expected an object, got int"),
        (("items",), {}, r"it\.items: expected an array, got dict"),
        (("items",), "34", r"it\.items: expected an array, got str"),
        (("items", 1), 4.0, r"it\.items\[1\]: expected int, got float"),
        (("items", 0), [3], r"it\.items\[0\]: expected int, got list"),
        (("facts",), [], r"it\.facts: expected an object, got list"),
        (("facts", "t"), None, r"it\.facts\.t"),
        (("facts", "t"), [], r"it\.facts\.t"),
        (("facts", "t"), {}, r"it\.facts\.t"),
        (("facts", "t"), "\ud800", r"it\.facts\.t: half a surrogate pair"),
        (("facts", "\udfff"), 1, r"it\.facts: half a surrogate pair"),
        (("inner", "name"), "a\ud83d", r"it\.inner\.name: half a surrogate pair"),
    ],
)
def test_message_names_the_place_of_a_wrong_value(
    path: tuple[str | int, ...], to: Any, said: str
) -> None:
    with pytest.raises(SchemaError, match=said):
        decode(Outer, changed(*path, to=to), "it")


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_dataclass_needs_an_object(value: Any) -> None:
    with pytest.raises(SchemaError, match="it: expected an object"):
        decode(Outer, value, "it")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def test_complete_surrogate_pair_is_a_character() -> None:
    value = parse_json(r'{"size": 1, "name": "\ud83d\ude00"}')
    assert decode(Inner, value, "it") == Inner(1, "\U0001f600")


def test_long_key_is_shortened_in_the_message() -> None:
    for place in ("facts", "inner"):
        with pytest.raises(SchemaError) as caught:
            decode(Outer, changed(place, "x" * 5000, to=[]), "it")
        assert len(str(caught.value)) < 200


@given(st.sampled_from(KEYS), JSON)
@example("facts", {"a\nb": []})
@example("inner", {"a\nb": 1})
def test_any_value_is_decoded_or_refused_in_one_line(key: str, value: Any) -> None:
    try:
        decode(Outer, changed(key, to=value), "it")
    except SchemaError as error:
        assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 1}',
        '{"a": 1, "a": 2}',
        '{"b": {"a": 1, "a": null}}',
        '[{"a": 1, "a": 1}]',
        r'{"a": 1, "\u0061": 1}',
    ],
)
def test_repeated_key_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match="repeats a key"):
        parse_json(text)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", '{"a": [NaN]}'])
def test_constants_that_are_not_json(text: str) -> None:
    with pytest.raises(SchemaError, match=r"holds -?(NaN|Infinity)"):
        parse_json(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 200_000 + "]" * 200_000])
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match="nested too deeply"):
        parse_json(text)


@pytest.mark.parametrize(
    "text", ["", " ", "{", '{"a"}', "{'a': 1}", "[1,]", "1 2", "True", '"\n"', "\ufeff{}", "01"]
)
def test_invalid_json(text: str) -> None:
    with pytest.raises(SchemaError):
        parse_json(text)


def test_number_of_too_many_digits() -> None:
    with pytest.raises(SchemaError):
        parse_json("1" * 5000)


def test_good_json() -> None:
    assert parse_json('{"a": [1, 2.5, true, null, "é"]}') == {"a": [1, 2.5, True, None, "é"]}
