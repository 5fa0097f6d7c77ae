"""How much of the service one side may take: connections, bytes and time of those who knock.

All numbers of the first table of docs/how-it-works/budgets.md. What each is derived from stands
beside it.
"""

from dataclasses import dataclass

from keyshare.ceremony import MAX_MEMBERS

# A connected member, its process that has just come back, and its questions.
PLACES = 2
# What the service opens for itself: SQLite's three files, heads, status, a blob, the log, the lock,
# the selector and some listening sockets are about twenty; and twice as many connections as are
# accepted in one turn may still be on their way out while the newest are let in.
OWN_DESCRIPTORS = 96
ACCEPTED_AT_ONCE = 16


@dataclass(frozen=True)
class Limits:
    """How much one side may take, and for how long it is waited for.

    A guest of a handover has places as a member has, and no address of its own is remembered: one
    old member alone proposes a handover, and names whom it likes.

    A *stranger* is a connection that has not yet said who it is. It costs at most some 0.6 MB (most
    of it asyncio's TLS buffer), so that all of them hold less than half a GB.
    """

    strangers: int = 752  # all together; with members and guests below 1,024 descriptors
    strangers_of_network: int = 640  # of one IPv4 /24 or IPv6 /48
    strangers_of_address: int = 512  # of one IPv4 address or IPv6 /64: many may share one (NAT)
    strangers_set_aside: int = 8  # of each address that a member came from lately
    addresses_of_member: int = 4  # that are remembered; 8 * 4 * 16 members < strangers_of_network
    stranger_bytes: int = 16_384  # in TLS: the upgrade has some 500, a hello 200, proxies add some
    hello_seconds: float = 10.0  # from the acceptance of a connection to its hello
    questions: int = 3  # connections of one member that only ask for the status
    ping_seconds: float = 5.0  # for the process that has an identity, if another one wants it
    send_seconds: float = 30.0
    tick_seconds: float = 0.5
    status_seconds: float = 1.0

    def descriptors(self, n_members: int) -> int:
        """How many file descriptors the service needs when all places are taken."""
        return self.strangers + self.known(n_members) + OWN_DESCRIPTORS

    def known(self, n_members: int) -> int:
        """How many connections members can have, and the guests of a handover."""
        return (n_members + MAX_MEMBERS) * (PLACES + self.questions)


DEFAULT_LIMITS = Limits()
