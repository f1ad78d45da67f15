"""Finding a recurrent cell by name: a built-in one, or a user's own class."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from rnn_train.errors import CellError
from rnn_train.models.cells import CELLS, Cell


def find_cell(name: str) -> Callable[[int, int], Cell]:
    """The cell of a name in `CELLS`, or the class that `package.module:Class` names.

    A module is looked for as Python does, and then in the current folder.

    Raises:
        CellError: there is none, or it is no `Cell` that can be made as `make(input_size, width)`
            and stepped.
    """
    if name in CELLS:
        return CELLS[name]
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        raise CellError(
            f"cell {name!r} is not known; give {', '.join(CELLS)}, or your own as "
            "package.module:Class"
        )
    found = getattr(_import(module), attribute, None)
    if not (isinstance(found, type) and issubclass(found, Cell)):
        raise CellError(f"{name} is not a class derived from rnn_train.Cell")
    _try(name, found)
    return found


def _import(module: str) -> object:
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        return importlib.import_module(module)
    except Exception as error:  # a user's module may raise anything
        raise CellError(f"cell module {module} cannot be imported: {_said(error)}") from error
    finally:
        sys.path.remove(here)


def _try(name: str, make: Callable[[int, int], Cell]) -> None:
    """One step of a small cell. Raises `CellError`: something about it is not as it must be."""
    try:
        cell = make(3, 5)
        x = torch.zeros(2, 3)
        before = cell.zeros(2, x)
        projected = cell.project(x)
        after: object = cell(projected, before)
        output = cell.output(projected, after)  # type: ignore[arg-type]
    except Exception as error:  # so may a user's cell
        raise CellError(f"{name} cannot be made and stepped: {_said(error)}") from error
    if not isinstance(after, tuple) or len(after) != len(before):
        raise CellError(
            f"{name} must give its states as a tuple of {len(before)} tensors, as it declares"
        )
    shapes = [tuple(each.shape) for each in after]
    declared = [(2, width) for width in cell.state_sizes.values()]
    if shapes != declared:
        raise CellError(f"{name} gives states of shapes {shapes}; it declares {declared}")
    if output.shape != (2, cell.output_size):
        raise CellError(
            f"{name} gives outputs of shape {tuple(output.shape)}; it declares "
            f"{(2, cell.output_size)}"
        )


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
