"""A group: here of one process, which needs no other to answer. `test_worker.py` has several."""

import socket
from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist

from rnn_train.distributed.environment import Place
from rnn_train.distributed.group import Group
from rnn_train.errors import PeerError


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    values = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    group = Group(Place())
    yield group
    group.close()


def test_messages_arrive(group: Group) -> None:
    assert (group.rank, group.size) == (0, 1)
    group.use(torch.device("cpu"))
    tensors = [torch.ones(2), torch.zeros(1, 2)]
    group.send({"any": "value"})
    group.broadcast(tensors)
    group.add_up(tensors)
    group.wait_for_all()
    assert [each.tolist() for each in tensors] == [[1, 1], [[0, 0]]]
    assert not group.busy


def test_error_of_communication(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(dist, "barrier", fail)
    with pytest.raises(PeerError, match="another process of this training has ended"):
        group.wait_for_all()
    assert group.busy, "an order would not reach the others"


def test_no_other_process_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "zero")
    with pytest.raises(PeerError, match="do not find each other; start them again"):
        Group(Place(0, 2))
