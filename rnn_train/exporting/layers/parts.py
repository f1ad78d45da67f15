"""What one layer of a whole sequence gives to the next: columns side by side, not joined yet.

Joining copies all times, and a product of parts is the sum of their products. So a layer that can
take parts saves the copies. A part may also be numbers in other units than the trained ones: they
stand for `(value - zero) * scale`, and the weights of the next product take zero and scale in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_train.exporting.graph import Graph

Column = NDArray[np.float32]
"""One number for each column, [width]."""


@dataclass(frozen=True, kw_only=True)
class LookUp:
    """Rows of a table of all tokens."""

    table: str
    """A constant of the main graph, [rows, width]."""
    rows: int
    places: str
    """int64 [time, batch]."""


@dataclass(frozen=True)
class Part:
    """Neighbouring columns of a layer's input, at all times."""

    width: int
    value: str = ""
    """[time, batch, width]. Empty: it is looked up."""
    scale: Column | None = None
    """None: 1."""
    zero: Column | None = None
    """None: 0."""
    whole: str = ""
    """The same numbers in uint8, or empty."""
    look_up: LookUp | None = None
    projected: bool = False
    """Whether this is the layer's projected input, see `Layer.project`."""

    def as_is(self, graph: Graph) -> str:
        """Return the value, or add the look-up of it."""
        if self.look_up is None:
            return self.value
        return graph.add("Gather", self.look_up.table, self.look_up.places, axis=0, name="row")

    def shifted(self, graph: Graph) -> str:
        """Add the value less `zero`."""
        value = self.as_is(graph)
        if self.zero is None:
            return value
        return graph.add("Sub", value, graph.constant("zero_at", self.zero), name="shifted")

    def exact(self, graph: Graph) -> str:
        """Add the value in the trained units."""
        value = self.shifted(graph)
        if self.scale is not None:
            value = graph.add("Mul", value, graph.constant("scale", self.scale), name="in_units")
        return value


Parts = Sequence[Part]


def joined(graph: Graph, parts: Parts) -> str:
    """Add all parts side by side in the trained units: [time, batch, width]."""
    return beside(graph, [part.exact(graph) for part in parts])


def beside(graph: Graph, values: Sequence[str], axis: int = 2) -> str:
    """Add values side by side. A single one stays as it is."""
    return graph.add("Concat", *values, axis=axis, name="beside") if len(values) > 1 else values[0]


def units(parts: Parts) -> tuple[Column | None, Column | None]:
    """Return scale and zero of all columns; None: all are 1, or 0."""
    scale, zero = (
        np.concatenate(
            [np.full(part.width, usual, np.float32) if own is None else own for part, own in pairs]
        )
        for usual, pairs in (
            (1, [(part, part.scale) for part in parts]),
            (0, [(part, part.zero) for part in parts]),
        )
    )
    return (None if (scale == 1).all() else scale), (zero if zero.any() else None)


def in_units(
    parts: Parts, weight: NDArray[np.float32], bias: Column
) -> tuple[NDArray[np.float32], Column]:
    """Return a weight [width, out] and a bias [out] that take the values of parts as they are."""
    scale, zero = units(parts)
    if scale is not None:
        weight = scale[:, None] * weight
    return weight, bias if zero is None else bias - zero @ weight
