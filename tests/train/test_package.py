"""What `rnn_train` is from outside: light to import, typed, and a list of public names."""

import inspect
import subprocess
import sys
import typing
import warnings
from pathlib import Path

import pytest

import rnn_infer
import rnn_train
from rnn_train import errors

PUBLIC = [
    "Cell",
    "CellError",
    "CharLMFigures",
    "CharLMRequest",
    "ClassifierFigures",
    "ClassifierRequest",
    "DataError",
    "EvaluationError",
    "ExportError",
    "ExportOptions",
    "LabelFigures",
    "PeerError",
    "RnnTrainError",
    "RunError",
    "TrainingError",
    "TrainingReport",
    "__version__",
    "evaluate",
    "export",
    "resume",
    "train_charlm",
    "train_classifier",
]


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_public_names() -> None:
    """A change here is a change of the public API: it goes into the changelog."""
    assert rnn_train.__all__ == PUBLIC
    assert dir(rnn_train) == PUBLIC
    for name in PUBLIC:
        assert getattr(rnn_train, name) is not None


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Trainer'"):
        rnn_train.Trainer  # noqa: B018


@pytest.mark.parametrize("name", [each for each in PUBLIC if not each.startswith("__")])
def test_public_names_are_documented(name: str) -> None:
    public = getattr(rnn_train, name)
    assert inspect.getdoc(public)
    if inspect.isfunction(public):
        text = inspect.getdoc(public) or ""
        for parameter in inspect.signature(public).parameters:
            assert f"{parameter}:" in text or f"{parameter}," in text, parameter
        assert "Raises:" in text


def test_every_error_is_public() -> None:
    for error in vars(errors).values():
        if inspect.isclass(error) and issubclass(error, Exception):
            assert error.__name__ in PUBLIC
            assert issubclass(error, rnn_train.RnnTrainError)


def test_what_public_functions_return_is_public() -> None:
    for name in PUBLIC:
        function = getattr(rnn_train, name)
        if inspect.isfunction(function):
            result = typing.get_type_hints(function)["return"]
            for kind in {result, *typing.get_args(result)}:
                if getattr(kind, "__module__", "").startswith("rnn_train"):
                    assert kind.__name__ in PUBLIC


def test_import_is_light() -> None:
    loaded = python("import sys, rnn_train, rnn_train.cli; print(*sys.modules)").split()
    assert "click" in loaded
    assert not {"torch", "onnx", "matplotlib", "sklearn"} & set(loaded)


def test_former_place_of_cells_warns() -> None:
    code = "from rnn_train.cells import Cell"
    command = [sys.executable, "-W", "error::DeprecationWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "rnn_train.cells is deprecated" in done.stderr
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from rnn_train import cells
    assert cells.Cell is rnn_train.Cell


def test_version_is_that_of_the_reader() -> None:
    assert rnn_train.__version__ == rnn_infer.__version__


def test_package_is_typed() -> None:
    assert (Path(rnn_train.__file__).parent / "py.typed").is_file()
