"""Rings on the host and on a device return the same rows."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rnn_train.data import transfer
from rnn_train.data.streams import ArrayRing, Streams
from rnn_train.data.transfer import DeviceRing, HostRing, to_device

CPU = torch.device("cpu")
STARTS = np.array([0, 7, 95, 99])
ITEMS: list[NDArray[Any]] = [
    np.arange(100).astype(np.uint8),
    (np.arange(100) * 600).astype(np.uint16),
    np.arange(100) * 5,
    np.arange(300, dtype=np.float16).reshape(100, 3),
]


@pytest.mark.parametrize("items", ITEMS, ids=lambda each: str(each.dtype))
@pytest.mark.parametrize("kind", [HostRing, DeviceRing])
@pytest.mark.parametrize("piece", [7, 1000])
def test_rows(
    items: NDArray[Any],
    kind: type[HostRing | DeviceRing],
    piece: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transfer, "_PIECE", piece)
    text = kind(ArrayRing(items), CPU)
    assert len(text) == 100
    rows = text.rows(STARTS, 12)
    assert rows.dtype == (torch.float16 if items.dtype == np.float16 else torch.int64)
    assert np.array_equal(rows.numpy(), ArrayRing(items).rows(STARTS, 12))


def test_windows_on_the_device_are_the_same() -> None:
    host = Streams(ArrayRing(ITEMS[1]), 3, 8, seed=4)
    device = host.over(DeviceRing(ArrayRing(ITEMS[1]), CPU))
    assert device.windows == host.windows
    for step in range(3 * host.windows):
        (rows, fresh), (tensors, expected) = host.window(step), device.window(step)
        assert np.array_equal(rows, tensors.numpy())
        assert fresh == expected


@pytest.mark.parametrize(("free", "kind"), [(400, DeviceRing), (399, HostRing)])
def test_small_text_is_transferred_as_a_whole(
    free: int, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 10**9))
    monkeypatch.setattr(transfer, "DeviceRing", lambda *_: DeviceRing(ArrayRing(ITEMS[0]), CPU))
    found = to_device(ArrayRing(ITEMS[0]), torch.device("cuda"))
    assert isinstance(found, kind)


def test_on_the_cpu_the_text_stays_on_the_host() -> None:
    assert isinstance(to_device(ArrayRing(ITEMS[0]), CPU), HostRing)
