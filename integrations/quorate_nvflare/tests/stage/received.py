# SPDX-License-Identifier: Apache-2.0
"""A server's filter that writes down what it is sent."""

import os

from nvflare.apis.filter import Filter
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable

from tests.stage.shareables import arrays_in

FILE = "QUORATE_RECEIVED"  # environment: where it is written


class Received(Filter):
    """Of each result a line: what is an array in it or could be one, and all of it."""

    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        with open(os.environ[FILE], "a") as file:
            content = {key: value for key, value in shareable.items() if key != "__headers__"}
            file.write(f"{arrays_in(dict(shareable))} {content}\n")
        return shareable
