"""Labelled texts in memory."""

from rnn_train.data.rows import Rows, normal

ROWS = Rows(("a", "b", "c"), ("x", "y", "x"))


def test_length() -> None:
    assert len(ROWS) == 3
    assert len(Rows((), ())) == 0


def test_normal_form_composes_characters() -> None:
    assert normal("e\u0301") == normal("\u00e9") == "\u00e9"
    assert normal("ﬁ") == "ﬁ", "a ligature stays as it is"


def test_plus_and_take() -> None:
    assert ROWS.plus(Rows(("d",), ("z",))) == Rows(("a", "b", "c", "d"), ("x", "y", "x", "z"))
    assert ROWS.take([2, 0]) == Rows(("c", "a"), ("x", "x"))
    assert ROWS.take([]) == Rows((), ())


def test_hash_depends_on_each_row_and_on_the_order() -> None:
    changed = [
        ROWS,
        ROWS.take([2, 1, 0]),
        ROWS.take([0, 1]),
        Rows(ROWS.texts, ("x", "x", "x")),
        Rows(("a", "b", "d"), ROWS.labels),
    ]
    assert len({rows.sha256() for rows in changed}) == 5
    assert ROWS.sha256() == Rows(("a", "b", "c"), ("x", "y", "x")).sha256()
