"""The processes that train one run, as process 0 sees them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from rnn_train.distributed.group import Group
from rnn_train.errors import RunError
from rnn_train.training.objective import SharedObjective
from rnn_train.training.run import Run
from rnn_train.training.shared.steps import SharedSteps


@dataclass(frozen=True)
class TrainMembers:
    """Order: train your networks of the run's ensemble."""

    folder: str
    device: str
    threads: int
    numbers: tuple[int, ...]
    """Networks to train, by all processes together."""
    minutes: float | None
    """Minutes of each network; None: the plan says how many epochs."""


@dataclass(frozen=True)
class ShareSteps:
    """Order: open the run, and compute your share of each step that follows."""

    folder: str
    device: str
    threads: int


class Crew:
    """One process, or those that torchrun has started."""

    def __init__(self, group: Group | None = None) -> None:
        """
        Args:
            group: the processes; None: this one is alone.
        """
        self._group = group

    @property
    def size(self) -> int:
        """Number of processes."""
        return self._group.size if self._group else 1

    def check(self, device: torch.device, batch: int | None = None) -> None:
        """Checks that there is work, and a device, for each process.

        Args:
            device: where to train.
            batch: sequences of a batch; None: not known yet.

        Raises:
            RunError: there is not.
        """
        if self._group is None:
            return
        count = self._group.place.local_size
        if device.type == "cuda" and (gpus := torch.cuda.device_count()) < count:
            raise RunError(
                f"{count} processes need {count} GPUs, and there are {gpus}; give torchrun "
                f"--nproc-per-node {gpus}, or --device cpu"
            )
        if batch is not None and batch < self.size:
            raise RunError(
                f"a batch of {batch} cannot be shared out to {self.size} processes; give a larger "
                "--batch, or start fewer processes"
            )

    def train_members(
        self,
        run: Run,
        device: torch.device,
        numbers: Sequence[int],
        minutes: float | None,
        train: Callable[[int], None],
    ) -> None:
        """Trains networks of an ensemble, each in one process.

        Args:
            run: the run folder.
            device: where to train.
            numbers: of the networks.
            minutes: of each; None: the plan says how many epochs.
            train: trains a network in this process, and writes the result into the run folder.

        Raises:
            KeyboardInterrupt: the user interrupted it.
            PeerError: another process has ended.
        """
        if self._group is None or len(numbers) < 2:
            for number in numbers:
                train(number)
            return
        threads = torch.get_num_threads()
        folder = str(run.folder.absolute())
        self._group.busy = True
        self._group.send(TrainMembers(folder, device.type, threads, tuple(numbers), minutes))
        for number in numbers[:: self.size]:
            train(number)
        self._group.wait_for_all()
        self._group.busy = False

    def shared_steps(
        self, run: Run, objective: SharedObjective, device: torch.device
    ) -> SharedSteps | None:
        """Lets the other processes open a run, and compute their share of its steps.

        Args:
            run: the run folder. All that the objective reads is there.
            objective: of the run.
            device: where to train.

        Returns:
            The steps; None: this process is alone.
        """
        if self._group is None:
            return None
        folder = str(run.folder.absolute())
        self._group.send(ShareSteps(folder, device.type, torch.get_num_threads()))
        self._group.use(device)
        return SharedSteps(self._group, objective, device)

    def dismiss(self) -> None:
        """Ends the other processes, unless they are busy: then they end with this one.

        Raises:
            PeerError: another process has ended before.
        """
        if self._group and not self._group.busy:
            self._group.send(None)
            self._group.close()

    def wall_seconds(self, seconds: Sequence[float]) -> float:
        """Returns how long it takes to train networks that take so many seconds each."""
        return max((sum(seconds[rank :: self.size]) for rank in range(self.size)), default=0.0)

    def rounds(self, networks: int) -> int:
        """Returns how many networks the process with the most of them trains."""
        return -(-networks // self.size)


ALONE = Crew()
"""One process."""
