"""Ctrl-C and SIGTERM are caught in a `with` block."""

import signal
import threading

import pytest

from rnn_train.training.interrupt import interruptible, terminable

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_is_noted(number: signal.Signals) -> None:
    with interruptible() as interrupted:
        assert not interrupted()
        signal.raise_signal(number)
        assert interrupted()


@pytest.mark.parametrize("first", SIGNALS)
def test_second_ctrl_c_raises(first: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(first)
        signal.raise_signal(signal.SIGTERM)  # SIGTERM never raises
        signal.raise_signal(signal.SIGINT)


def test_old_handlers_come_back() -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(ZeroDivisionError), interruptible():
        assert [signal.getsignal(each) for each in SIGNALS] != before
        raise ZeroDivisionError
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_other_threads_catch_nothing() -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    found: list[bool] = []

    def work() -> None:
        with interruptible() as interrupted:
            found.append(interrupted())
            found.append([signal.getsignal(each) for each in SIGNALS] == before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert found == [False, True]


def test_sigterm_is_like_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminable():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_at_once(number: int) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible(lambda: True):
        signal.raise_signal(number)


def test_no_signals_outside_the_main_thread() -> None:
    found = []

    def work() -> None:
        with terminable():
            found.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [True]
