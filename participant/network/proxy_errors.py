"""What can go wrong with a proxy that no waiting mends; none of it holds what may be a password."""

from __future__ import annotations

from participant.errors import ParticipantError


class BadProxy(ParticipantError):
    """What ``source``, a variable, says is no proxy that can be used."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source, self.reason = source, reason


class ProxyRefuses(ParticipantError):
    """The proxy on the way to ``url`` is not used, or lets nobody use it, with these settings."""

    def __init__(self, url: str, reason: str, remedy: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url, self.reason, self.remedy = url, reason, remedy
