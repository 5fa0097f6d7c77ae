"""What an object refers to, for searches of a program's memory."""

import gc
from typing import Any

from msgspec import Struct


def referents(found: object) -> list[Any]:
    """All that it holds; messages, some of which tell the garbage collector nothing, are asked."""
    if isinstance(found, Struct):
        return [getattr(found, name) for name in found.__struct_fields__]
    return gc.get_referents(found)
