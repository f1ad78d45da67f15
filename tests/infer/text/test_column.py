"""Columns of texts from many libraries, with missing values in between."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from rnn_infer import OptionError
from rnn_infer.text.column import blank_rows, read_column, require_texts

NAMES = ["Rossi", "Ng", "", "O'Neill"]
HOLES = ["Rossi", None, "", "Ng"]


def pandas_series(dtype: Any) -> Callable[[list[Any]], Any]:
    def make(texts: list[Any]) -> Any:
        pandas = pytest.importorskip("pandas")
        pyarrow = pytest.importorskip("pyarrow")
        kind = pandas.ArrowDtype(pyarrow.string()) if dtype == "arrow" else dtype
        return pandas.Series(texts, dtype=kind)

    return make


def pyarrow_array(name: str) -> Callable[[list[Any]], Any]:
    def make(texts: list[Any]) -> Any:
        pyarrow = pytest.importorskip("pyarrow")
        match name:
            case "chunked":
                return pyarrow.chunked_array([texts[:2], texts[2:]], pyarrow.string())
            case "dictionary":
                return pyarrow.array(texts, pyarrow.string()).dictionary_encode()
        return pyarrow.array(texts, getattr(pyarrow, name)())

    return make


def numpy_strings(**options: Any) -> Callable[[list[Any]], Any]:
    def make(texts: list[Any]) -> Any:
        if not hasattr(np.dtypes, "StringDType"):
            pytest.skip("this numpy has no StringDType")
        return np.array(texts, np.dtypes.StringDType(**options))

    return make


def polars_series(texts: list[Any]) -> Any:
    return pytest.importorskip("polars").Series(texts)


WITH_HOLES: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "iterator": iter,
    "numpy object": lambda texts: np.array(texts, object),
    "numpy StringDType": numpy_strings(na_object=None),
    "pandas object": pandas_series(object),
    "pandas str": pandas_series("str"),
    "pandas string[pyarrow]": pandas_series("string[pyarrow]"),
    "pandas string[python]": pandas_series("string[python]"),
    "pandas ArrowDtype": pandas_series("arrow"),
    "pandas category": pandas_series("category"),
    "pandas array": lambda texts: pandas_series("string[pyarrow]")(texts).array,
    "pandas index": lambda texts: pytest.importorskip("pandas").Index(texts),
    "pyarrow string": pyarrow_array("string"),
    "pyarrow large_string": pyarrow_array("large_string"),
    "pyarrow string_view": pyarrow_array("string_view"),
    "pyarrow chunked": pyarrow_array("chunked"),
    "pyarrow dictionary": pyarrow_array("dictionary"),
    "pyarrow scalars": lambda texts: [*pyarrow_array("string")(texts)],
    "polars": polars_series,
}
WITHOUT_HOLES: dict[str, Callable[[list[Any]], Any]] = {
    "numpy <U": np.array,
    "numpy StringDType": numpy_strings(),
    "numpy scalars": lambda texts: list(np.array(texts)),
    "keys": lambda texts: dict.fromkeys(texts).keys().__iter__(),
}


@pytest.mark.parametrize("make", WITH_HOLES.values(), ids=list(WITH_HOLES))
@pytest.mark.parametrize("texts", [NAMES, HOLES])
def test_column(make: Callable[[list[Any]], Iterable[Any]], texts: list[Any]) -> None:
    found = read_column(make(texts))
    assert found == texts
    assert all(type(each) is str for each in found if each is not None)


@pytest.mark.parametrize("make", WITHOUT_HOLES.values(), ids=list(WITHOUT_HOLES))
def test_column_without_missing_values(make: Callable[[list[str]], Iterable[Any]]) -> None:
    found = read_column(make(NAMES))
    assert found == NAMES
    assert all(type(each) is str for each in found)


def test_missing_values() -> None:
    pandas = pytest.importorskip("pandas")
    holes = [None, math.nan, np.nan, np.float32("nan"), pandas.NA, pandas.NaT]
    for hole in holes:
        assert read_column(["Rossi", hole]) == ["Rossi", None]
    assert read_column(holes) == [None] * len(holes)


def test_empty_column() -> None:
    assert read_column([]) == []
    assert read_column(np.array([], object)) == []


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ("Rossi", "expected a list of texts, not str"),
        (b"Rossi", "expected a list of texts, not bytes"),
        ({"Rossi": 1}, "expected a list of texts, not dict"),
        ({"Rossi"}, "expected a list of texts, not set"),
        (None, "expected a list of texts, not NoneType"),
        (7, "expected a list of texts, not int"),
        (np.array([["Rossi"]]), "ndarray is a table, not a column"),
        (["Rossi", 7], "text 1 is of type int, not str"),
        ([b"Rossi"], "text 0 is of type bytes, not str"),
        (["a", ["b"]], "text 1 is of type list, not str"),
        (["a", np.array(["b", "c"])], "text 1 is of type ndarray, not str"),
        (np.array([1.5]), "text 0 is of type float, not str"),
    ],
)
def test_what_is_no_column(texts: Any, said: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_column(texts)
    assert said in str(caught.value)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_table_is_refused(library: str) -> None:
    table = pytest.importorskip(library).DataFrame({"name": ["Rossi"]})
    with pytest.raises(OptionError, match="DataFrame is a table, not a column; give one column"):
        read_column(table)


def test_blank_rows() -> None:
    assert blank_rows(["a", None, "", "b"]) == [1, 2]
    assert blank_rows(["a", " "]) == []


def test_required_texts() -> None:
    assert require_texts(np.array(["a", "b"]), "count") == ["a", "b"]
    with pytest.raises(OptionError, match="text 1 is empty; there is nothing to count"):
        require_texts(["a", ""], "count")
    for hole in (None, math.nan):
        with pytest.raises(OptionError, match=r"text 1 is missing \(None, NaN or NA\)"):
            require_texts(["a", hole], "count")


def test_no_library_is_imported() -> None:
    code = (
        "import sys; from rnn_infer.text.column import read_column; read_column(['a', None]);"
        "print(*{'pandas', 'pyarrow', 'polars'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
