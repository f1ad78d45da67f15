"""Configuration and data of a run must not change while it is trained."""

from pathlib import Path

import pytest

from rnn_train.errors import RunError
from rnn_train.training.origin import DATA_FILES, check_same, take_origin

CONFIG = {"command": "charlm", "seed": 1}


def test_same_folder_has_the_same_origin(tmp_path: Path) -> None:
    for name in DATA_FILES:
        (tmp_path / name).write_bytes(name.encode())
    origin = take_origin(tmp_path, CONFIG)
    assert list(origin["data"]) == list(DATA_FILES)
    check_same(tmp_path, origin, take_origin(tmp_path, dict(CONFIG)))


@pytest.mark.parametrize("name", DATA_FILES)
def test_changed_data_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"data")
    origin = take_origin(tmp_path, CONFIG)
    (tmp_path / name).write_bytes(b"other")
    with pytest.raises(RunError, match=rf": changed since the last checkpoint: {name};"):
        check_same(tmp_path, origin, take_origin(tmp_path, CONFIG))
    (tmp_path / name).unlink()
    with pytest.raises(RunError, match=rf": {name};"):
        check_same(tmp_path, origin, take_origin(tmp_path, CONFIG))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"command": "charlm", "seed": 2}, "seed in config.json;"),
        ({"command": "charlm"}, "seed in config.json;"),
        ({**CONFIG, "a": 1, "b": None}, "a in config.json, b in config.json;"),
    ],
)
def test_changed_configuration_is_named(
    tmp_path: Path, config: dict[str, object], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        check_same(tmp_path, take_origin(tmp_path, CONFIG), take_origin(tmp_path, config))


def test_other_files_may_change(tmp_path: Path) -> None:
    origin = take_origin(tmp_path, CONFIG)
    (tmp_path / "metrics.jsonl").write_text("{}")
    check_same(tmp_path, origin, take_origin(tmp_path, CONFIG))
