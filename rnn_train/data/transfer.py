"""Where a text lies while windows are cut from it: on the host, or on the GPU that reads them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.data.streams import Ring

_SHARE_OF_FREE = 0.25
"""Of a GPU's free memory, that a text may take at most."""
_PIECE = 1 << 24
"""Bytes that are carried to the GPU at once."""


def to_device(text: Ring, device: torch.device) -> Ring:
    """A text whose rows are arrays, as one whose rows are tensors on a device; tokens are int64.

    A text that leaves enough of a GPU's memory free is kept there as a whole: what goes over to it
    for a window is then a few numbers.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if len(text) * _first(text).nbytes <= free * _SHARE_OF_FREE:
            return DeviceRing(text, device)
    return HostRing(text, device)


class HostRing:
    """Rows that are cut on the host, and carried over one by one."""

    def __init__(self, text: Ring, device: torch.device) -> None:
        self._text, self._device = text, device

    def __len__(self) -> int:
        return len(self._text)

    def rows(self, starts: NDArray[np.integer], length: int) -> Tensor:
        """See `Ring`."""
        rows = torch.from_numpy(_plain(self._text.rows(starts, length)))
        return _numbers(rows.to(self._device, non_blocking=True))


class DeviceRing:
    """Rows of a text that lies on the device as a whole."""

    def __init__(self, text: Ring, device: torch.device) -> None:
        self._device = device
        first = torch.from_numpy(_first(text))
        self._items = torch.empty(len(text), *first.shape[1:], dtype=first.dtype, device=device)
        length = max(1, _PIECE // first.nbytes)
        for begin in range(0, len(text), length):
            size = min(length, len(text) - begin)
            (piece,) = text.rows(np.array([begin]), size)
            self._items[begin : begin + size] = torch.from_numpy(_plain(piece)).to(device)

    def __len__(self) -> int:
        return len(self._items)

    def rows(self, starts: NDArray[np.integer], length: int) -> Tensor:
        """See `Ring`."""
        first = torch.from_numpy(starts.astype(np.int64)).to(self._device, non_blocking=True)
        places = first[:, None] + torch.arange(length, device=self._device)
        return _numbers(self._items[places % len(self._items)])


def _first(text: Ring) -> NDArray[np.generic]:
    """Its first item, [1, ...]."""
    (item,) = text.rows(np.zeros(1, np.int64), 1)
    return _plain(item)


def _plain(items: NDArray[np.generic]) -> NDArray[np.generic]:
    """In a type that torch can index everywhere: it hardly knows unsigned ones of more bytes."""
    return items.astype(np.int32) if items.dtype.kind == "u" and items.itemsize > 1 else items


def _numbers(items: Tensor) -> Tensor:
    return items if items.is_floating_point() else items.long()
