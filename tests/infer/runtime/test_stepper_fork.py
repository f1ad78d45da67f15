"""A model in a forked child process: it is opened again there and gives the same results.

The parent's other threads must not compute during the fork. No numeric library survives that.
"""

import faulthandler
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from rnn_infer import CharLM, DeviceError
from rnn_infer.runtime.stepper import Stepper

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked child, and return its exit status."""
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(30, exit=True)  # a child that hangs would stop the tests
        try:
            work()
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["charlm", "charlm.one", "charlm.three"])
def test_child_draws_the_same_as_its_parent(data: Path, name: str, threads: int) -> None:
    lm = CharLM.load(data / f"{name}.onnx", device="cpu", threads=threads)
    session = lm.session(seed=4)
    session.feed("the")
    expected = session.fork().generate(40)
    batch = lm.generate(["a", "b"], length=20, seed=1)

    def work() -> None:
        assert session.generate(40) == expected
        assert lm.generate(["a", "b"], length=20, seed=1) == batch

    assert in_child(work) == 0
    assert session.generate(40) == expected


def test_error_on_cuda_says_what_to_do(data: Path) -> None:
    opened = Stepper.open(data / "charlm.onnx", device="cpu")
    stepper = Stepper(opened.file, opened._session, "cuda")

    def work() -> None:
        with pytest.raises(DeviceError, match="spawn"):
            CharLM(stepper).generate("a", length=1)

    assert in_child(work) == 0
