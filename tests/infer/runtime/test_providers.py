"""onnxruntime is missing, broken, or installed twice: the errors and warnings."""

import importlib.metadata
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from rnn_infer import CharLM, ModelFileError, RuntimeMissingError
from rnn_infer.cli.commands import main
from rnn_infer.inspection import examine
from rnn_infer.runtime.device import DEVICES

pytestmark = pytest.mark.usefixtures("fresh_runtime")


@pytest.fixture
def path(data: Path) -> Path:
    return data / "charlm.onnx"


def test_onnxruntime_is_missing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for device in DEVICES:
        with pytest.raises(RuntimeMissingError, match="pip install onnxruntime") as caught:
            CharLM.load(path, device=device)
        assert isinstance(caught.value, ImportError)
        assert len(str(caught.value).splitlines()) == 1
    found = examine()
    assert (found["ok"], found["onnxruntime"]) == (False, None)
    assert "pip install onnxruntime" in found["next"]


def test_onnxruntime_is_missing_on_the_command_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for arguments in (["show", "--model", str(path)], ["doctor"]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1
        assert "pip install onnxruntime" in result.output
        assert isinstance(result.exception, SystemExit)


def test_onnxruntime_is_broken(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "onnxruntime.py").write_text('raise ImportError("libfoo.so: no such file")\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime")
    with pytest.raises(RuntimeMissingError, match=r"\(libfoo.so: no such file\).*pip install"):
        CharLM.load(path)


def test_bad_file_is_reported_without_onnxruntime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelFileError, match="no such file"):
        CharLM.load(tmp_path / "none.onnx")


@pytest.fixture
def distributions(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`distributions("onnxruntime", …)`: pretend that exactly these are installed, in one folder or
    each in its own."""

    def pretend(*names: str, apart: bool = False) -> None:
        def distribution(name: str) -> SimpleNamespace:
            if name not in names:
                raise importlib.metadata.PackageNotFoundError(name)
            folder = Path("/site", name if apart else "")
            return SimpleNamespace(version="1.30.0", locate_file=folder.joinpath)

        monkeypatch.setattr(importlib.metadata, "distribution", distribution)

    return pretend


def test_both_distributions(path: Path, distributions: Callable[..., None]) -> None:
    distributions("onnxruntime", "onnxruntime-gpu")
    with pytest.warns(RuntimeWarning, match="both installed.*pip uninstall -y"):
        assert CharLM.load(path, device="cpu").device == "cpu"
    found = examine()
    assert found["ok"] is False
    assert found["installed"] == "onnxruntime 1.30.0, onnxruntime-gpu 1.30.0"
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in found["next"]


@pytest.mark.parametrize(
    ("names", "apart"),
    [
        ((), False),
        (("onnxruntime",), False),
        (("onnxruntime-gpu",), False),
        (("onnxruntime", "onnxruntime-gpu"), True),
    ],
)
def test_distributions_that_are_whole(
    path: Path, distributions: Callable[..., None], names: tuple[str, ...], apart: bool
) -> None:
    """None is fine too: it may be another vendor's build, or one from source."""
    distributions(*names, apart=apart)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert CharLM.load(path, device="cpu").device == "cpu"
    assert examine()["ok"] is True
