"""Named sets: data that is on every machine, and one that is fetched once and kept."""

import hashlib
import http.client
import sysconfig
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_cache_dir

from rnn_train.data.sources import TextFile, find_texts
from rnn_train.errors import DataError
from rnn_train.files import replacing

TINYSHAKESPEARE_URL = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)
TINYSHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
TINYSHAKESPEARE_BYTES = 1_115_394
SURNAMES = Path(__file__).with_name("surnames.csv")
TEXT_SETS = ("python", "tinyshakespeare")
LABELLED_SETS = ("surnames",)


def open_texts(sources: Sequence[str]) -> list[TextFile]:
    """Files of each source: a named set, or what `find_texts` takes.

    Raises:
        DataError: a source names nothing, or cannot be fetched.
    """
    files: list[TextFile] = []
    for source in sources:
        files += text_set(source) if _is_set(source, TEXT_SETS) else find_texts([source])
    return files


def fingerprint(sources: Sequence[str]) -> str | None:
    """A sha256 of the files that sources name, to see later whether they have changed.

    Named sets are left out. None: a source cannot be read (any more).
    """
    own = [each for each in sources if not _is_set(each, (*TEXT_SETS, *LABELLED_SETS))]
    digest = hashlib.sha256()
    try:
        for file in find_texts(own):
            with file.path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    except (DataError, OSError):
        return None
    return digest.hexdigest()


def _is_set(source: str, names: Sequence[str]) -> bool:
    # A file of that name would be meant: a set is what no file is called.
    return source in names and not Path(source).exists()


def text_set(name: str) -> list[TextFile]:
    """Files of a named text set.

    Raises:
        DataError: it is fetched from the network and cannot be.
    """
    if name == "python":
        return python_source()
    path = fetch(TINYSHAKESPEARE_URL, TINYSHAKESPEARE_SHA256, TINYSHAKESPEARE_BYTES)
    return [TextFile(path)]


def python_source() -> list[TextFile]:
    """The standard library's source of the running interpreter, test folders skipped."""
    root = Path(sysconfig.get_path("stdlib"))
    skipped = {"site-packages", "dist-packages", "__pycache__", "lib2to3"}
    files = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        # `encodings` is tables of every character there is, not code to learn from.
        if any(p in skipped or p in ("test", "tests", "idle_test", "encodings") for p in parts):
            continue
        files.append(TextFile(path, declared=True))
    if not files:
        raise DataError(
            f"the set 'python' is empty: {root} holds no sources; name a text with --data"
        )
    return files


def fetch(url: str, sha256: str, size: int) -> Path:
    """Downloads a file of known size and hash once, into the user's cache folder.

    Raises:
        DataError: no network, or other bytes than expected. The next call starts afresh.
    """
    path = Path(user_cache_dir("rnn_train", appauthor=False)) / sha256[:16] / Path(url).name
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
        return path
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            data = response.read(size + 1)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"cannot download {url} ({reason}); run again when online, or save it yourself and "
            "pass the file to --data"
        ) from error
    if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
        raise DataError(
            f"{url} gave other bytes than expected (sha256 differs); nothing was kept, run again"
        )
    with replacing(path) as stream:
        stream.write(data)
    return path
