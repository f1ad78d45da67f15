"""Load options: their ranges, and keywords that replace a field."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from rnn_infer import LoadOptions, OptionError
from rnn_infer.runtime.load_options import with_keywords


@pytest.mark.parametrize("device", ["gpu", "CUDA", "", "cuda:0", None, 0])
def test_unknown_device(device: Any) -> None:
    with pytest.raises(OptionError, match="device must be one of auto, cpu, cuda"):
        LoadOptions(device=device)


@pytest.mark.parametrize("threads", [0, -1, 1025, 1.5, "2", None])
def test_threads_out_of_range(threads: Any) -> None:
    with pytest.raises(OptionError, match="threads must be from 1 to 1024"):
        LoadOptions(threads=threads)


def test_keyword_replaces_a_field() -> None:
    options = LoadOptions(device="cpu", threads=2, streams=5, sha256="ab")
    assert with_keywords(options, {}) == options
    changed = with_keywords(options, {"threads": 3, "sha256": None})
    assert changed == LoadOptions(device="cpu", threads=3, streams=5)
    assert options.threads == 2


def test_defaults() -> None:
    assert with_keywords(None, {}) == LoadOptions() == LoadOptions(device="auto", threads=1)


def test_keyword_out_of_range() -> None:
    with pytest.raises(OptionError, match="threads"):
        with_keywords(LoadOptions(device="cpu"), {"threads": 0})


def test_unknown_keyword() -> None:
    with pytest.raises(TypeError, match="speed"):
        with_keywords(None, {"speed": 9})  # type: ignore[typeddict-unknown-key]


def test_options_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        LoadOptions().threads = 2  # type: ignore[misc]
