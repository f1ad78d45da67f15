"""Strict decoding of JSON values into dataclasses.

The dataclass is the schema: every field without a default must be present, no other key may be, and
types must match exactly (`"1"` is not 1, and `null` is allowed only if the type is optional). No
dependency of this package does that: protobuf's JSON reader accepts strings as numbers and null as
anything.
"""

import dataclasses
import json
import math
import types
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class SchemaError(ValueError):
    """A value does not fit its schema. The message names the place of the value."""


def parse_json(text: str) -> Any:
    """Parse strict JSON: no duplicate keys, no NaN or Infinity, no deep nesting.

    Raises:
        SchemaError: the text is not such JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except RecursionError:
        raise SchemaError("is nested too deeply") from None
    except SchemaError:
        raise
    except ValueError as error:  # bad syntax, or a number of thousands of digits
        raise SchemaError(f"is not valid JSON ({error})") from None


def decode(cls: type[T], value: Any, where: str) -> T:
    """Build a dataclass from a parsed JSON value.

    Args:
        cls: the dataclass.
        value: the parsed value.
        where: the name of the value in messages.

    Raises:
        SchemaError: the value does not fit the dataclass.
    """
    if not isinstance(value, dict):
        raise SchemaError(f"{where}: expected an object, got {_name(value)}")
    hints = _hints(cls)  # type: ignore[arg-type]  # a class is hashable
    if extra := sorted(set(value) - set(hints)):
        raise SchemaError(f"{where}: unknown key {extra[0]!r:.80}")
    if missing := [key for key in hints if key not in value and key not in _optional(cls)]:  # type: ignore[arg-type]
        raise SchemaError(f"{where}: key {missing[0]!r} is missing")
    return cls(**{key: _value(hints[key], each, f"{where}.{key}") for key, each in value.items()})


@cache
def _optional(cls: type) -> frozenset[str]:
    """Return the fields that have a default. Their keys may be absent."""
    found = dataclasses.fields(cls)
    return frozenset(each.name for each in found if each.default is not dataclasses.MISSING)


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _value(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return decode(hint, value, where)
    if origin is Literal:
        if value not in get_args(hint):
            choices = ", ".join(map(repr, get_args(hint)))
            # Only a text is shown. Another value may be nested too deeply to be shown.
            got = f"{value!r:.80}" if isinstance(value, str) else _name(value)
            raise SchemaError(f"{where}: expected one of {choices}, got {got}")
        return value
    if origin in (Union, types.UnionType):
        return _union(get_args(hint), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise SchemaError(f"{where}: expected an array, got {_name(value)}")
        item = get_args(hint)[0]
        return tuple(_value(item, each, f"{where}[{i}]") for i, each in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise SchemaError(f"{where}: expected an object, got {_name(value)}")
        item = get_args(hint)[1]
        return {
            _scalar(str, key, where): _value(item, each, f"{where}.{_shown(key)}")
            for key, each in value.items()
        }
    return _scalar(hint, value, where)


def _union(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in choices:
        return None
    if type(value) in choices:
        return _scalar(type(value), value, where)
    problem = SchemaError(f"{where}: has no permitted type")
    for choice in choices:
        if choice is type(None):
            continue
        try:
            return _value(choice, value, where)
        except SchemaError as error:
            problem = error
    raise problem


def _scalar(hint: Any, value: Any, where: str) -> Any:
    # JSON may write 1.0 as 1, so an int is a float here. A bool, a subclass of int, is not.
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:
            raise SchemaError(f"{where}: number out of range") from None
    if type(value) is not hint:
        raise SchemaError(f"{where}: expected {hint.__name__}, got {_name(value)}")
    if hint is float and not math.isfinite(value):
        raise SchemaError(f"{where}: number out of range")
    if hint is str and not _is_unicode(value):
        raise SchemaError(f"{where}: half a surrogate pair is not a Unicode character")
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise SchemaError("repeats a key")
    return result


def _no_constant(name: str) -> Any:
    raise SchemaError(f"holds {name}, which JSON does not allow")


def _is_unicode(text: str) -> bool:
    """Return whether a text can be encoded. JSON can express half of a surrogate pair."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _shown(key: str) -> str:
    """Return a key as part of a place in a message: short, on one line."""
    shown = key if key.isprintable() else repr(key)
    return shown if len(shown) <= 80 else shown[:79] + "…"


def _name(value: Any) -> str:
    return "null" if value is None else type(value).__name__
