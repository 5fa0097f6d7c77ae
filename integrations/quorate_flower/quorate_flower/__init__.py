# SPDX-License-Identifier: Apache-2.0
"""Flower apps whose updates leave a hospital only as quorate's encrypted contributions.

Speaks with the hospital's agent over a socket, and imports nothing that is under the GPL.
"""

import sys

from quorate_client.versions import WrongVersion
from quorate_flower.versions import check_flower

try:
    check_flower()  # before anything of Flower is imported
except WrongVersion as error:
    if f"{__name__}.gate" not in sys.orig_argv:
        raise
    sys.exit(f"quorate gate: {error}")  # a command's user reads a sentence

from quorate_flower.errors import QuorateError
from quorate_flower.mod import quorate_mod
from quorate_flower.receipt import Receipt
from quorate_flower.simulated import simulated_mod
from quorate_flower.strategy import QuorateFedAvg

__all__ = ["QuorateError", "QuorateFedAvg", "Receipt", "quorate_mod", "simulated_mod"]
