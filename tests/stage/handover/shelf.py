"""A member's shelf in memory, which can crash its member or spoil what lies on it."""

from collections.abc import Callable
from dataclasses import dataclass, field


class Crash(Exception):
    """The member is gone, at a durable step."""


@dataclass
class MemoryShelf:
    """Storage that crashes its member at one step: before it has happened, or after."""

    kept: dict[str, bytes] = field(default_factory=dict)
    crash_at: int | None = None
    happens: bool = False
    steps: int = 0
    written: list[str] = field(default_factory=list)
    spoils: str = ""  # what is written under this name comes back otherwise

    def step(self, do: Callable[[], object]) -> None:
        crashes, self.steps = self.steps == self.crash_at, self.steps + 1
        if not crashes or self.happens:
            do()
        if crashes:
            raise Crash

    def write(self, name: str, data: bytes) -> None:
        def write() -> None:
            self.kept[name] = data[:-1] + b"\0" if name == self.spoils else data
            self.written.append(name)

        self.step(write)

    def read(self, name: str) -> bytes | None:
        return self.kept.get(name)

    def delete(self, name: str) -> None:
        assert name in self.kept
        self.step(lambda: self.kept.pop(name))
