"""Tables from files: formats, layouts of real life, and what is refused."""

import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnn_infer.errors import OptionError, TableError
from rnn_infer.tables.table import Table

Read = Callable[..., Table]

WORDS = [
    "good",
    "bad",
    "film",
    "the",
    "nice",
    "awful",
    "really",
    "again",
    "love",
    "hate",
    "actor",
    "plot",
]
LANGUAGES = ("Italian", "Irish", "German", "Polish")
RANDOM = random.Random(0)
NAMES = sorted({"".join(RANDOM.choices("abcdefgh", k=6)).title() for _ in range(60)})
TEXTS = [" ".join(RANDOM.choices(WORDS, k=9)) for _ in NAMES]
LABELS = [RANDOM.choice(LANGUAGES) for _ in NAMES]
BITS = [RANDOM.choice("01") for _ in NAMES]


def lines(*columns: list[str], delimiter: str = ",", header: str = "") -> str:
    body = "".join(f"{delimiter.join(row)}\n" for row in zip(*columns, strict=True))
    return f"{header}\n{body}" if header else body


def quoted(texts: list[str]) -> list[str]:
    return [f'"{text}, ""{text[:4]}"""' for text in texts]


PAIRS = list(zip(NAMES, LABELS, strict=True))
REVIEWS = list(zip(TEXTS, BITS, strict=True))
IDS = [str(i) for i in range(len(NAMES))]
EMPTY = [""] * len(NAMES)

LAYOUTS: dict[str, tuple[str, str | bytes, dict[str, Any], list[tuple[str, str]]]] = {
    "text,label": ("a.csv", lines(NAMES, LABELS), {}, PAIRS),
    "label,text": ("a.csv", lines(LABELS, NAMES), {}, PAIRS),
    "header": ("a.csv", lines(NAMES, LABELS, header="text,label"), {}, PAIRS),
    "review,sentiment": ("a.csv", lines(TEXTS, BITS, header="review,sentiment"), {}, REVIEWS),
    "header by its looks": ("a.csv", lines(LABELS, TEXTS, header="v1,v2"), {},
        list(zip(TEXTS, LABELS, strict=True))),
    "spam.csv": ("a.csv", lines(LABELS, TEXTS, EMPTY, EMPTY, EMPTY, header="v1,v2,,,"), {},
        list(zip(TEXTS, LABELS, strict=True))),
    "ids": ("a.csv", lines(IDS, TEXTS, BITS), {}, REVIEWS),
    "index of pandas": ("a.csv", lines(IDS, TEXTS, BITS, header=",text,label"), {}, REVIEWS),
    "quotes": ("a.csv", lines(quoted(TEXTS), BITS, header="text,label"), {},
        [(f'{text}, "{text[:4]}"', bit) for text, bit in REVIEWS]),
    "semicolons, mark, CRLF": ("a.csv",
        ("\ufeff" + lines(TEXTS, BITS, delimiter=";", header="text;label")).replace("\n", "\r\n"),
        {}, REVIEWS),
    "sep=": ("a.csv", "sep=;\n" + lines(TEXTS, BITS, delimiter=";", header="text;label"), {},
        REVIEWS),
    "pipes": ("a.csv", lines(TEXTS, BITS, delimiter="|"), {}, REVIEWS),
    "tabs in a .csv": ("a.csv", lines(TEXTS, BITS, delimiter="\t"), {}, REVIEWS),
    "odd delimiter": ("a.csv", lines(TEXTS, BITS, delimiter="^"), {"delimiter": "^"}, REVIEWS),
    "UTF-16": ("a.csv", lines(NAMES, LABELS).encode("utf-16"), {"encoding": "utf-16"}, PAIRS),
    "Latin-1": ("a.csv", lines([f"é{n}" for n in NAMES], LABELS).encode("latin-1"),
        {"encoding": "latin-1"}, [(f"é{name}", label) for name, label in PAIRS]),
    "tsv": ("a.tsv", lines(quoted(TEXTS), BITS, delimiter="\t"), {},
        [(f'{text}, "{text[:4]}"', bit) for text, bit in REVIEWS]),
    "tsv with open quotes": ("a.tsv", lines([f'"{n}' for n in NAMES], LABELS, delimiter="\t"), {},
        [(f'"{name}', label) for name, label in PAIRS]),
    "SMS Spam Collection": ("SMSSpamCollection", lines(LABELS, TEXTS, delimiter="\t"),
        {"format": "tsv"}, list(zip(TEXTS, LABELS, strict=True))),
    "fastText": ("a.txt", lines([f"__label__{x}" for x in LABELS], TEXTS, delimiter=" "), {},
        list(zip(TEXTS, LABELS, strict=True))),
    "json lines": ("a.jsonl", "".join(
        f'{{"id": {i}, "text": "{t}", "label": {b}}}\n' for i, (t, b) in enumerate(REVIEWS)), {},
        REVIEWS),
    "json array": ("a.json", "[" + ",\n".join(
        f'{{"sentence": "{t}", "target": {("false", "true")[b == "1"]}}}' for t, b in REVIEWS)
        + "]", {}, [(text, ("false", "true")[bit == "1"]) for text, bit in REVIEWS]),
    "json lines in a .json": ("a.json", "".join(
        f'{{"text": "{t}", "label": "{b}"}}\n' for t, b in REVIEWS), {}, REVIEWS),
    "numbers of columns": ("a.csv", lines(NAMES, TEXTS, LABELS, BITS),
        {"text_column": 2, "label_column": "4"}, REVIEWS),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYOUTS)
def test_layout(table: Read, kind: str) -> None:
    name, content, options, rows = LAYOUTS[kind]
    found = table(content, name, labelled=True, **options)
    assert [(row.text, row.label) for row in found] == rows
    if "label_column" not in options:
        assert [row.text for row in table(content, name, **options)] == [text for text, _ in rows]


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.csv", "id,text\n1,Rossi\n2,Ng\n", ["Rossi", "Ng"]),
        ("a.csv", "text\nRossi\nNg\n", ["Rossi", "Ng"]),
        ("a.csv", "name,city\nRossi,Rome\nNg,Oslo\n", ["Rossi", "Ng"]),
        ("a.csv", "text;label\nRossi;x\nNg, Kim;y\n", ["Rossi", "Ng, Kim"]),
        ("a.csv", "Rossi,x\nNg,y\n", ["Rossi", "Ng"]),
        ("a.csv", "text\nRossi\n\nNg\n", ["Rossi", "", "Ng"]),
        ("a.csv", "\nlabel,text\nx,Rossi\ny\n\nz,Ng\n", ["Rossi", "", "Ng"]),
        ("a.tsv", "label\ttext\nx\tRossi\n\nz\tNg\n", ["Rossi", "", "Ng"]),
        ("a.csv", "\nRossi,x\n", ["Rossi"]),
        ("a.tsv", "Rossi\tx,y\nO'Neill\t\nNg\n", ["Rossi", "O'Neill", "Ng"]),
        ("a.csv", "text\nNULL\nRossi\n", ["", "Rossi"]),
        ("a.csv", "text\n" + "x" * 200_000, ["x" * 200_000]),
        ("a.txt", "Rossi\n\n Ng \n", ["Rossi", "", "Ng"]),
        ("a.txt", "NULL\na\u2028b\x0cc", ["NULL", "a\u2028b\x0cc"]),
        ("a.jsonl", '{"text": "Rossi"}\n\n{"text": ""}\n{"text": null}', ["Rossi", "", ""]),
        ("a.json", '[{"text": "Rossi"}, {"text": ""}]', ["Rossi", ""]),
        ("a.csv", "", []),
        ("a.csv", "\n\n", ["", ""]),
        ("a.csv", "text,label\n", []),
        ("a.json", "", []),
        ("a.json", "[]", []),
        ("a.jsonl", "\n", []),
        ("a.csv", "sep=,\n", []),
        ("a.csv", "sep=,\n\n\n", ["", ""]),
    ],
)
def test_texts(table: Read, name: str, content: str, texts: list[str]) -> None:
    assert [row.text for row in table(content, name)] == texts


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", 'Rossi,x\n"Ng,y\nKim,z\n', "line 2: a quote is opened here"),
        ("a.csv", "Rossi,x\nNg, Kim,y\n", "line 2: 3 columns where the first row has 2"),
        ("a.csv", "Rossi,x\nNg\n", "line 2: 1 column where"),
        ("a.tsv", "Rossi\tx\nNg\tKim\ty\n", "line 2: 3 columns"),
        ("a.csv", b"text\nRossi\n\xff\n", "line 3: is not UTF-8"),
        ("a.csv", "\n" * 3000 + "text\nRossi\n", "line 3001: all lines before it are blank"),
        ("a.csv", "sep=;\n" + "\n" * 3000 + "text;x\n", "line 3002: all lines before it are"),
        ("a.jsonl", '{"text": "a"}\n\n{"name": "b"}\n', 'line 3: expected {"text": "…"}'),
        ("a.json", '{"data": [{"text": "a"}]}', "line 1: expected"),
        ("a.json", '[{"text": "a"}, {"text": 1}]', "object 2: expected"),
    ],
)
def test_bad_file(table: Read, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(TableError, match=f"^{name}: .*{said}") as raised:
        list(table(content, name))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "text,label\na, b,x\nc, d,y\n", "line 2: 3 columns where the first row has 2"),
        ("a.csv", lines(NAMES, LABELS, header="text,label") * 2, "the header stands here again"),
        ("a.txt", "Rossi\n", "a.txt: labelled data is a .csv"),
        ("a.csv", lines(NAMES), "1 column"),
        ("a.csv", lines(NAMES, TEXTS), "which column holds the label"),
        ("a.csv", lines(NAMES, LABELS) + "Ng\n", "line 60: 1 column|line 61: 1 column"),
    ],
)
def test_no_labels(table: Read, name: str, content: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        list(table(content, name, labelled=True))


def test_multi_line_tsv_by_the_rules_of_csv(table: Read) -> None:
    content = 'text\tlabel\n"a\nb"\tx\n'
    found = table(content, "a.tsv", format="csv", delimiter="tab")
    assert [row.text for row in found] == ["a\nb"]


def test_path(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\nRossi\n")
    seen: list[int] = []
    assert [row.text for row in Table.open(path, progress=seen.append)] == ["Rossi"]
    assert sum(seen) == path.stat().st_size
    with pytest.raises(TableError, match=r"gone\.csv: cannot be read: No such file"):
        Table.open(tmp_path / "gone.csv")
    with pytest.raises(TableError, match="cannot be read: Is a directory"):
        Table.open(str(tmp_path))


def test_facts(table: Read) -> None:
    found = table("id,text,label\n1,Rossi,x\n", labelled=True)
    assert found.columns == ("id", "text", "label")
    assert (found.text_column, found.label_column) == ("text", "label")
    assert found.how == "',' between cells, a header, text: 'text', label: 'label'"
    (row,) = found
    assert (row.line, row.cells) == (2, ["1", "Rossi", "x"])


def test_options_or_keywords(table: Read) -> None:
    from rnn_infer.tables.options import TableOptions

    with pytest.raises(OptionError, match="not both"):
        table("a", options=TableOptions(), header=True)


def test_memory_does_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("text,label\n" + 'Rossi,x\n"O, Neill",y\n' * 40_000)
    tracemalloc.start()
    count = sum(1 for _ in Table.open(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 80_000
    assert peak < 6_000_000


def test_wrong_types() -> None:
    for source, options, message in (
        (5, None, "a table is a path or an open file, got 5"),
        ("x.csv", 5, "options must be TableOptions, got 5"),
    ):
        with pytest.raises(OptionError, match=message):
            Table.open(source, options)  # type: ignore[arg-type]
