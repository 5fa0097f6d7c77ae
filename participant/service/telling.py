"""Who is told of what hinders all work: each one who waits, and whoever keeps the log."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

from participant.network import Notices


def to_all(first: Notices, others: Sequence[Notices], look: Callable[[], None]) -> Notices:
    """Notices that each of those is told, as they are by then; ``look`` comes before ``moved``."""

    def told(name: str) -> Callable[..., None]:
        def tell(*about: Any) -> None:
            for notices in [first, *others]:
                getattr(notices, name)(*about)

        return tell

    def moved() -> None:
        look()
        told("moved")()

    loop = asyncio.get_running_loop()

    def in_loop(name: str) -> Callable[..., object]:  # what comes in a step
        return partial(loop.call_soon_threadsafe, told(name))

    each: dict[str, Any] = {one.name: told(one.name) for one in fields(Notices)}
    in_steps = {name: in_loop(name) for name in ("set_back", "pruned")}
    return Notices(**{**each, **in_steps, "moved": moved})
