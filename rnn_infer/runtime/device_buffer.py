"""A buffer on the device at a fixed address, with a copy of it on the host."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_infer.runtime.providers import onnxruntime

Binding = tuple[Any, ...]
"""The arguments of `io_binding.bind_input` and `bind_output`: name, device, device number, element
type, shape, address."""


class DeviceBuffer:
    """Memory on the device that never moves, so that a CUDA graph may use its address."""

    def __init__(self, device: str, kind: type[np.generic], shape: tuple[int, ...]) -> None:
        self.host = np.zeros(shape, kind)
        """The copy on the host. `put` sends it to the device."""
        self._device = device
        make = onnxruntime().OrtValue.ortvalue_from_shape_and_type
        self._value = make(list(shape), kind, device, 0)
        self.put()

    def bound(self, name: str, index: int | None = None) -> Binding:
        """Return the binding of a tensor name to the whole buffer, or to one item of its first
        axis."""
        part = self.host if index is None else self.host[0]
        address = self._value.data_ptr() + (index or 0) * part.nbytes
        return name, self._device, 0, part.dtype.type, part.shape, address

    def put(self, rows: NDArray[Any] | None = None) -> None:
        """Send the host's copy to the device, with `rows` as its first rows if they are given."""
        if rows is not None:
            self.host[: len(rows)] = rows
        self._value.update_inplace(self.host)

    def get(self) -> NDArray[Any]:
        """Return the content. On the CPU this is the memory itself, not a copy."""
        found: NDArray[Any] = self._value.numpy()
        return found
