# SPDX-License-Identifier: Apache-2.0
"""A receipt as NVFlare carries it: the one entry of a result's params."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from quorate_client.server_receipt import ServerReceipt

RECEIPT = "quorate.receipt"  # the one entry of such a result
SENT_FIRST = "quorate.sent_first"  # of a task's meta: the server sends what it began with


class Receipt(ServerReceipt):
    """What one hospital says of a round."""

    @classmethod
    def read(cls, params: object) -> Receipt | None:
        """The receipt in a site's params, None if it is not all that they have."""
        if not isinstance(params, Mapping) or params.keys() != {RECEIPT}:
            return None
        return cls.from_facts(params[RECEIPT])

    def params(self) -> dict[str, Any]:
        """As it is sent."""
        return {RECEIPT: asdict(self)}
