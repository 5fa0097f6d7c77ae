"""JSON from another process: one value, no field twice, nothing that recurses without end."""

import json
from typing import Any

from protocol.errors import Malformed


def read_json(data: bytes, what: str) -> Any:
    """What the text says; raises Malformed. NaN and infinity are numbers, as Python writes them."""
    try:
        return json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Malformed(what, str(error)) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field is there twice")
    return found
