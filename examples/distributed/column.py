"""What all engines run: a function from a column of names to a column of labels.

It is an object that holds the classifier. Its pickle holds the path of the model file, and a worker
process opens the file once, however many parts it gets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from rnn_infer import Classifier

Function = Callable[[Any], NDArray[Any]]
"""A column in (a list, an array, a pandas series), a column of objects out."""


@dataclass(frozen=True)
class Label:
    """The most likely label of each name. A missing or empty name has the label None."""

    classifier: Classifier

    def __call__(self, names: Any) -> NDArray[Any]:
        labels, _ = self.classifier.classify_columns(names, on_empty="none")
        return labels[:, 0]


def parts(names: Sequence[Any], rows: int) -> list[Sequence[Any]]:
    """Cut a column into parts. A part should be some thousands of rows."""
    return [names[begin : begin + rows] for begin in range(0, len(names), rows)]
