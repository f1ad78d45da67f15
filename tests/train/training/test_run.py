"""Run folders: numbering, lock, configuration, parts, changed data, metrics."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rnn_train.errors import RunError
from rnn_train.training import checkpoint
from rnn_train.training.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create("charlm", tmp_path / "run")
    run.write_config({"command": "charlm"})
    yield run
    run.close()


def test_numbering() -> None:
    for number in (1, 2, 3):
        run = Run.create("charlm", None)
        assert run.folder == Path(f"runs/charlm-{number}")
        assert run.checkpoints.is_dir()
        run.close()
    other = Run.create("classifier", None)
    assert other.folder == Path("runs/classifier-1")
    other.close()


def test_next_number_is_above_the_highest() -> None:
    for name in ("charlm-2", "charlm-10", "charlm-x", "charlm-99b", "charlm--5"):
        Path("runs", name).mkdir(parents=True)
    run = Run.create("charlm", None)
    assert run.folder.name == "charlm-11"
    run.close()


def test_folder_that_holds_a_run_is_refused(run: Run) -> None:
    run.close()
    with pytest.raises(RunError, match=r"holds a run already; go on with --resume"):
        Run.create("charlm", run.folder)


def test_one_process_at_a_time(run: Run) -> None:
    with pytest.raises(RunError, match="in use"):
        Run.open(run.folder)
    run.close()
    Run.open(run.folder).close()


def test_folder_in_use_is_refused(tmp_path: Path) -> None:
    run = Run.create("charlm", tmp_path / "run")
    with pytest.raises(RunError, match="in use"):
        Run.create("charlm", tmp_path / "run")
    run.close()


@pytest.mark.parametrize("below", ["", "folder"])
def test_folder_that_cannot_be_made(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        Run.create("charlm", tmp_path / "file" / below)


def test_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RunError, match="no run folder"):
            Run.open(folder)
    assert list(tmp_path.iterdir()) == []


def test_config_is_read_back(run: Run) -> None:
    config = {"command": "charlm", "vocabulary": "\n\r\u2028é𝄞", "minutes": None, "rate": 0.1}
    run.write_config(config)
    run.close()
    again = Run.open(run.folder)
    assert again.config() == config
    again.close()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"a": "\xff"}', b'{"command": "ch'])
def test_damaged_config(run: Run, data: bytes) -> None:
    (run.folder / "config.json").write_bytes(data)
    with pytest.raises(RunError, match=r"config\.json (cannot be read|is damaged)"):
        run.config()


def test_metrics_of_later_steps_are_deleted(run: Run) -> None:
    for step in (10, 20, 30):
        run.log_metrics({"step": step})
    assert [row["step"] for row in run.metrics()] == [10, 20, 30]
    assert [row["step"] for row in run.metrics(up_to=20)] == [10, 20]
    assert [row["step"] for row in run.metrics()] == [10, 20]
    assert (run.folder / "metrics.jsonl").is_file()


# --- parts and origin -----------------------------------------------------------------


def test_part_shares_configuration_and_data(run: Run) -> None:
    (run.folder / "corpus.bin").write_bytes(b"text")
    part = run.part("teachers/1")
    assert part.folder == run.folder / "teachers/1"
    assert part.checkpoints.is_dir()
    assert part.config() == run.config()
    assert part.origin() == run.origin()
    part.log_metrics({"step": 1})
    assert run.metrics() == []


def test_part_that_cannot_be_made(run: Run) -> None:
    (run.folder / "teachers").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        run.part("teachers/1")


def test_changes_since_an_origin_are_refused(run: Run) -> None:
    (run.folder / "corpus.bin").write_bytes(b"data")
    origin = run.origin()
    run.check_origin(origin)
    run.write_config({"command": "charlm", "seed": 1})
    with pytest.raises(RunError, match=r"seed in config\.json;"):
        run.check_origin(origin)


def test_last_state_needs_an_origin(run: Run) -> None:
    checkpoint.save(run.checkpoints, 5, {"step": 5})
    with pytest.raises(RunError, match="of another version"):
        run.last_state()
    checkpoint.save(run.checkpoints, 6, {"step": 6, "origin": run.origin()})
    state, warnings = run.last_state()
    assert (state["step"], warnings) == (6, [])


def test_incomplete_files_are_deleted_on_opening(run: Run) -> None:
    part = run.checkpoints / ".step-000000001.ckpt.x.part"
    part.write_bytes(b"incomplete")
    run.close()
    Run.open(run.folder).close()
    assert not part.exists()


def test_folder_without_work_is_removed(tmp_path: Path) -> None:
    run = Run.create("charlm", tmp_path / "some" / "run")
    (run.folder / "corpus.bin").write_bytes(b"text")
    run.discard()
    assert not (tmp_path / "some").exists()
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "file").touch()
    Run.create("charlm", tmp_path / "some" / "run").discard()
    assert [each.name for each in (tmp_path / "some").iterdir()] == ["file"]


def test_folder_is_removed_at_the_second_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create("charlm", tmp_path / "run")
    run.write_config({"command": "charlm"})
    plain, failed = os.rmdir, list[object]()

    def fail_once(*arguments: Any, **options: Any) -> None:
        if not failed:
            failed.append(arguments)
            raise OSError(errno.EIO, "Input/output error")
        plain(*arguments, **options)

    monkeypatch.setattr(os, "rmdir", fail_once)
    run.discard()
    assert failed
    assert not run.folder.exists()


def test_what_cannot_be_removed_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create("charlm", tmp_path / "run")
    run.write_config({"command": "charlm"})
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    run.discard()
    Run.create("charlm", tmp_path / "run").close()


@pytest.mark.parametrize("work", ["checkpoints/step-000000001.ckpt", "teachers/1.onnx"])
def test_folder_with_work_is_kept(tmp_path: Path, work: str) -> None:
    run = Run.create("charlm", tmp_path / "run")
    (run.folder / work).parent.mkdir(exist_ok=True)
    (run.folder / work).touch()
    run.discard()
    assert (run.folder / work).exists()


def test_folder_of_the_user_is_kept(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    Run.create("charlm", tmp_path / "run").discard()
    assert (tmp_path / "run" / "checkpoints").exists()
