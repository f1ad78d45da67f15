"""What torchrun tells a process."""

from pathlib import Path

import pytest

from rnn_train.distributed.environment import Place, command, place, resume_command
from rnn_train.errors import RunError

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29500",
}


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    assert place() == Place() == Place(0, 1, 0, 1)
    assert command() == "rnn-train"
    monkeypatch.setenv("WORLD_SIZE", "2")  # another program's: torchrun sets RANK too
    assert place() == Place()


def test_several_processes(torchrun: pytest.MonkeyPatch) -> None:
    assert place() == Place(3, 4, 1, 2)
    assert command() == "torchrun --nnodes 2 --nproc-per-node 2 -m rnn_train"
    torchrun.setenv("LOCAL_WORLD_SIZE", "4")
    assert command() == "torchrun --nproc-per-node 4 -m rnn_train"
    assert resume_command("charlm", Path("my run")) == (
        "torchrun --nproc-per-node 4 -m rnn_train charlm --resume 'my run'"
    )
    torchrun.setenv("WORLD_SIZE", "1")
    assert place() == Place()
    assert resume_command("charlm", Path("run")) == "rnn-train charlm --resume run"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MASTER_ADDR", None, "but MASTER_ADDR not; start all processes with torchrun"),
        ("RANK", "one", "no whole number; start all"),
        ("WORLD_SIZE", "many", "no whole number; start all"),
        ("MASTER_PORT", "", "no whole number; start all"),
        ("MASTER_PORT", "70000", "out of range; start all"),
        ("RANK", "4", "out of range; start all"),
        ("RANK", "-1", "out of range; start all"),
    ],
)
def test_environment_that_does_not_fit(
    torchrun: pytest.MonkeyPatch, name: str, value: str | None, message: str
) -> None:
    if value is None:
        torchrun.delenv(name)
    else:
        torchrun.setenv(name, value)
    with pytest.raises(RunError, match=message):
        place()
