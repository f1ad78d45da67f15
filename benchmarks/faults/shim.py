"""The library that makes calls fail: compiled, loaded into a child process, and set from there."""

import ctypes
import errno
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
_COMPILERS = ("cc", "gcc", "clang")
OPEN, READ, WRITE, SYNC, RENAME, MKDIR, UNLINK, CLOSE = (1 << i for i in range(8))
TRUNCATE, STAT, LIST, MAP, CHMOD, CREATE, ALLOCATE = (1 << i for i in range(8, 15))
_MAKE = CREATE | WRITE | SYNC | CLOSE | RENAME | MKDIR | TRUNCATE
_ALL = (1 << 14) - 1


@dataclass(frozen=True)
class Fault:
    """What happens at a call."""

    name: str
    code: int
    """An error number, or what `shim.c` calls SHORT and TERMINATE."""
    calls: int
    """The kinds of calls that it may happen to."""
    lasting: bool = False
    """It happens to all later calls too."""


FAULTS = (
    Fault("ENOSPC", errno.ENOSPC, _MAKE, lasting=True),
    Fault("EIO", errno.EIO, _ALL),
    Fault("EINTR", errno.EINTR, OPEN | CREATE | READ | WRITE | SYNC | CLOSE | TRUNCATE),
    Fault("EMFILE", errno.EMFILE, OPEN | CREATE | LIST, lasting=True),
    Fault("EACCES", errno.EACCES, OPEN | CREATE | RENAME | MKDIR | UNLINK | LIST | STAT | CHMOD),
    Fault("short", -1, READ | WRITE),
    Fault("SIGTERM", -2, CREATE | WRITE | SYNC | CLOSE | RENAME | UNLINK | MKDIR),
    Fault("no memory", errno.ENOMEM, ALLOCATE),
)


def why_not() -> str | None:
    """Says why no fault can be injected here; None: it can."""
    if not sys.platform.startswith("linux"):
        return "faults are injected on Linux only"
    if not any(map(shutil.which, _COMPILERS)):
        return "faults are injected by a C library, and there is no C compiler"
    return None


def build(folder: Path) -> Path:
    """Compiles the library into a folder."""
    compiler = next(each for each in map(shutil.which, _COMPILERS) if each)
    path = folder / "faults.so"
    options = ["-O1", "-shared", "-fPIC", "-o", str(path), str(SOURCE), "-ldl"]
    subprocess.run([compiler, *options], check=True)
    return path


def environment(library: Path) -> dict[str, str]:
    """Returns the environment of a child process that has the library."""
    return os.environ | {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Shim:
    """The library as it is loaded into this process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.faults_where.restype = ctypes.c_char_p
        for name in ("faults_met", "faults_injected"):
            getattr(self._library, name).restype = ctypes.c_long
        self._library.faults_hook_memory()

    def arm(self, folder: Path, fault: Fault, nth: int) -> None:
        """Begins to count the calls below a folder. Number `nth` fails; 0: none does."""
        self._library.faults_arm(
            str(folder).encode(), fault.calls, ctypes.c_long(nth), fault.code, int(fault.lasting)
        )

    def report_death(self, path: Path) -> None:
        """If the process dies of a wrong access or an abort, writes the path of the library."""
        self._library.faults_report_death(str(path).encode())

    def disarm(self) -> None:
        """Lets all calls pass."""
        try:
            self._library.faults_disarm()
        except MemoryError:  # the fault came only now
            self._library.faults_disarm()

    @property
    def met(self) -> int:
        """The number of calls since `arm`."""
        return int(self._library.faults_met())

    @property
    def injected(self) -> int:
        """The number of faults since `arm`."""
        return int(self._library.faults_injected())

    @property
    def where(self) -> str:
        """Name of the call that failed first."""
        return str(self._library.faults_where().decode())
