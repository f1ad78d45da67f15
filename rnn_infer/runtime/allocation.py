"""Where the weights of a session lie: on huge pages, if the system gives some.

A step reads all weights once. On pages of 4 KiB that is a page of the address table every 64 cache
lines, and how fast it goes depends on which pages the kernel had left: the same file can be much
slower from one start of a process to the next. A huge page of 2 MiB ends both.

The kernel gives huge pages to memory that asks for them. onnxruntime takes its memory from the
allocator of the C library and does not ask. So some memory is taken, advised and freed just before
a session is made: the allocator keeps it, and hands it to onnxruntime.
"""

import ctypes
import sys
from functools import cache
from typing import Any

_HUGE_PAGE = 2**21
"""Bytes of a huge page. On a processor where they are larger, the advice has less effect."""
_MADV_HUGEPAGE = 14
"""`madvise`: use huge pages here. The same number on all processors of Linux but Alpha, which has
no huge pages."""
_BLOCK = 28 * 2**20
"""The largest block that glibc takes from its heap: it maps larger ones, and unmaps them when they
are freed (DEFAULT_MMAP_THRESHOLD_MAX, 32 MiB)."""
_BLOCKS = 2
"""glibc gives memory at the end of its heap back to the system if it is more than 64 MiB."""
_COPIES = 4
"""Copies of a file that onnxruntime holds while it loads: the message, the tensors, the tensors in
the order of its kernels; and some room for everything else."""


def prefer_huge_pages(file_bytes: int) -> bool:
    """Have the next memory that this thread takes lie on huge pages, if the system allows it.

    It never fails: a kernel that refuses, or an allocator that works in another way, only means
    that all stays as it was.

    Args:
        file_bytes: the size of the file that is about to be loaded.

    Returns:
        Whether the kernel took the advice.
    """
    library = c_library()
    if library is None:
        return False
    taken, advised = [], False
    wanted = max(_COPIES * file_bytes, 4 * _HUGE_PAGE)
    for _ in range(_BLOCKS):
        size = min(wanted, _BLOCK)
        # glibc maps a large block by itself. Once one of this size was freed, it takes the next
        # from its heap, where a freed block waits for whoever comes next.
        library.free(library.malloc(size + _HUGE_PAGE))
        taken.append(library.malloc(size))
        advised |= _advise(library, taken[-1], size)
        wanted -= size
        if wanted < _HUGE_PAGE:
            break
    for block in taken:
        library.free(block)
    return advised


def _advise(library: Any, begin: int | None, size: int) -> bool:
    """Ask for huge pages in a block of memory. Return whether the kernel will try."""
    if begin is None:  # there is no such block
        return False
    first, last = -(-begin // _HUGE_PAGE), (begin + size) // _HUGE_PAGE
    if first >= last:
        return False
    done = library.madvise(first * _HUGE_PAGE, (last - first) * _HUGE_PAGE, _MADV_HUGEPAGE)
    return bool(done == 0)


@cache
def c_library() -> Any:
    """Return glibc, or None if this process has another C library."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return None
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    library.free.argtypes, library.free.restype = [ctypes.c_void_p], None
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return library
