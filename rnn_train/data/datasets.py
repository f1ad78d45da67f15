"""Named data sets: two are on every machine, one is downloaded once."""

import hashlib
import http.client
import sysconfig
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_cache_dir

from rnn_infer.errors import because
from rnn_train.data.sources import TextFile, find_texts
from rnn_train.errors import DataError
from rnn_train.files import replacing

TINYSHAKESPEARE_URL = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)
TINYSHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
TINYSHAKESPEARE_BYTES = 1_115_394
SURNAMES = Path(__file__).with_name("surnames.csv")
"""Surnames and their languages, written for this project from general knowledge."""
TEXT_SETS = ("python", "tinyshakespeare")
LABELLED_SETS = ("surnames",)


def open_texts(sources: Sequence[str]) -> list[TextFile]:
    """Finds the files of text sources.

    Args:
        sources: each is a named set, or a source of `find_texts`. If a file has the name of a set,
            the file is meant.

    Returns:
        The files of all sources, in order.

    Raises:
        DataError: a source has no files, or cannot be downloaded.
    """
    files: list[TextFile] = []
    for source in sources:
        files += text_set(source) if _is_set(source, TEXT_SETS) else find_texts([source])
    return files


def fingerprint(sources: Sequence[str]) -> str | None:
    """Hashes the files of sources. It shows later whether a file has changed.

    Args:
        sources: of texts or of labelled texts. Named sets are ignored.

    Returns:
        The sha256; None: a source is missing.

    Raises:
        DataError: a source is there, and cannot be read.
    """
    paths = [each for each in sources if not _is_set(each, (*TEXT_SETS, *LABELLED_SETS))]
    digest = hashlib.sha256()
    try:
        for file in find_texts(paths):
            with file.path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    except FileNotFoundError:
        return None
    except DataError as error:
        if isinstance(error.__cause__, OSError):
            raise
        return None
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {because(error)}") from error
    return digest.hexdigest()


def _is_set(source: str, names: Sequence[str]) -> bool:
    return source in names and not Path(source).exists()


def text_set(name: str) -> list[TextFile]:
    """Finds the files of a named text set.

    Args:
        name: one of `TEXT_SETS`.

    Raises:
        DataError: it cannot be downloaded.
    """
    if name == "python":
        return python_source()
    path = fetch(TINYSHAKESPEARE_URL, TINYSHAKESPEARE_SHA256, TINYSHAKESPEARE_BYTES)
    return [TextFile(path)]


def python_source() -> list[TextFile]:
    """Finds the source files of the standard library, without tests.

    Raises:
        DataError: the running interpreter has no source files.
    """
    root = Path(sysconfig.get_path("stdlib"))
    skipped = {"site-packages", "dist-packages", "__pycache__", "lib2to3"}
    files = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        # `encodings` holds tables of all Unicode characters instead of ordinary code.
        if any(p in skipped or p in ("test", "tests", "idle_test", "encodings") for p in parts):
            continue
        files.append(TextFile(path, declared=True))
    if not files:
        raise DataError(
            f"the set 'python' is empty: {root} holds no sources; name a text with --data"
        )
    return files


def fetch(url: str, sha256: str, size: int) -> Path:
    """Downloads a file into the user's cache folder, unless it is already there.

    Args:
        url: of the file.
        sha256: expected hash.
        size: expected number of bytes.

    Returns:
        The file in the cache folder.

    Raises:
        DataError: there is no network, or the file is not the expected one. Then nothing is kept.
        RunError: the cache folder cannot be written.
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
            f"{url} gave other bytes than expected (sha256 differs); nothing was kept; run again"
        )
    with replacing(path) as stream:
        stream.write(data)
    return path
