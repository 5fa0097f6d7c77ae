"""Who has to go when too many strangers are at the door; no sockets."""

from dataclasses import dataclass, field

import pytest

from aggregator.server.door import Door, Visitor, places_of
from aggregator.server.limits import DEFAULT_LIMITS, Limits
from keyshare.ceremony.modulus import MAX_MEMBERS

LIMITS = Limits(strangers_of_address=4, strangers_of_network=6, strangers_set_aside=1)


@dataclass
class Scene:
    """A door, and the names of those who had to go."""

    door: Door = field(default_factory=lambda: Door(LIMITS, 8))
    gone: list[str] = field(default_factory=list)
    port: int = 0

    def arrive(self, host: str) -> Visitor:
        self.port += 1
        name = f"{host}:{self.port}"
        visitor = Visitor(host, self.port, lambda: self.gone.append(name))
        self.door.arrive(visitor)
        return visitor

    def arrivals(self, host: str, count: int) -> list[Visitor]:
        return [self.arrive(host) for _ in range(count)]

    def flood(self, count: int = 100) -> None:
        """One from each of so many networks."""
        for k in range(count):
            self.arrive(f"203.0.{k}.1")

    def known(self, host: str, member: int = 1) -> None:
        """A member has been let in from there."""
        self.door.introduce(self.arrive(host), member)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_longest_silent_stranger_of_an_address_goes_for_the_newest(scene: Scene) -> None:
    scene.arrivals("192.0.2.1", 6)
    assert scene.gone == ["192.0.2.1:1", "192.0.2.1:2"]
    assert scene.door.strangers == 4


def test_a_stranger_that_comes_a_step_further_outlasts_the_silent_ones(scene: Scene) -> None:
    first, *_ = scene.arrivals("192.0.2.1", 4)
    scene.door.step(first)
    scene.arrivals("192.0.2.1", 3)
    assert scene.gone == ["192.0.2.1:2", "192.0.2.1:3", "192.0.2.1:4"]
    scene.arrive("192.0.2.1")
    assert scene.gone[-1] == "192.0.2.1:1"


def test_one_address_does_not_take_the_places_of_another(scene: Scene) -> None:
    honest = scene.arrive("198.51.100.7")
    scene.arrivals("192.0.2.1", 100)
    assert scene.door.is_stranger(honest)


def test_the_fullest_address_of_the_fullest_network_makes_room(scene: Scene) -> None:
    scene.arrive("192.0.2.9")
    scene.arrivals("192.0.2.1", 4)
    scene.arrive("192.0.2.8")
    assert not scene.gone
    scene.arrive("192.0.2.7")  # the network has its six
    assert scene.gone == ["192.0.2.1:2"]
    scene.arrivals("198.51.100.7", 3)  # and all of them are eight
    assert scene.gone == ["192.0.2.1:2", "192.0.2.1:3"]


def test_many_addresses_cannot_take_the_place_set_aside_for_a_member(scene: Scene) -> None:
    scene.known("198.51.100.7")
    returning = scene.arrive("198.51.100.7")
    scene.flood()
    assert scene.door.is_stranger(returning)
    unknown = scene.arrive("198.51.100.8")
    scene.flood()
    assert not scene.door.is_stranger(unknown)


def test_a_flood_from_where_a_member_came_lately_has_no_more_than_what_is_set_aside(
    scene: Scene,
) -> None:
    scene.known("192.0.2.1")
    scene.arrivals("192.0.2.1", 4)
    scene.flood(5)
    assert scene.gone == ["192.0.2.1:2"]


def test_a_member_has_its_last_addresses_remembered_and_no_more(scene: Scene) -> None:
    for k in range(1, DEFAULT_LIMITS.addresses_of_member + 2):
        scene.known(f"198.51.{k}.1")
    first, last = scene.arrive("198.51.1.1"), scene.arrive("198.51.2.1")
    scene.flood()
    assert not scene.door.is_stranger(first)
    assert scene.door.is_stranger(last)


def test_where_all_places_are_set_aside_somebody_goes_all_the_same() -> None:
    scene = Scene(Door(LIMITS, 2))
    for k in range(1, 5):
        scene.known(f"198.51.{k}.1", k)
    for k in range(1, 5):
        scene.arrive(f"198.51.{k}.1")
    assert scene.door.strangers == 2


def test_for_an_address_that_guests_of_a_handover_came_from_nothing_is_set_aside(
    scene: Scene,
) -> None:
    """Or one member, which proposes whom it likes, would keep strangers out."""
    visitor = scene.arrive("198.51.100.7")
    scene.door.introduce(visitor, None)
    assert not scene.door.is_stranger(visitor)
    assert not scene.door._lately


def test_members_take_no_strangers_place(scene: Scene) -> None:
    for _ in range(20):
        scene.known("192.0.2.1")
    assert scene.door.strangers == 0
    assert not scene.gone


@pytest.mark.parametrize(
    ("host", "address", "network"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
    ],
)
def test_a_host_counts_as_what_one_can_have_to_oneself(
    host: str, address: str, network: str
) -> None:
    assert places_of(host) == (address, network)


def test_what_is_set_aside_fits_into_every_limit() -> None:
    limits = DEFAULT_LIMITS
    aside = limits.strangers_set_aside * limits.addresses_of_member * MAX_MEMBERS
    assert aside < limits.strangers_of_network < limits.strangers
    assert limits.strangers_of_address < limits.strangers_of_network
    assert limits.descriptors(MAX_MEMBERS) < 1024
