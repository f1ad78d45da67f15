"""Memory allocation: memory that one training step frees is kept for the next."""

import ctypes

# From malloc.h of glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_BLOCKS = (2**30, 2**25)
"""Bytes of the largest block that is kept. glibc before 2.35 accepts only the second value."""


def keep_freed() -> bool:
    """Tells glibc's malloc to keep the memory that this process frees from now on.

    Every training step allocates the same large blocks. By default glibc returns such blocks to the
    operating system when they are freed, and the system must clear each page before it hands it out
    again. This takes up to a fifth of the time of a step (`benchmarks/training.py`). The process
    never keeps more memory than it needed at its peak.

    Returns:
        False: this process uses another malloc, and nothing was done.
    """
    try:
        option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another operating system or another C library
        return False
    blocks = any(option(_MMAP_THRESHOLD, size) for size in _LARGEST_BLOCKS)
    return blocks and bool(option(_TRIM_THRESHOLD, 2**31 - 1))
