"""Host-to-device transfer of a text: window by window, or the whole text at once."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.data.streams import Ring

_SHARE_OF_FREE = 0.25
"""Largest share of a GPU's free memory that a text may take."""
_PIECE = 1 << 24
"""Bytes that are transferred at once."""


def to_device(text: Ring, device: torch.device) -> Ring:
    """Makes a text available on a device.

    If the text is small enough, the whole of it is transferred to the GPU. Then a window needs the
    transfer of a few indices only.

    Args:
        text: returns arrays.
        device: where the rows are needed.

    Returns:
        A ring with the same items. It returns tensors on `device`; tokens are int64.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if len(text) * _first(text).nbytes <= free * _SHARE_OF_FREE:
            return DeviceRing(text, device)
    return HostRing(text, device)


class HostRing:
    """A ring that stays on the host. Each window is transferred to the device."""

    def __init__(self, text: Ring, device: torch.device) -> None:
        """Wraps a text that returns arrays."""
        self._text, self._device = text, device

    def __len__(self) -> int:
        return len(self._text)

    def rows(self, starts: NDArray[np.integer], length: int) -> Tensor:
        """See `Ring`."""
        rows = torch.from_numpy(_supported(self._text.rows(starts, length)))
        return _as_tokens(rows.to(self._device, non_blocking=True))


class DeviceRing:
    """A ring that is on the device as a whole."""

    def __init__(self, text: Ring, device: torch.device) -> None:
        """Transfers a text that returns arrays, piece by piece."""
        self._device = device
        first = torch.from_numpy(_first(text))
        self._items = torch.empty(len(text), *first.shape[1:], dtype=first.dtype, device=device)
        length = max(1, _PIECE // first.nbytes)
        for begin in range(0, len(text), length):
            size = min(length, len(text) - begin)
            (piece,) = text.rows(np.array([begin]), size)
            self._items[begin : begin + size] = torch.from_numpy(_supported(piece)).to(device)

    def __len__(self) -> int:
        return len(self._items)

    def rows(self, starts: NDArray[np.integer], length: int) -> Tensor:
        """See `Ring`."""
        first = torch.from_numpy(starts.astype(np.int64)).to(self._device, non_blocking=True)
        indices = first[:, None] + torch.arange(length, device=self._device)
        return _as_tokens(self._items[indices % len(self._items)])


def _first(text: Ring) -> NDArray[np.generic]:
    """Returns the first item, [1, ...]."""
    (item,) = text.rows(np.zeros(1, np.int64), 1)
    return _supported(item)


def _supported(items: NDArray[np.generic]) -> NDArray[np.generic]:
    """Converts items to a type that torch can index: it hardly supports unsigned types of several
    bytes."""
    return items.astype(np.int32) if items.dtype.kind == "u" and items.itemsize > 1 else items


def _as_tokens(items: Tensor) -> Tensor:
    """Converts integers to int64, as an embedding needs; soft targets keep their type."""
    return items if items.is_floating_point() else items.long()
