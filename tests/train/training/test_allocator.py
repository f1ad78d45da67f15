"""The allocator keeps freed memory for the next step."""

import ctypes
import platform
import subprocess
import sys
from typing import Any

import pytest

from rnn_train.training.allocator import keep_freed

FAULTS = """
import resource

import torch

from rnn_train.training.allocator import keep_freed

assert keep_freed()
for turn in range(110):
    if turn == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(10_000_000)  # 40 MB, freed at once
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc")
def test_freed_blocks_cause_no_new_page_faults() -> None:
    command = [sys.executable, "-c", FAULTS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100  # of 100 blocks of ten thousand pages


def test_without_glibc_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: Any) -> Any:
        return object()

    monkeypatch.setattr(ctypes, "CDLL", none)
    assert keep_freed() is False
