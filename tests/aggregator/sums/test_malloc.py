"""What a buffer costs, counted in page faults."""

import os
import subprocess
import sys

import pytest

_BUFFERS = """
import resource, sys
from aggregator.sums.malloc import keep_buffers
if sys.argv[1] == "kept":
    keep_buffers()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    bytearray(b"x") * (1 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    environment = os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"}  # as Dask has it
    command = [sys.executable, "-c", _BUFFERS, how]
    return int(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


@pytest.mark.skipif(not os.confstr("CS_GNU_LIBC_VERSION"), reason="of glibc alone")
def test_a_buffer_is_used_again_and_not_taken_from_the_kernel_each_time() -> None:
    assert faults("left") > 100 * 200  # pages of 4 KiB, in 1 MiB
    assert faults("kept") < 1_000
