"""Checkpoints: writing, deleting old ones, and loading the newest that is not damaged."""

import errno
import hashlib
import os
import random
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from rnn_train.errors import RunError
from rnn_train.training import checkpoint


def state(step: int) -> dict[str, Any]:
    return {
        "step": step,
        "elapsed": 0.5 * step,
        "weights": {"a": torch.full((3, 2), float(step))},
        "carried": [torch.arange(step)],
    }


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_saved_state_is_loaded(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 5, state(5))
    loaded, warnings = checkpoint.load_latest(tmp_path)
    assert warnings == []
    assert (loaded["step"], loaded["elapsed"]) == (5, 2.5)
    assert torch.equal(loaded["weights"]["a"], state(5)["weights"]["a"])
    assert torch.equal(loaded["carried"][0], torch.arange(5))


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    saved = [
        checkpoint.save(tmp_path, step, state(step)).name for step in (1, 20, 300, 4000, 50000)
    ]
    assert names(tmp_path) == sorted(saved[-checkpoint.KEEP :])
    assert checkpoint.load_latest(tmp_path)[0]["step"] == 50000


def test_highest_step_is_the_newest(tmp_path: Path) -> None:
    for step in (100, 9, 20):
        checkpoint.save(tmp_path, step, state(step))
    assert checkpoint.load_latest(tmp_path)[0]["step"] == 100


def test_same_step_replaces_its_checkpoint(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 5, state(4))
    checkpoint.save(tmp_path, 5, state(5))
    assert len(names(tmp_path)) == 1
    assert checkpoint.load_latest(tmp_path)[0]["step"] == 5


def test_other_files_are_ignored_and_kept(tmp_path: Path) -> None:
    others = ["notes.txt", "step-7.ckpt.bak", "step-x.ckpt", ".step-000000009.ckpt.abc.part"]
    for name in others:
        (tmp_path / name).write_text("not a checkpoint")
    for step in range(6):
        checkpoint.save(tmp_path, step, state(step))
    assert set(others) < set(names(tmp_path))
    loaded, warnings = checkpoint.load_latest(tmp_path)
    assert (loaded["step"], warnings) == (5, [])


def test_failed_write_keeps_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, 5, state(5))

    def full(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            with pytest.raises(RunError, match="No space left"):
                checkpoint.save(tmp_path, 6, state(6))
        assert names(tmp_path) == ["step-000000005.ckpt"]
    assert checkpoint.load_latest(tmp_path)[0]["step"] == 5


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "flipped":
        data[len(data) // 2] ^= 1
    elif how == "flipped at the start":
        data[0] ^= 1
    elif how == "flipped checksum":
        data[12] ^= 1
    elif how == "longer":
        data += b"x"
    else:
        del data[{"empty": 0, "head only": 40, "cut short": len(data) - 1}[how] :]
    path.write_bytes(data)


@pytest.mark.parametrize(
    "how",
    [
        "flipped",
        "flipped at the start",
        "flipped checksum",
        "longer",
        "empty",
        "head only",
        "cut short",
    ],
)
def test_damaged_checkpoint_is_skipped(tmp_path: Path, how: str) -> None:
    checkpoint.save(tmp_path, 5, state(5))
    newest = checkpoint.save(tmp_path, 6, state(6))
    damage(newest, how)
    loaded, warnings = checkpoint.load_latest(tmp_path)
    assert loaded["step"] == 5
    (warning,) = warnings
    assert newest.name in warning
    assert "damaged" in warning


def test_unreadable_checkpoint_is_skipped(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 5, state(5))
    (tmp_path / "step-000000006.ckpt").mkdir()
    loaded, warnings = checkpoint.load_latest(tmp_path)
    assert loaded["step"] == 5
    assert len(warnings) == 1
    assert "step-000000006.ckpt cannot be read" in warnings[0]


def test_exists_counts_damaged_checkpoints(tmp_path: Path) -> None:
    assert not checkpoint.exists(tmp_path)
    damage(checkpoint.save(tmp_path, 5, state(5)), "empty")
    assert checkpoint.exists(tmp_path)


def test_all_checkpoints_are_damaged(tmp_path: Path) -> None:
    for step in (5, 6):
        damage(checkpoint.save(tmp_path, step, state(step)), "flipped")
    with pytest.raises(RunError, match="no usable checkpoint"):
        checkpoint.load_latest(tmp_path)


def test_folder_without_checkpoints(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RunError, match="no usable checkpoint"):
            checkpoint.load_latest(folder)


class Malicious:
    """An object that runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


def test_loading_never_runs_code(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 5, {"step": 5, "object": Malicious()})
    with pytest.raises(RunError, match="no usable checkpoint"):
        checkpoint.load_latest(tmp_path)
    with pytest.raises(RunError, match="of another version"):
        checkpoint.read(tmp_path / "step-000000005.ckpt")
    assert not (tmp_path / "executed").exists()


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        checkpoint.save(tmp_path / "file", 5, state(5))


def test_averaged_weights_have_the_names_of_the_model() -> None:
    model = torch.nn.Linear(2, 3)
    average = torch.optim.swa_utils.AveragedModel(model)
    found = checkpoint.averaged_weights({"average": average.state_dict()})
    assert found.keys() == model.state_dict().keys()
    assert torch.equal(found["weight"], average.module.get_parameter("weight"))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")  # torch itself, on foreign bytes
def test_changed_bytes_with_a_right_checksum_are_refused_or_read(tmp_path: Path) -> None:
    """Every error of torch on foreign bytes becomes an error of the package."""
    path, rng = tmp_path / "changed.pt", random.Random(1)
    checkpoint.write(path, {"step": 3, "model": {"w": torch.ones(4, 3)}, "list": [1, None, "x"]})
    whole = path.read_bytes()
    magic, checksum, payload = whole[:8], whole[8:40], whole[40:]
    assert checksum == hashlib.sha256(payload).digest()
    refused = 0
    for _ in range(600):
        changed = bytearray(payload)
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        path.write_bytes(magic + hashlib.sha256(changed).digest() + changed)
        try:
            assert isinstance(checkpoint.read(path), dict)
        except RunError as error:
            assert len(str(error).splitlines()) == 1
            refused += 1
    assert refused > 100


def test_payload_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.pt"
    checkpoint.write(path, [1, 2])  # type: ignore[arg-type]
    with pytest.raises(RunError, match="of another version"):
        checkpoint.read(path)


def test_too_many_open_files_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path, 1, {"a": 1})

    def refuse(self: Path) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(RunError, match="Too many open files; close files"):
        checkpoint.load_latest(tmp_path)


def test_folder_that_cannot_be_listed_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(RunError, match="cannot list"):
        checkpoint.exists(tmp_path)


def test_old_checkpoint_that_stays_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    for step in range(1, 4):
        checkpoint.save(tmp_path, step, {"a": 1})
    monkeypatch.setattr(Path, "unlink", refuse)
    checkpoint.save(tmp_path, 4, {"a": 4})
    assert checkpoint.load_latest(tmp_path)[0] == {"a": 4}


def test_no_memory_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the checkpoint before it would be used, and steps would be lost."""
    for step in (5, 6):
        checkpoint.save(tmp_path, step, state(step))

    def fail(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(MemoryError, match="not enough memory"):
        checkpoint.load_latest(tmp_path)
