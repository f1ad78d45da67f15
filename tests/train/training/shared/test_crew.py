"""What process 0 asks of the others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from rnn_train.distributed.environment import Place
from rnn_train.distributed.group import Group
from rnn_train.errors import PeerError, RunError
from rnn_train.training.run import Run
from rnn_train.training.shared.crew import ALONE, Crew, TrainMembers

CPU = torch.device("cpu")


class Recorder:
    """A group of three processes, of which two only listen."""

    rank, size, place = 0, 3, Place(0, 3, 0, 3)

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.busy = self.closed = False

    def send(self, order: object) -> None:
        self.sent.append(order)

    def wait_for_all(self) -> None:
        self.sent.append("wait")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def group() -> Recorder:
    return Recorder()


@pytest.fixture
def crew(group: Recorder) -> Crew:
    return Crew(cast(Group, group))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create("charlm", tmp_path / "run")
    yield run
    run.close()


def test_alone(run: Run) -> None:
    trained: list[int] = []
    ALONE.train_members(run, CPU, [1, 2, 3], None, trained.append)
    assert trained == [1, 2, 3]
    ALONE.check(CPU, 1)
    ALONE.dismiss()
    assert (ALONE.size, ALONE.rounds(5), ALONE.wall_seconds([1.0, 2.0])) == (1, 5, 3.0)


def test_members_are_shared_out(run: Run, crew: Crew, group: Recorder) -> None:
    trained: list[int] = []
    crew.train_members(run, CPU, [1, 2, 3, 5, 6], 0.5, trained.append)
    assert trained == [1, 5], "the others train the rest"
    order = TrainMembers(str(run.folder), "cpu", torch.get_num_threads(), (1, 2, 3, 5, 6), 0.5)
    assert group.sent == [order, "wait"]
    crew.train_members(run, CPU, [7], None, trained.append)
    assert (trained, len(group.sent)) == ([1, 5, 7], 2), "one network needs no other process"


def test_seconds_and_rounds_of_members(crew: Crew) -> None:
    assert crew.wall_seconds([1.0, 2.0, 3.0, 4.0]) == 5.0
    assert crew.wall_seconds([]) == 0.0
    assert [crew.rounds(n) for n in (0, 1, 3, 4)] == [0, 1, 1, 2]


def test_others_are_dismissed_if_they_listen(run: Run, crew: Crew, group: Recorder) -> None:
    def fail(_: int) -> None:
        raise PeerError("gone")

    with pytest.raises(PeerError):
        crew.train_members(run, CPU, [1, 2], None, fail)
    crew.dismiss()
    assert group.sent[-1] is not None, "an order would not reach those that train"
    group.busy = False
    crew.train_members(run, CPU, [1, 2], None, lambda _: None)
    crew.dismiss()
    assert group.sent[-1] is None
    assert group.closed


def test_what_cannot_be_shared_out(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    crew.check(CPU, 3)
    with pytest.raises(RunError, match="a batch of 2 cannot be shared out to 3 processes"):
        crew.check(CPU, 2)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(RunError, match="3 processes need 3 GPUs, and there are 2; give torchrun"):
        crew.check(torch.device("cuda"))
