"""``python -m benchmarks ceremony --bits B --parties N --runs R [--json]``."""

from __future__ import annotations

import argparse
import json
import os
import platform

from benchmarks.ceremony import measure


def main() -> None:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    commands = parser.add_subparsers(dest="command", required=True)
    ceremony = commands.add_parser("ceremony", help="dealerless key generation")
    ceremony.add_argument("--bits", type=int, default=2048)
    ceremony.add_argument("--parties", type=int, default=5)
    ceremony.add_argument("--runs", type=int, default=3)
    ceremony.add_argument("--json", action="store_true", help="in one line, for programs")
    options = parser.parse_args()
    result = measure(options.bits, options.parties, options.runs)
    result |= {"python": platform.python_version(), "cores": os.cpu_count()}
    print(json.dumps(result, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
