"""Trains small recurrent networks with PyTorch and exports them for `rnn_infer`."""

from typing import TYPE_CHECKING, Any

from rnn_infer import __version__

if TYPE_CHECKING:
    from rnn_train.models.cells import Cell

__all__ = ["Cell", "__version__"]


def __getattr__(name: str) -> Any:
    # torch takes a second to import: `rnn-train --help` does without it.
    if name == "Cell":
        from rnn_train.models.cells import Cell

        return Cell
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
