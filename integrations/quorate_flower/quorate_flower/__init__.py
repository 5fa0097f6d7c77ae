# SPDX-License-Identifier: Apache-2.0
"""Flower apps whose updates leave a hospital only as quorate's encrypted contributions.

Speaks with the hospital's agent over a socket, and imports nothing that is under the GPL.
"""

from quorate_flower.versions import check_flower

check_flower()  # before anything of Flower is imported

from quorate_flower.errors import QuorateError  # noqa: E402
from quorate_flower.mod import quorate_mod  # noqa: E402
from quorate_flower.receipt import Receipt  # noqa: E402
from quorate_flower.simulated import simulated_mod  # noqa: E402
from quorate_flower.strategy import QuorateFedAvg  # noqa: E402

__all__ = ["QuorateError", "QuorateFedAvg", "Receipt", "quorate_mod", "simulated_mod"]
