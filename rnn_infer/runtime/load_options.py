"""The options of loading a model file."""

from dataclasses import dataclass, replace
from typing import TypedDict

from rnn_infer.errors import OptionError
from rnn_infer.runtime.device import DEVICES, Device
from rnn_infer.sampling import is_integer

_MAX_THREADS = 1024


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How to load a model file.

    Raises:
        OptionError: a field is out of range.
    """

    device: Device = "auto"
    """Where to run: "cpu"; "cuda", which fails if CUDA does not work; or "auto": CUDA if it works,
    else the CPU."""
    threads: int = 1
    """CPU threads per call, from 1 to 1024."""
    streams: int | None = None
    """Texts that will be read or drawn at once, if you know it. With "auto", the CPU is then taken
    where a GPU could not be faster."""
    sha256: str | None = None
    """Expected SHA-256 of the file, hexadecimal. A file with another hash is refused."""

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise OptionError(f"device must be one of {', '.join(DEVICES)}, got {self.device!r}")
        if not is_integer(self.threads) or not 1 <= self.threads <= _MAX_THREADS:
            raise OptionError(f"threads must be from 1 to {_MAX_THREADS}, got {self.threads!r}")
        if self.streams is not None and (not is_integer(self.streams) or self.streams < 0):
            raise OptionError(f"streams must be 0 or more, or None, got {self.streams!r:.60}")
        if not isinstance(self.sha256, str | None):
            raise OptionError(f"sha256 must be hexadecimal digits, got {self.sha256!r:.60}")


class LoadKeywords(TypedDict, total=False):
    """The fields of `LoadOptions` as keywords of a call."""

    device: Device
    threads: int
    streams: int | None
    sha256: str | None


def with_keywords(options: LoadOptions | None, keywords: LoadKeywords) -> LoadOptions:
    """Return `options` (None: the defaults) with the fields that `keywords` gives.

    Raises:
        OptionError: a field is out of range.
    """
    if not isinstance(options, LoadOptions | None):
        raise OptionError(f"options must be a LoadOptions, got {options!r:.60}")
    return replace(options or LoadOptions(), **keywords)
