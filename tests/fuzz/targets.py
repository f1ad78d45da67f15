"""What is fuzzed: each target takes any bytes, and raises only if the package is at fault.

A target passes over the errors that its function documents. Every other exception leaves it, and
so does a result that breaks a rule.
"""

import hashlib
import io
import json
import random
import struct
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rnn_infer.errors import (
    ModelFileError,
    OptionError,
    SnapshotError,
    TableError,
    UnknownCharacterError,
)
from rnn_infer.modelfile.onnx_proto import model_class
from rnn_infer.modelfile.reader import ModelFile, check_model, read_model
from rnn_infer.modelfile.source import SourceBytes
from rnn_infer.saved_session import SavedSession
from rnn_infer.tables.options import TableOptions
from rnn_infer.tables.table import Table
from rnn_infer.text.vocabulary import UNKNOWN_POLICIES, Vocabulary

DATA = Path(__file__).parents[1] / "data"
FORMATS = ("csv", "tsv", "jsonl", "json", "lines", None)
Mutator = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Target:
    """One function of the package that reads bytes of strangers."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    mutate: Mutator | None = None
    """Changes a good input in the terms of its structure. None: bytes are changed blindly."""


@cache
def model_file(name: str = "charlm") -> ModelFile:
    return read_model(DATA / f"{name}.onnx")


def one_line(error: Exception) -> None:
    """Check that an error's message can be shown."""
    text = str(error)
    assert len(text.splitlines()) == 1, f"not one line: {text!r}"
    assert len(text) < 2500, f"too long: {text[:300]!r}"
    text.encode()


# --- model files ----------------------------------------------------------------------


def run_model(data: bytes) -> None:
    """The header, the graph and the interface of a model file. Nothing is executed."""
    try:
        check_model(SourceBytes("model.onnx", data))
    except ModelFileError as error:
        one_line(error)


def models() -> list[bytes]:
    return [path.read_bytes() for path in sorted(DATA.glob("*.onnx"))]


def mutate_model(data: bytes, rng: random.Random) -> bytes:
    """Change, remove or copy one field somewhere in the message."""
    try:
        model = model_class().FromString(data)
    except Exception:  # not a message: there is no structure to change
        return data[: rng.randrange(len(data) + 1)]
    place: Any = model
    while True:
        fields = place.ListFields()
        if not fields:
            break
        field, value = rng.choice(fields)
        repeated = not isinstance(value, int | float | bytes) and hasattr(value, "append")
        if repeated and rng.random() < 0.3:
            _edit_list(value, rng)
            break
        below = value[rng.randrange(len(value))] if repeated else value
        if hasattr(below, "ListFields") and rng.random() < 0.9:
            place = below
            continue
        if repeated and not hasattr(below, "ListFields"):
            value[rng.randrange(len(value))] = _other(below, rng)
        elif not repeated and not hasattr(below, "ListFields"):
            setattr(place, field.name, _other(below, rng))
        else:
            place.ClearField(field.name)
        break
    result: bytes = model.SerializeToString()
    return result


def _edit_list(items: Any, rng: random.Random) -> None:
    at = rng.randrange(len(items))
    if rng.random() < 0.5:
        del items[at]
    elif hasattr(items, "add"):
        items.add().CopyFrom(items[at])
    else:
        items.append(items[at])


def _other(value: Any, rng: random.Random) -> Any:
    """Return another value of the same type, near or at an extreme."""
    if isinstance(value, bytes):
        at = rng.randrange(len(value) + 1)
        choices = [b"", value[:at], value + value, b"\xff" + value, b"Loop", b"a" * 5000]
        return rng.choice(choices)
    if isinstance(value, float):
        return rng.choice([0.0, -value, float("nan"), float("inf"), 1e38])
    numbers = [0, 1, -1, value + 1, value - 1, 2**31 - 1, -(2**31)]
    return rng.choice([each for each in numbers if -(2**31) <= each < 2**31])


# --- the metadata document ------------------------------------------------------------


def run_metadata(data: bytes) -> None:
    """The metadata document of a model file that is good otherwise."""
    model = model_class().FromString(model_file().data)
    model.metadata_props[0].value = data
    run_model(model.SerializeToString())


def documents() -> list[bytes]:
    names = ("charlm", "classifier", "gru")
    return [model_file(name).metadata.to_json().encode() for name in names]


JUNK: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2, 0.5, 1e308, 2**63, 10**400, "", "a", "\ud800", "\u202e", "\0"),
    *([], {}, [[]], [0] * 2000, {"a": 1}, "x" * 3000, "e\u0301"),
)


def mutate_json(data: bytes, rng: random.Random) -> bytes:
    """Replace, remove or add one value somewhere in a JSON text."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data[: rng.randrange(len(data) + 1)]
    holder = {"": value}
    place: Any = holder
    key: Any = ""
    while isinstance(place[key], dict | list) and place[key] and rng.random() < 0.85:
        place = place[key]
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
    action = rng.random()
    if action < 0.2 and place is not holder:
        del place[key]
    elif action < 0.35 and isinstance(place[key], dict):
        place[key][rng.choice(["more", "tolerance", "end", "version"])] = rng.choice(JUNK)
    elif action < 0.5 and isinstance(place[key], list):
        place[key] += place[key][:50] or [rng.choice(JUNK)]
    else:
        place[key] = rng.choice(JUNK)
    try:
        return json.dumps(holder[""]).encode()
    except (ValueError, RecursionError):
        return data


# --- saved sessions -------------------------------------------------------------------


def run_snapshot(data: bytes) -> None:
    """A saved session whose checksum is right, so that the rest is looked at."""
    for whole in (data, data + hashlib.sha256(data).digest()):
        try:
            saved = SavedSession.from_bytes(whole, model_file())
        except SnapshotError as error:
            one_line(error)
        else:
            again = SavedSession.from_bytes(saved.to_bytes(), model_file())
            assert again.to_bytes() == saved.to_bytes()


def snapshots() -> list[bytes]:
    state = tuple(np.zeros((1, each.width), np.float32) for each in model_file().states)
    plain = SavedSession(model_file().sha256, True, 3, 7, 11, state)
    penal = SavedSession(model_file().sha256, False, 0, 2**63, 0, state, recent=(1, 2, 1))
    return [each.to_bytes()[:-32] for each in (plain, penal)]


def mutate_snapshot(data: bytes, rng: random.Random) -> bytes:
    """Change the header's JSON, or the numbers behind it."""
    if len(data) < 12 or rng.random() < 0.2:
        return data[: rng.randrange(len(data) + 1)] + rng.randbytes(rng.randrange(5))
    (size,) = struct.unpack_from("<I", data, 8)
    header, rest = data[12 : 12 + size], data[12 + size :]
    header = mutate_json(header, rng)
    stated = len(header) if rng.random() < 0.9 else rng.choice([0, 2**32 - 1, len(header) + 1])
    return data[:8] + struct.pack("<I", stated) + header + rest


# --- tables ---------------------------------------------------------------------------


def run_table(data: bytes) -> None:
    """A table in each layout: the first byte chooses the format and whether labels are needed."""
    if not data:
        return
    options = TableOptions(format=FORMATS[data[0] % len(FORMATS)])  # type: ignore[arg-type]
    labelled = data[0] >= 128
    try:
        table = Table.open(io.BytesIO(data[1:]), options, name="data.csv", labelled=labelled)
        rows = list(table)
    except (TableError, OptionError) as error:
        one_line(error)
    else:
        places = [row.line for row in rows]
        assert places == sorted(places), "rows are out of order"
        assert all(row.label is not None for row in rows if row.text) or not labelled


def tables() -> list[bytes]:
    texts = (
        'name,country\nRossi,Italian\n"Smith, J.",English\n,\n',
        'id\ttext\tlabel\n1\t"a quote\tno\n2\tb\tyes\n3\tc\tno\n',
        '{"text": "Rossi", "label": 1}\n{"text": "", "label": null}\n',
        '[{"text": "a", "label": true}, {"label": "x", "text": "b"}]',
        "one\ntwo\u2028still two\r\nthree\x0c\n",
        "sep=;\nv1;v2;;;\nham;Hello, you;;;\nspam;Win!;;;\nham;Bye;;;\n",
        "__label__a hello there\n__label__b bye\n",
    )
    marks = (0, 1, 2, 3, 4, 5, 132)
    return [bytes([mark]) + text.encode() for mark, text in zip(marks, texts, strict=True)]


# --- texts ----------------------------------------------------------------------------


def run_text(data: bytes) -> None:
    """Any text under each rule for unknown characters: the first byte chooses."""
    if not data:
        return
    name = ("charlm", "classifier", "gru")[data[0] // 4 % 3]
    policy = UNKNOWN_POLICIES[data[0] % len(UNKNOWN_POLICIES)]
    vocabulary = Vocabulary(model_file(name).metadata)
    text = data[1:].decode("utf-8", "surrogateescape" if data[0] >= 128 else "replace")
    try:
        tokens = vocabulary.encode(text, policy)
    except (UnknownCharacterError, OptionError) as error:
        one_line(error)
        return
    assert tokens.dtype == np.int64
    assert ((tokens >= 0) & (tokens < len(vocabulary))).all()
    if policy == "error":
        # A character may be known in its other canonical form.
        same = [unicodedata.normalize("NFC", each) for each in (vocabulary.decode(tokens), text)]
        assert vocabulary.normalize(same[0]) == vocabulary.normalize(same[1])


def texts() -> list[bytes]:
    given = ("Ångström\r\n", "e\u0301a\u0308", "Ⅷ ﬁ ß", "\0\uffff", "日本語", "\u1112\u1161\u11ab")
    return [bytes([7 * at]) + text.encode() for at, text in enumerate(given)]


TARGETS = {
    "model": Target(run_model, models, mutate_model),
    "metadata": Target(run_metadata, documents, mutate_json),
    "snapshot": Target(run_snapshot, snapshots, mutate_snapshot),
    "table": Target(run_table, tables),
    "text": Target(run_text, texts),
}
