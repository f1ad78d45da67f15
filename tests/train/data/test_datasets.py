"""Named data sets, and the download of one of them."""

import errno
import hashlib
import http.client
import io
import sysconfig
import unicodedata
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import NoReturn

import pytest

from rnn_train.data import datasets
from rnn_train.data.datasets import (
    TEXT_SETS,
    fetch,
    fingerprint,
    open_texts,
    python_source,
    text_set,
)
from rnn_train.data.labelled import load_rows
from rnn_train.errors import DataError, RunError

URL = "https://example.org/data/poem.txt"
POEM = b"the first line\nthe second line\n"
SHA256 = hashlib.sha256(POEM).hexdigest()


class FakeWeb:
    """Replaces the network: records each request, and returns `data` or raises `error`."""

    def __init__(self) -> None:
        self.requested: list[str] = []
        self.data = POEM
        self.error: Exception | None = None

    def urlopen(self, url: str, timeout: float | None = None) -> io.BytesIO:
        assert timeout, "a download without a timeout may never end"
        self.requested.append(url)
        if self.error:
            raise self.error
        return io.BytesIO(self.data)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> FakeWeb:
    web = FakeWeb()
    monkeypatch.setattr(urllib.request, "urlopen", web.urlopen)
    return web


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(datasets, "user_cache_dir", lambda *_, **__: str(folder))
    return folder


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_python_set_is_the_standard_library() -> None:
    found = text_set("python")
    assert found == python_source()
    root = Path(sysconfig.get_path("stdlib"))
    names = {file.path.relative_to(root) for file in found}
    assert Path("argparse.py") in names
    assert Path("json/decoder.py") in names
    assert not any({"test", "tests", "site-packages"} & set(name.parts) for name in names)


def test_python_set_can_be_decoded() -> None:
    assert sum(len(chunk) for file in python_source() for chunk in file.chunks()) > 1_000_000


def test_interpreter_without_source_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(DataError, match=r"'python' is empty.*--data"):
        python_source()


def test_surnames_set() -> None:
    rows = load_rows(["surnames"])
    by_language = defaultdict(list)
    for name, language in zip(rows.texts, rows.labels, strict=True):
        by_language[language].append(name)
    assert len(by_language) >= 12
    for language, names in by_language.items():
        assert len(set(names)) >= 150, language
        assert len(set(names)) == len(names), f"{language} has a name twice"
        assert all(unicodedata.is_normalized("NFC", name) for name in names), language
        assert all(name == name.strip() and name for name in names), language


def test_tinyshakespeare_is_downloaded(
    web: FakeWeb, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "tinyshakespeare" in TEXT_SETS
    monkeypatch.setattr(datasets, "TINYSHAKESPEARE_SHA256", SHA256)
    monkeypatch.setattr(datasets, "TINYSHAKESPEARE_BYTES", len(POEM))
    (file,) = text_set("tinyshakespeare")
    assert web.requested == [datasets.TINYSHAKESPEARE_URL]
    assert "".join(file.chunks()) == POEM.decode()
    assert cache in file.path.parents


def test_file_is_downloaded_once(web: FakeWeb, cache: Path) -> None:
    path = fetch(URL, SHA256, len(POEM))
    assert path.read_bytes() == POEM
    assert path.name == "poem.txt"
    web.error = AssertionError("downloaded again")
    assert fetch(URL, SHA256, len(POEM)) == path
    assert web.requested == [URL]
    assert files(cache) == [path]


def test_damaged_copy_is_downloaded_again(web: FakeWeb, cache: Path) -> None:
    path = fetch(URL, SHA256, len(POEM))
    path.write_bytes(POEM[:-1] + b"!")
    assert fetch(URL, SHA256, len(POEM)).read_bytes() == POEM
    assert web.requested == [URL, URL]
    assert files(cache) == [path]


@pytest.mark.parametrize("data", [b"", POEM[:-1], POEM + b"x", POEM[:-1] + b"!", b"<html>" * 99])
def test_unexpected_file_is_refused(web: FakeWeb, cache: Path, data: bytes) -> None:
    web.data = data
    with pytest.raises(DataError, match=r"other bytes than expected.*nothing was kept"):
        fetch(URL, SHA256, len(POEM))
    assert files(cache) == []


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("Name or service not known"),
        urllib.error.HTTPError(URL, 404, "Not Found", http.client.HTTPMessage(), None),
        TimeoutError("timed out"),
        ConnectionResetError("reset"),
        http.client.IncompleteRead(b"the"),
        http.client.BadStatusLine("hello"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_offline(web: FakeWeb, cache: Path, error: Exception) -> None:
    web.error = error
    with pytest.raises(DataError, match=r"cannot download .*poem.txt .*when online.*--data"):
        fetch(URL, SHA256, len(POEM))
    assert files(cache) == []


@pytest.mark.usefixtures("web")
def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(datasets, "user_cache_dir", lambda *_, **__: str(tmp_path / "file"))
    with pytest.raises(RunError, match="cannot write"):
        fetch(URL, SHA256, len(POEM))


def test_file_with_the_name_of_a_set_is_preferred(tmp_path: Path) -> None:
    assert open_texts(["python"]) == python_source()
    (tmp_path / "python").write_text("a text")
    (file,) = open_texts(["python"])
    assert file.path == Path("python")


def test_fingerprint_changes_with_the_files(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    prints = [fingerprint(each) for each in (["a.txt"], ["b.txt"], ["a.txt", "b.txt"], ["*.txt"])]
    assert len(set(prints)) == 3
    assert prints[2] == prints[3]
    assert fingerprint(["a.txt", "python", "surnames"]) == prints[0], "named sets are ignored"
    (tmp_path / "a.txt").write_text("other")
    assert fingerprint(["a.txt"]) not in prints
    assert fingerprint(["gone.txt"]) is None


def test_fingerprint_of_a_file_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("text")

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", "a.txt")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        DataError, match=r"a\.txt: cannot be read: Permission denied; give yourself"
    ):
        fingerprint(["a.txt"])
