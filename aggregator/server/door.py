"""Who may stay: every connection counts from its acceptance on, before a byte of it is read.

A *stranger* is a connection that has not yet said who it is. Where strangers are too many, one of
them goes: of the network, and of the address in it, that has the most of them, the one that has
come no step further for longest. So a newcomer is let in, and whoever sits silent makes room.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import count

from aggregator.server.limits import Limits


@dataclass(eq=False)
class Visitor:
    """A TCP connection; ``drop`` ends it at once."""

    host: str
    port: int
    drop: Callable[[], None]
    address: str = field(init=False)  # what counts as one: an IPv4 address, an IPv6 /64
    network: str = field(init=False)  # an IPv4 /24, an IPv6 /48
    moved: int = 0  # when it last came a step further, in steps of all

    def __post_init__(self) -> None:
        self.address, self.network = places_of(self.host)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Visitors = OrderedDict[Visitor, None]  # the most idle first
Network = dict[str, Visitors]  # by address


class Door:
    """The strangers by network and address, and where members came from lately."""

    def __init__(self, limits: Limits, strangers: int) -> None:
        self._limits, self._most = limits, strangers
        self._networks: dict[str, Network] = {}
        self._strangers = 0
        self._lately: dict[int, OrderedDict[str, None]] = {}
        self._steps = count(1)

    @property
    def strangers(self) -> int:
        """How many have not yet said who they are."""
        return self._strangers

    def arrive(self, visitor: Visitor) -> list[Visitor]:
        """Count a new stranger; those who have to go for it, already dropped."""
        visitor.moved = next(self._steps)
        addresses = self._networks.setdefault(visitor.network, {})
        addresses.setdefault(visitor.address, OrderedDict())[visitor] = None
        self._strangers += 1
        gone = []
        if len(addresses[visitor.address]) > self._limits.strangers_of_address:
            gone.append(_idle(addresses[visitor.address]))
        elif _size(addresses) > self._limits.strangers_of_network:
            gone.append(self._superfluous([addresses]))
        elif self._strangers > self._most:
            gone.append(self._superfluous(self._networks.values()))
        for each in gone:
            self.leave(each)
            each.drop()
        return gone

    def step(self, visitor: Visitor) -> None:
        """It has come further: its first byte, TLS, the websocket; three times at most."""
        if self.is_stranger(visitor):
            visitor.moved = next(self._steps)
            self._networks[visitor.network][visitor.address].move_to_end(visitor)

    def introduce(self, visitor: Visitor, member: int | None) -> None:
        """This one is a member, and its address is remembered; None: a guest of a handover."""
        self.leave(visitor)
        if member is None:
            return
        addresses = self._lately.setdefault(member, OrderedDict())
        addresses[visitor.address] = None
        addresses.move_to_end(visitor.address)
        if len(addresses) > self._limits.addresses_of_member:
            addresses.popitem(last=False)

    def leave(self, visitor: Visitor) -> None:
        """This one is a stranger no more."""
        if not self.is_stranger(visitor):
            return
        addresses = self._networks[visitor.network]
        del addresses[visitor.address][visitor]
        self._strangers -= 1
        if not addresses[visitor.address]:
            del addresses[visitor.address]
        if not addresses:
            del self._networks[visitor.network]

    def is_stranger(self, visitor: Visitor) -> bool:
        """Whether it is here and has not said who it is."""
        return visitor in self._networks.get(visitor.network, {}).get(visitor.address, ())

    def all_strangers(self) -> list[Visitor]:
        """All who have not said who they are."""
        networks = self._networks.values()
        return [v for addresses in networks for each in addresses.values() for v in each]

    def _superfluous(self, networks: Collection[Network]) -> Visitor:
        """The one to go: of the largest network, of the largest address there, the most idle.

        What is set aside for an address that a member came from lately does not count.
        """
        groups = [self._open_to_all(addresses) for addresses in networks]
        groups = [group for group in groups if group] or list(networks)
        group = max(groups, key=lambda g: (_size(g), -min(_idle(v).moved for v in g.values())))
        return _idle(max(group.values(), key=lambda v: (len(v), -_idle(v).moved)))

    def _open_to_all(self, addresses: Network) -> Network:
        return {a: found for a, found in addresses.items() if not self._set_aside(a, found)}

    def _set_aside(self, address: str, found: Visitors) -> bool:
        if len(found) > self._limits.strangers_set_aside:
            return False
        return any(address in addresses for addresses in self._lately.values())


def places_of(host: str) -> tuple[str, str]:
    """What counts as an address and as a network; a host may have a whole IPv6 /64 to itself."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host, host
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            subnet, site = (ipaddress.ip_network((found, bits), False) for bits in (64, 48))
            return str(subnet), str(site)
        found = found.ipv4_mapped
    return str(found), str(ipaddress.ip_network((found, 24), False))


def _idle(visitors: Visitors) -> Visitor:
    return next(iter(visitors))


def _size(addresses: Network) -> int:
    return sum(map(len, addresses.values()))
