"""Terms that succeed others: whether they can, what changes, and how many have to agree."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec.structs import asdict

from protocol.errors import BadTerms
from protocol.terms.names import look_of
from protocol.terms.terms import AGGREGATOR, Terms, check


def check_succession(old: Terms, new: Terms) -> None:
    """Raises BadTerms, naming the field, where new terms cannot succeed the old ones.

    A member that stays under its name may have another key: its machine was replaced. A key stays
    with its name.
    """
    check(new)
    if new.predecessor is None:
        raise BadTerms("predecessor", "it is missing: these terms succeed no others")
    if new.predecessor.federation != old.federation:
        raise BadTerms("predecessor.federation", f"it names other terms than those of {old.name!r}")
    if new.takes_over_key and new.key_bits != old.key_bits:
        raise BadTerms(
            "federation.key_bits",
            f"{new.key_bits}, and the key that is handed over has {old.key_bits} bits, for ever",
        )
    _check_keys(old, new)
    _check_looks(old, new)


def _check_keys(old: Terms, new: Terms) -> None:
    """Who had a key before is who has it now."""
    had = {key: name for name, key, _ in _roles(old)}
    for name, key, field in _roles(new):
        if (before := had.get(key, name)) != name:
            raise BadTerms(
                field,
                f"{name!r} has the key of {before!r} in the old terms. Who signs on the old board "
                "and on the new one has one name on both: take the old name, or a new key",
            )


def _roles(terms: Terms) -> Iterator[tuple[str, bytes, str]]:
    """Everybody's name and key, and the field that has the key."""
    yield terms.name_of(AGGREGATOR), terms.aggregator_key, "federation.aggregator_key"
    for number, member in enumerate(terms.members, start=1):
        yield member.name, member.key, f"members[{number}].key"


def _check_looks(old: Terms, new: Terms) -> None:
    """Nobody joins under a name that people take for one of the old ones."""
    looks = {look_of(member.name): member.name for member in old.members}
    for number, member in enumerate(new.members, start=1):
        if (other := looks.get(look_of(member.name), member.name)) != member.name:
            raise BadTerms(
                f"members[{number}].name",
                f"{member.name!r} is too much like {other!r} in the old terms. If it is the same "
                "hospital, it keeps its name",
            )


def numbers_on_board(old: Terms, new: Terms) -> tuple[int, ...]:
    """The new members' numbers on the old ones' board, in the order of the new terms.

    Who is no old member, by its key, is a guest, and has a number after theirs.
    """
    numbers, guests = list[int](), old.n_members
    for member in new.members:
        number = old.index_of(member.key)
        guests += number is None
        numbers.append(number or guests)
    return tuple(numbers)


def least_consents(old: Terms, new: Terms) -> int:
    """How many old members have to agree to a handover: a number from 2 to all of them.

    All where fewer than before, or a minority, will decrypt: that weakens what they contributed.
    Else so many that two sets of them share an honest member, and a quorum. The old terms as new
    ones are a refresh.
    """
    is_minority = 2 * new.quorum <= new.n_members and new.federation != old.federation
    if new.quorum < old.quorum or is_minority:
        return old.n_members
    return max(old.quorum, old.lock_threshold)


@dataclass(frozen=True)
class Setting:
    """A setting of the terms that changes; ``field`` as written in the file."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Changes:
    """What new terms change, for people. Members are named, in the order of their terms.

    replaced: members that stay, each with another key. settings: all that changes besides.
    """

    joins: tuple[str, ...]
    leaves: tuple[str, ...]
    replaced: tuple[str, ...]
    settings: tuple[Setting, ...]


def changes(old: Terms, new: Terms) -> Changes:
    """What is different in the new terms. Nothing is checked."""
    before = {member.name: member.key for member in old.members}
    after = {member.name: member.key for member in new.members}
    was, is_now = _settings(old), _settings(new)
    return Changes(
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        tuple(name for name, key in after.items() if before.get(name, key) != key),
        tuple(Setting(f, was[f], is_now[f]) for f in is_now if was[f] != is_now[f]),
    )


def _settings(terms: Terms) -> dict[str, Any]:
    """All that the terms say but for who is a member, by fields of the file."""
    said = asdict(terms)
    floors = asdict(terms.floors)
    for elsewhere in ("members", "floors", "predecessor"):
        del said[elsewhere]
    found = {f"federation.{name}": value for name, value in said.items()}
    return found | {f"floors.{name}": value for name, value in floors.items()}
