"""`python -m rnn_infer`."""

import subprocess
import sys

import pytest

import rnn_infer


@pytest.mark.parametrize("module", ["rnn_infer", "rnn_infer.cli"])
def test_module_is_the_command_line(module: str) -> None:
    command = [sys.executable, "-m", module, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert rnn_infer.__version__ in done.stdout
