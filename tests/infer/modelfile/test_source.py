"""Sources of a model: paths, bytes, file objects and resources, and what is refused."""

import hashlib
import importlib.resources
import io
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rnn_infer
from rnn_infer import CharLM, Classifier, ModelFileError, OptionError, contract
from rnn_infer.modelfile.source import read_source
from rnn_infer.runtime.stepper import Stepper

Loader = Callable[..., Any]


@pytest.fixture
def content(data: Path) -> bytes:
    """The bytes of a classifier."""
    return (data / "gru.onnx").read_bytes()


@pytest.fixture
def archive(tmp_path: Path, content: bytes) -> Path:
    """A zip with a package `packed`, which has a model in its folder `models`."""
    path = tmp_path / "packed.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stream:
        stream.writestr("packed/__init__.py", "")
        stream.writestr("packed/models/gru.onnx", content)
    return path


class Trickle:
    """A file object that returns a few bytes per call, as a socket does."""

    def __init__(self, content: bytes) -> None:
        self.stream = io.BytesIO(content)

    def read(self, size: int, /) -> bytes:
        return self.stream.read(min(size, 1000))


def test_path(data: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    for path in ("gru.onnx", Path("gru.onnx")):
        found = read_source(path)
        assert (found.name, found.path) == ("gru.onnx", str(data / "gru.onnx"))
        assert found.data == content
        assert found.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes(content: bytes, kind: Callable[[bytes], Any]) -> None:
    found = read_source(kind(content))
    assert (found.name, found.path, found.data) == ("<bytes>", None, content)
    assert type(found.data) is bytes


def test_file_objects(data: Path, content: bytes) -> None:
    with (data / "gru.onnx").open("rb") as stream:
        found = read_source(stream)
        assert not stream.closed
    assert (found.name, found.path, found.data) == (str(data / "gru.onnx"), None, content)
    for source in (io.BytesIO(content), Trickle(content)):
        found = read_source(source)
        assert (found.name, found.path, found.data) == ("<file object>", None, content)


def test_resource_in_a_zip(archive: Path, content: bytes) -> None:
    found = read_source(zipfile.Path(archive, "packed/models/gru.onnx"))
    assert found.name == f"{archive}/packed/models/gru.onnx"
    assert (found.path, found.data) == (None, content)


def test_resource_of_a_package(
    archive: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(archive))
    resource = importlib.resources.files("packed") / "models" / "gru.onnx"
    monkeypatch.delitem(sys.modules, "packed")
    assert read_source(resource).data == content
    assert rnn_infer.load(resource, device="cpu").metadata.kind == "classifier"


@pytest.mark.parametrize("loader", [rnn_infer.load, Classifier.load, Stepper.open])
def test_every_load_takes_every_source(loader: Loader, data: Path, content: bytes) -> None:
    for source in (data / "gru.onnx", content, io.BytesIO(content)):
        assert loader(source, device="cpu").device == "cpu"
    with pytest.raises(ModelFileError, match="sha256"):
        loader(content, device="cpu", sha256="0" * 64)


def test_wrong_kind_names_the_source(content: bytes) -> None:
    with pytest.raises(ModelFileError, match=r"^<bytes>: is a classifier, not a character model"):
        CharLM.load(content)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: b"", "<bytes>: is empty"),
        (lambda _: b"not a model", "<bytes>: damaged or not an ONNX file"),
        (lambda _: io.BytesIO(), "<file object>: is empty"),
        (lambda _: io.StringIO("text"), "<file object>: is open as text; open it with mode 'rb'"),
        (lambda zipped: zipfile.Path(zipped, "none.onnx"), "none.onnx: no such file"),
        (lambda zipped: zipfile.Path(zipped, "packed/models/"), "models/: is a folder"),
    ],
)
def test_bad_source(archive: Path, make: Callable[[Path], Any], said: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        rnn_infer.load(make(archive), device="cpu")
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_closed_file_object(data: Path) -> None:
    with (data / "gru.onnx").open("rb") as stream:
        pass
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_source(stream)


def test_file_object_that_fails() -> None:
    class Broken:
        def read(self, size: int, /) -> bytes:
            raise RuntimeError(f"{size} bytes are too many")

    with pytest.raises(ModelFileError, match=r"<file object>: cannot be read: \d+ bytes are"):
        read_source(Broken())


@pytest.mark.parametrize("source", [None, 3, ["gru.onnx"], {}])
def test_other_types_are_refused(source: Any) -> None:
    with pytest.raises(OptionError, match=f"not from {type(source).__name__}"):
        rnn_infer.load(source)


def test_endless_stream_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "MAX_FILE_BYTES", 5000)

    class Endless:
        def read(self, size: int, /) -> bytes:
            return bytes(min(size, 999))

    for source in (bytes(5001), Endless()):
        with pytest.raises(ModelFileError, match="is larger than"):
            read_source(source)


def test_path_of_bytes_is_decoded(data: Path, content: bytes) -> None:
    class Place(os.PathLike[bytes]):
        def __fspath__(self) -> bytes:
            return os.fsencode(data / "gru.onnx")

    assert read_source(Place()).data == content  # type: ignore[arg-type]
