"""How often something may happen: so many times at once, and then so many a second."""

from dataclasses import dataclass, field

# Websocket pings and pongs. An honest side sends a ping in 20 s, and a pong for each that it gets.
CONTROL_AT_ONCE = 10.0
CONTROL_A_SECOND = 2.0


@dataclass
class Allowance:
    """Full at first; what is taken from it comes back with time."""

    at_once: float = CONTROL_AT_ONCE
    a_second: float = CONTROL_A_SECOND
    _left: float = field(init=False)
    _at: float = field(default=0.0, init=False)  # seconds, by the caller's clock

    def __post_init__(self) -> None:
        self._left = self.at_once

    def take(self, now: float) -> bool:
        """Take one at a time in seconds, which never goes back; False if none is left."""
        self._left = min(self.at_once, self._left + (now - self._at) * self.a_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
