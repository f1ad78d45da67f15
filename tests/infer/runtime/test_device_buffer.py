"""Device buffers: a fixed address, and transfers in both directions."""

import numpy as np

from rnn_infer.runtime.device_buffer import DeviceBuffer


def test_content_starts_at_zero() -> None:
    buffer = DeviceBuffer("cpu", np.float32, (2, 3))
    assert buffer.get().tolist() == [[0, 0, 0], [0, 0, 0]]
    assert buffer.get().dtype == np.float32


def test_put_sends_the_host_copy() -> None:
    buffer = DeviceBuffer("cpu", np.int64, (3,))
    buffer.host[:] = [1, 2, 3]
    buffer.put()
    assert buffer.get().tolist() == [1, 2, 3]


def test_put_replaces_the_first_rows() -> None:
    buffer = DeviceBuffer("cpu", np.int64, (3, 1))
    buffer.put(np.array([[5], [6]]))
    assert buffer.get().tolist() == [[5], [6], [0]]
    buffer.put(np.array([[7]]))
    assert buffer.get().tolist() == [[7], [6], [0]]


def test_address_never_changes() -> None:
    buffer = DeviceBuffer("cpu", np.float32, (4, 2))
    before = buffer.bound("x")
    buffer.put(np.ones((4, 2), np.float32))
    assert buffer.bound("x") == before
    name, device, number, kind, shape, _ = before
    assert (name, device, number, kind, shape) == ("x", "cpu", 0, np.float32, (4, 2))


def test_binding_of_one_item() -> None:
    buffer = DeviceBuffer("cpu", np.float32, (4, 2))
    whole, third = buffer.bound("x"), buffer.bound("x", 2)
    assert third[4] == (2,)
    assert third[5] == whole[5] + 2 * 2 * 4
