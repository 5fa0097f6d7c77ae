"""``quorate-aggregator`` that cleans up after CLEAN_UP_SECONDS, so that one can wait for it."""

import os

from aggregator.cli import commands as cli
from aggregator.server import service
from aggregator.store import unnamed_blobs

if __name__ == "__main__":
    unnamed_blobs.CLEAN_UP_SECONDS = int(os.environ["CLEAN_UP_SECONDS"])
    service._CLEAN_UP_EVERY_MS = 1_000
    cli.main()
