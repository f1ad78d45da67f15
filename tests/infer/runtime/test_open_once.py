"""The table of open models: one value per key, made once, kept for a while."""

import faulthandler
import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rnn_infer.runtime.open_once import KEPT, OpenOnce


class Value:
    """Something that can be referred to weakly."""


def test_value_is_made_once() -> None:
    table: OpenOnce[str, Value] = OpenOnce()
    first = table.get("a", Value)
    assert table.get("a", Value) is first
    assert table.get("b", Value) is not first


def test_threads_make_a_value_once() -> None:
    table: OpenOnce[str, Value] = OpenOnce()
    made = []
    together = threading.Barrier(8)

    def make() -> Value:
        time.sleep(0.02)
        made.append(Value())
        return made[-1]

    def ask(_: int) -> Value:
        together.wait(timeout=10)
        return table.get("a", make)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(8)))
    assert len(made) == 1
    assert set(found) == set(made)


def test_failed_value_is_made_again() -> None:
    table: OpenOnce[str, Value] = OpenOnce()

    def fail() -> Value:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        table.get("a", fail)
    assert isinstance(table.get("a", Value), Value)


def test_added_value_is_not_kept_alive() -> None:
    table: OpenOnce[str, Value] = OpenOnce()
    value = Value()
    table.add("a", value)
    table.add("a", Value())
    assert table.get("a", Value) is value
    other = Value()
    table.add("b", other)
    assert len(table) == 2
    del other
    gc.collect()
    assert len(table) == 1


def test_last_values_stay_although_nobody_uses_them() -> None:
    table: OpenOnce[int, Value] = OpenOnce()
    for key in range(KEPT + 3):
        table.get(key, Value)
    gc.collect()
    assert len(table) == KEPT
    made = []
    for key in range(KEPT + 3):
        table.get(key, lambda: made.append(1) or Value())  # type: ignore[func-returns-value]
    assert len(made) == KEPT + 3  # the oldest was gone, and each new one drove the next out
    table.clear()
    gc.collect()
    assert len(table) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_does_not_wait_for_a_thread_of_its_parent() -> None:
    table: OpenOnce[str, Value] = OpenOnce()
    old = table.get("old", Value)
    making, go_on = threading.Event(), threading.Event()

    def make() -> Value:
        making.set()
        go_on.wait(30)
        return Value()

    thread = threading.Thread(target=table.get, args=("slow", make))
    thread.start()
    making.wait(30)
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(20, exit=True)  # a child that waits would stop the tests
        same = table.get("old", Value) is old
        new = isinstance(table.get("new", Value), Value)
        os._exit(0 if same and new else 1)
    go_on.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
