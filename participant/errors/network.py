"""What can go wrong with the link, and with what comes over it."""

from __future__ import annotations

from participant.errors.base import ParticipantError


class Unreachable(ParticipantError, says="{url}: {reason}"):
    """No link to the aggregator at ``url`` could be had; another try may succeed.

    remedy: what helps, in whole sentences without the last full stop; empty if nobody knows more.
    """

    url: str
    reason: str
    remedy: str = ""


class BadProxy(ParticipantError):
    """What ``source``, a variable, says is no proxy that can be used; no password is in it."""

    source: str
    reason: str


class BadBlobSource(ParticipantError):
    """What people have named as the aggregator's object store cannot be one; never quoted."""

    reason: str


class StoreRefuses(ParticipantError):
    """The object store at ``url`` did not do what a ticket is for."""

    url: str
    reason: str


class ProxyRefuses(ParticipantError, says="{url}: {reason}"):
    """The proxy on the way to ``url`` lets nobody through with these settings, however often."""

    url: str
    reason: str
    remedy: str


class WrongCertificate(ParticipantError, says="{url}: TLS key {found}, pinned is {expected}"):
    """The server at ``url`` does not hold the TLS key that the terms pin.

    about: whom its certificate names, and the proxy on the way, if there is one.
    """

    url: str
    expected: bytes
    found: bytes
    about: str = ""


class ForeignAggregator(ParticipantError, says="{url} serves another federation"):
    """The aggregator at ``url`` has the key that the terms name, and serves other terms."""

    url: str


class RejectedByAggregator(ParticipantError):
    """The aggregator does not accept what was sent.

    ``code`` is one of ``wire.Rejected``, "over-budget", or "false-decline" where it declined what
    by this hospital's own board is within its budget.
    """

    code: str
    reason: str


class DamagedBlob(ParticipantError, says="blob {name} is damaged"):
    """The aggregator served bytes that do not have the name they were asked for by."""

    name: bytes


class IdentityInUse(ParticipantError, says="entry {position}: by this member, not from here"):
    """A post by this member is on the board that this data folder did not make.

    certificate_of: the session whose certificate is still to be sent, where that post has passed
    it by, so that no board that goes on can take it.
    """

    position: int
    session: str
    certificate_of: str = ""
