"""The group of processes that train together, and what they send each other."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from rnn_train.distributed.environment import Place
from rnn_train.distributed.flat import through_flat
from rnn_train.errors import PeerError

_START = timedelta(minutes=5)
"""How long the processes wait for each other at the start."""
_WAIT = timedelta(days=30)
"""How long a process waits for a message: while process 0 reads data or measures, there is none."""


class Group:
    """The processes that torchrun has started, as seen by one of them.

    Orders go over gloo, which waits without a limit. Weights and gradients go over NCCL if they are
    on GPUs.
    """

    def __init__(self, place: Place) -> None:
        """Waits for all processes.

        Raises:
            PeerError: not all have come.
        """
        self.place = place
        self.busy = False
        """Whether the others are in the middle of something, or have ended: an order would not
        reach them."""
        with self._peers("the processes of torchrun do not find each other; start them again"):
            store, rank, size = next(rendezvous("env://", timeout=_START))
            dist.init_process_group(
                "gloo",
                # A name of its own: a process that starts this one may use the store too.
                store=PrefixStore("rnn_train", store),
                rank=rank,
                world_size=size,
                timeout=_WAIT,
            )
        self._tensors: dist.ProcessGroup | None = None

    @property
    def rank(self) -> int:
        """Number of this process."""
        return self.place.rank

    @property
    def size(self) -> int:
        """Number of processes."""
        return self.place.size

    def use(self, device: torch.device) -> None:
        """Chooses how tensors travel. All processes must call it at the same time.

        Args:
            device: where the tensors are.
        """
        if device.type == "cuda":
            torch.cuda.set_device(self.place.local_rank)
            if self._tensors is None:
                with self._peers():
                    self._tensors = dist.new_group(backend="nccl")

    def send(self, order: object) -> None:
        """Sends an order from process 0 to all others; they must be in `receive`."""
        assert self.rank == 0
        with self._peers():
            dist.broadcast_object_list([order], src=0)

    def receive(self) -> Any:
        """Waits for an order of process 0."""
        box: list[Any] = [None]
        with self._peers():
            dist.broadcast_object_list(box, src=0)
        return box[0]

    def wait_for_all(self) -> None:
        """Waits until all processes have come here."""
        with self._peers():
            dist.barrier()

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Gives all processes the values that process 0 has, in place."""
        with self._peers():
            through_flat(tensors, lambda flat: dist.broadcast(flat, src=0, group=self._tensors))

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replaces the values of process 0 by the sums over all processes. Those of the other
        processes are undefined afterwards."""
        with self._peers():
            through_flat(tensors, lambda flat: dist.reduce(flat, dst=0, group=self._tensors))

    def close(self) -> None:
        """Leaves the group."""
        dist.destroy_process_group()

    @contextmanager
    def _peers(self, what: str = "another process of this training has ended") -> Iterator[None]:
        """Turns errors of communication into a `PeerError`. After a message that has failed, or was
        interrupted, the others are busy."""
        before, self.busy = self.busy, True
        try:
            yield
        except (RuntimeError, ValueError, OSError) as error:
            raise PeerError(what) from error
        self.busy = before
