"""Memory that a training step frees is kept for the next."""

import ctypes

# From malloc.h of glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = (2**30, 2**25)
"""Block that is kept; glibc before 2.35 knows none larger than the second."""


def keep_freed() -> bool:
    """Tells glibc's malloc to keep what this process frees, from now on.

    A training step takes the same large blocks as the step before. glibc gives such blocks back to
    the system as soon as they are freed, and the system clears each page that it hands out again:
    up to a fifth of the time of a step (`benchmarks/training.py`). What is kept is at most what
    was needed once.

    Returns:
        Whether this process has such a malloc; elsewhere nothing is done.
    """
    try:
        option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another system, or another C library
        return False
    blocks = any(option(_MMAP_THRESHOLD, size) for size in _LARGEST)
    return blocks and bool(option(_TRIM_THRESHOLD, 2**31 - 1))
