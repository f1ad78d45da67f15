"""Options that cannot fit into memory."""

from pathlib import Path

import pytest
import torch

from rnn_train.errors import RunError
from rnn_train.tasks import memory
from rnn_train.tasks.memory import available, check_logits, check_memory

CPU = torch.device("cpu")
GIB = 2**30


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 4 GiB of free memory."""
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    4194304 kB\n")
    monkeypatch.setattr(memory, "_MEMORY_INFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    return tmp_path


def test_free_memory(machine: Path) -> None:
    assert available(CPU) == 4 * GIB
    (machine / "memory.max").write_text("max\n")
    (machine / "memory.current").write_text(f"{GIB}\n")
    assert available(CPU) == 4 * GIB, "the container has no limit"
    (machine / "memory.max").write_text(f"{3 * GIB}\n")
    assert available(CPU) == 2 * GIB
    (machine / "meminfo").unlink()
    assert available(CPU) == 2 * GIB
    (machine / "memory.max").unlink()
    assert available(CPU) is None, "not every system tells"
    check_memory(10**15, 10**18, CPU, "any")


@pytest.mark.parametrize(
    ("weights", "activations", "cure"),
    [(10**6, 5 * GIB, "--batch or --window"), (10**9, 100, "--hidden or --layers")],
)
def test_what_does_not_fit_is_refused(weights: int, activations: int, cure: str) -> None:
    with pytest.raises(RunError, match=rf"at least .* GiB .*, and 4\.0 GiB are free; .*{cure}"):
        check_memory(weights, activations, CPU, "9 × 9 characters")


def test_what_fits_is_not_refused() -> None:
    check_memory(10**6, GIB, CPU, "9 × 9 characters")


def test_logits_of_held_out_rows() -> None:
    check_logits(GIB // 1000, 1000, "hold out fewer rows")
    with pytest.raises(RunError) as raised:
        check_logits(2_000_000, 10_000, "hold out fewer rows")
    assert str(raised.value) == (
        "the logits of 2,000,000 rows for 10,000 labels take 74.5 GiB of memory, and 4.0 GiB are "
        "free; hold out fewer rows"
    )
