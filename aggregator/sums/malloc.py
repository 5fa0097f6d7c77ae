"""How the C library of a worker treats the buffers of chunks.

Dask starts workers with a threshold in their environment. With any of its thresholds set, glibc
takes every buffer of more than 128 KiB from the kernel, and gives it back at once [mallopt(3),
M_MMAP_THRESHOLD]. Then a chunk costs more than twice the time, in page faults.
"""

import contextlib
import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # in glibc's malloc.h
_BUFFERS_BYTES = 32 << 20  # the most that glibc takes for one; larger than any of a chunk
_KEPT_BYTES = 128 << 20  # of memory that is free


@cache
def keep_buffers() -> None:
    """Have this process use the memory of its buffers again; does nothing without glibc."""
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _BUFFERS_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
