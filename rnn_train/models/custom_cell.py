"""Finding a recurrent cell by its name: a built-in one, or a class of the user."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from rnn_infer.errors import check_memory
from rnn_train.errors import CellError
from rnn_train.models.cells import CELLS, Cell


def find_cell(name: str) -> Callable[[int, int], Cell]:
    """Find a cell, and try one step of it.

    Args:
        name: a name in `CELLS`, or `package.module:Class`. The module is searched on Python's
            path, and then in the current folder.

    Returns:
        What makes the cell: `make(input_size, width)`.

    Raises:
        CellError: there is no such cell, or its step fails, or its shapes differ from those it
            declares.
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
        raise CellError(f"{name} is not a class derived from rnn_train.Cell; derive it from that")
    _try(name, found)
    return found


def _import(module: str) -> object:
    """Import a module, if need be from the current folder. Raises `CellError`: that fails."""
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        return importlib.import_module(module)
    except Exception as error:  # a user's module may raise anything
        check_memory(error)
        raise CellError(f"cell module {module} cannot be imported: {_first_line(error)}") from error
    finally:
        sys.path.remove(here)


def _try(name: str, make: Callable[[int, int], Cell]) -> None:
    """Run one step of a small cell, and compare its shapes with those it declares.

    Raises:
        CellError: the step fails, or a shape differs.
    """
    try:
        cell = make(3, 5)
        x = torch.zeros(2, 3)
        before = cell.zeros(2, x)
        projected = cell.project(x)
        after: object = cell(projected, before)
        output = cell.output(projected, after)  # type: ignore[arg-type]
    except Exception as error:  # a user's cell may raise anything, too
        check_memory(error)
        raise CellError(f"{name} cannot be made and stepped: {_first_line(error)}") from error
    if not isinstance(after, tuple) or len(after) != len(before):
        raise CellError(
            f"{name} must give its states as a tuple of {len(before)} tensors, as it declares; "
            "change its forward"
        )
    shapes = [tuple(each.shape) for each in after]
    declared = [(2, width) for width in cell.state_sizes.values()]
    if shapes != declared:
        raise CellError(
            f"{name} gives states of shapes {shapes}; it declares {declared}; make them equal"
        )
    if output.shape != (2, cell.output_size):
        raise CellError(
            f"{name} gives outputs of shape {tuple(output.shape)}; it declares "
            f"{(2, cell.output_size)}; make them equal"
        )


def _first_line(error: Exception) -> str:
    """Return the type of an error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
