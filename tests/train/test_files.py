"""Atomic writing of files."""

import errno
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NoReturn

import pytest

from rnn_infer import ModelFileError
from rnn_train.errors import RunError
from rnn_train.files import (
    all_or_none,
    check_reachable,
    check_writable,
    keeping_previous,
    replacing,
    sha256,
    telling,
    write_bytes,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def blocked(tmp_path: Path) -> Path:
    """A path that nobody can write, not even root: its folder is a file."""
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file" / "out.bin"


def test_file_and_folders_are_made(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a/b/out.bin", b"new")
    assert (tmp_path / "a/b/out.bin").read_bytes() == b"new"
    assert names(tmp_path / "a/b") == ["out.bin"]


def test_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with replacing(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["out.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [None, b"old"])
def test_error_keeps_the_old_file(
    tmp_path: Path, error: type[BaseException], old: bytes | None
) -> None:
    path = tmp_path / "out.bin"
    if old:
        path.write_bytes(old)

    def fail(stream: BinaryIO) -> None:
        stream.write(b"half")
        raise error

    with pytest.raises(error), replacing(path) as stream:
        fail(stream)
    assert names(tmp_path) == (["out.bin"] if old else [])
    assert not old or path.read_bytes() == old


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_full_disk_leaves_no_file(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(RunError, match=r"cannot write .*out\.bin: No space left on device"):
        write_bytes(tmp_path / "out.bin", b"new")
    assert names(tmp_path) == []


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "out.bin", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.bin").stat().st_mode) == 0o640


WRITERS: list[Callable[[Path], None]] = [check_writable, lambda path: write_bytes(path, b"new")]


@pytest.mark.parametrize("write", WRITERS, ids=["check", "write"])
def test_folder_is_a_file(blocked: Path, write: Callable[[Path], None]) -> None:
    with pytest.raises(RunError, match=r"cannot write .*out\.bin"):
        write(blocked)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that root cannot write")
@pytest.mark.parametrize("write", WRITERS, ids=["check", "write"])
def test_folder_that_cannot_be_written(write: Callable[[Path], None]) -> None:
    with pytest.raises(RunError, match=r"cannot write /proc/out\.bin"):
        write(Path("/proc/out.bin"))


@pytest.mark.parametrize("write", WRITERS, ids=["check", "write"])
def test_path_is_a_folder(tmp_path: Path, write: Callable[[Path], None]) -> None:
    (tmp_path / "folder/out.bin").mkdir(parents=True)
    with pytest.raises(RunError, match=r"cannot write .*out\.bin"):
        write(tmp_path / "folder/out.bin")
    assert names(tmp_path / "folder") == ["out.bin"]


def test_check_changes_no_file(tmp_path: Path) -> None:
    (tmp_path / "out.bin").write_bytes(b"old")
    check_writable(tmp_path / "out.bin")
    check_writable(tmp_path / "other.bin")
    assert names(tmp_path) == ["out.bin"]
    assert (tmp_path / "out.bin").read_bytes() == b"old"


def test_folder_is_synced_after_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a power failure may bring back the old file, or no file."""
    synced: list[tuple[bool, bool]] = []
    plain = os.fsync

    def fsync(handle: int) -> None:
        plain(handle)
        synced.append((stat.S_ISDIR(os.fstat(handle).st_mode), (tmp_path / "out.bin").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_bytes(tmp_path / "out.bin", b"new")
    assert synced == [(False, False), (True, True)]


def test_folder_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = os.open

    def refuse(path: str | Path, *more: int, **options: int) -> int:
        if Path(path) == tmp_path:
            raise PermissionError(errno.EACCES, "folders cannot be opened")
        return plain(path, *more, **options)

    monkeypatch.setattr(os, "open", refuse)
    write_bytes(tmp_path / "out.bin", b"new")
    assert (tmp_path / "out.bin").read_bytes() == b"new"


@pytest.mark.parametrize("error", [RunError, ModelFileError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [None, b"old"])
def test_error_after_the_replacement_says_so(
    tmp_path: Path, error: type[BaseException], old: bytes | None
) -> None:
    path = tmp_path / "out.bin"
    if old:
        path.write_bytes(old)
    with pytest.raises(error, match=r"out\.bin is written, and whole"), telling(path):
        write_bytes(path, b"new")
        raise error("the folder fails; try again")


def test_error_before_the_replacement(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with pytest.raises(RunError, match="^no room; make some$"), telling(path):
        raise RunError("no room; make some")
    with pytest.raises(KeyboardInterrupt, match=r"out\.bin is as it was"), telling(path):
        raise KeyboardInterrupt


def test_rename_that_fails_after_it_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network file system whose answer is lost."""
    path, plain = tmp_path / "out.bin", os.replace

    def replace(old: Path, new: Path) -> NoReturn:
        plain(old, new)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(RunError, match="try again; .*is written, and whole"), telling(path):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


# --- several files ----------------------------------------------------------------------


@pytest.mark.parametrize("error", [RunError, KeyboardInterrupt])
@pytest.mark.parametrize("links", [True, False])
def test_several_files_or_none(
    tmp_path: Path, error: type[BaseException], links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Path) -> NoReturn:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    old, new = tmp_path / "old.bin", tmp_path / "a" / "b" / "new.bin"
    old.write_bytes(b"old")
    with pytest.raises(error), all_or_none(old, new):
        write_bytes(old, b"other")
        write_bytes(new, b"new")
        raise error
    assert (names(tmp_path), old.read_bytes()) == (["old.bin"], b"old")
    with pytest.raises(error), all_or_none(old, new):
        write_bytes(tmp_path / "a" / "kept.bin", b"of another program")
        raise error
    assert names(tmp_path / "a") == ["kept.bin"]
    with all_or_none(old, new):
        write_bytes(old, b"other")
        write_bytes(new, b"new")
    assert (old.read_bytes(), new.read_bytes()) == (b"other", b"new")
    assert (names(tmp_path), names(new.parent)) == (["a", "old.bin"], ["new.bin"])


def test_several_files_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(shutil, "copy2", refuse)
    with pytest.raises(RunError, match="cannot write .*No space left"), all_or_none(path):
        write_bytes(path, b"new")
    assert (names(tmp_path), path.read_bytes()) == (["out.bin"], b"old")


# --- the file before ------------------------------------------------------------------


def test_previous_file_is_kept(tmp_path: Path) -> None:
    path, names = tmp_path / "model.onnx", ("previous", "previous-2", "previous-3")
    for number, name in enumerate(names):
        path.write_bytes(b"%d" % number)
        with keeping_previous(path, None) as copy:
            path.write_bytes(b"new")
        assert copy == tmp_path / f"model.{name}.onnx"
    assert [(tmp_path / f"model.{name}.onnx").read_bytes() for name in names] == [b"0", b"1", b"2"]
    assert path.read_bytes() == b"new"


def test_own_file_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with keeping_previous(path, None) as copy:
        path.write_bytes(b"new")
    assert copy is None
    with keeping_previous(path, sha256(path)) as copy:
        path.write_bytes(b"newer")
    assert copy is None
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("error", [RunError, KeyboardInterrupt])
def test_failed_write_leaves_no_copy(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(error), keeping_previous(path, None):
        raise error
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_bytes() == b"old"


def test_place_that_can_be_written_later(tmp_path: Path) -> None:
    check_reachable(tmp_path / "new" / "folder" / "plot.png", "--plots")
    assert list(tmp_path.iterdir()) == [], "nothing is made"
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file" / "a.png", tmp_path / "file" / "b" / "a.png"):
        with pytest.raises(RunError, match=r"file is no folder; name another --plots"):
            check_reachable(path, "--plots")
    with pytest.raises(RunError, match="cannot write .*; name it shorter"):
        check_reachable(tmp_path / ("x" * 5000) / "a.png", "--plots")
