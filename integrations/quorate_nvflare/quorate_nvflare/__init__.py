# SPDX-License-Identifier: Apache-2.0
"""NVFlare jobs whose updates leave a hospital only as quorate's encrypted contributions.

Speaks with the hospital's agent over a socket, and imports nothing that is under the GPL.
"""

from quorate_nvflare.versions import check_nvflare

check_nvflare()  # before anything of NVFlare is imported

from quorate_nvflare.aggregator import QuorateAggregator  # noqa: E402
from quorate_nvflare.errors import QuorateError  # noqa: E402
from quorate_nvflare.model_filter import QuorateModelFilter  # noqa: E402
from quorate_nvflare.receipt import Receipt  # noqa: E402
from quorate_nvflare.recipe import quorate_recipe  # noqa: E402
from quorate_nvflare.update_filter import QuorateUpdateFilter  # noqa: E402

__all__ = [
    "QuorateAggregator",
    "QuorateError",
    "QuorateModelFilter",
    "QuorateUpdateFilter",
    "Receipt",
    "quorate_recipe",
]
