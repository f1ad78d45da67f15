"""A table of open models, so that a process opens each only once."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

KEPT = 4
"""Opened models that stay open although nobody uses them. A worker process often drops a model at
the end of each task, and gets it again with the next."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class OpenOnce(Generic[Key, Value]):
    """Values by key. They are made once, and any number of threads may ask for them.

    A value leaves the table if nobody else holds it and `KEPT` others were asked for after it.
    """

    def __init__(self) -> None:
        self._values: WeakValueDictionary[Key, Value] = WeakValueDictionary()
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start_in_child)

    def __len__(self) -> int:
        return len(self._values)

    def add(self, key: Key, value: Value) -> None:
        """Add a value that exists, unless the key has one. The table does not keep it alive."""
        with self._lock:
            self._values.setdefault(key, value)

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of a key. If there is none, it is made while other threads wait."""
        with self._lock:
            value = self._values.get(key)
            if value is None:
                value = self._values[key] = make()
            self._kept[key] = value
            self._kept.move_to_end(key)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return value

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._values.clear()
            self._kept.clear()

    def _start_in_child(self) -> None:
        """Start anew in a forked child."""
        # Another thread of the parent may hold the lock.
        self._lock = threading.Lock()
        # A model of the parent must never be freed in the child: see `Stepper`.
        self._inherited = self._kept
        self._kept = OrderedDict()
