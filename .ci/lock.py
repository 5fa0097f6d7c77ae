"""Writes the lock: each version that pip would install, one a line. The input is pip's report."""

import json
import sys
from itertools import pairwise
from pathlib import Path

OURS = {"quorate-fl", "quorate-client", "quorate-flower", "quorate-nvflare"}
OF_CUDA = ("cuda-", "nvidia-", "triton")  # PyTorch's builds that need them name their versions


def main() -> None:
    """The lock is the first argument; in it a comment stays above the pin that it is about."""
    lock = Path(sys.argv[1])
    packages = [found["metadata"] for found in json.load(sys.stdin)["install"]]
    pins = {
        # A local version, such as 2.13.0+cpu, is one of many builds of that version.
        f"{package['name']}=={package['version'].partition('+')[0]}\n"
        for package in packages
        if package["name"] not in OURS and not package["name"].startswith(OF_CUDA)
    }
    before = lock.read_text().splitlines(keepends=True)
    comments = {pin: line for line, pin in pairwise(before) if line.startswith("#")}
    lock.write_text("".join(comments.get(p, "") + p for p in sorted(pins, key=str.casefold)))


if __name__ == "__main__":
    main()
