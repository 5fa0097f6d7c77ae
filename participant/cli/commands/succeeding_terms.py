"""What ``terms succeed`` is given: what new terms change of the old ones, an option a change."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import replace
from typer import Option

from participant.home import NothingChanges, TermsFile, read_aggregator_card, succeeding_roster
from protocol.errors import BadTerms
from protocol.terms import AddressCard, KeySource, Member, Predecessor, Terms, normal

_NAMED_OTHERWISE = {"aggregator_key": "aggregator"}
_OF_MEMBERS = "--add, --remove, --replace"


@dataclass(frozen=True)
class SucceedingTerms:
    """The options; what is left out stays as the old terms have it."""

    out: Annotated[Path, Option(help="The new terms, a file that is not there yet.")]
    add: Annotated[list[Path] | None, Option(help="The card of a member that joins.")] = None
    remove: Annotated[
        list[str] | None, Option(help="The name of a member that leaves.", metavar="NAME")
    ] = None
    replace: Annotated[
        list[str] | None,
        Option(help="A member with a new machine, and its new card.", metavar="NAME=CARD"),
    ] = None
    quorum: Annotated[int | None, Option(help="Members it takes to decrypt.")] = None
    aggregator: Annotated[
        Path | None, Option(help="Another aggregator's card, its aggregator.toml.")
    ] = None
    new_key: Annotated[
        bool, Option("--new-key", help="Make a new key in a ceremony: no handover.")
    ] = False
    leaves_in_peace: Annotated[
        bool, Option("--leaves-in-peace", help="Who leaves is trusted to erase its key share.")
    ] = False
    expelled: Annotated[
        bool, Option("--expelled", help="Who leaves is expelled, or its key is suspected.")
    ] = False
    least_contributors: Annotated[int | None, Option(help="Fewest members of any sum.")] = None
    least_difference: Annotated[
        int | None, Option(help="Fewest members that sums may show by their difference.")
    ] = None
    assumed_colluders: Annotated[
        int | None, Option(help="Members that may put together what they know.")
    ] = None
    differencing: Annotated[
        str | None, Option(help="Where sums show fewer: refuse to open them, or warn.")
    ] = None
    allow_minority_quorum: Annotated[
        bool, Option("--allow-minority-quorum", help="Allow a quorum of half or fewer, said anew.")
    ] = False

    def card(self, old: TermsFile) -> AddressCard:
        """The aggregator's card, the old terms' if none is given; raises what reading raises."""
        if self.aggregator is not None:
            return read_aggregator_card(self.aggregator)
        if old.card is None:
            raise BadTerms("aggregator", "the old terms have no card of the aggregator's")
        return old.card

    def terms(self, old: TermsFile) -> Terms:
        """The new terms; raises NothingChanges, and what the roster and the cards raise."""
        before = old.terms
        changes: dict[str, Any] = {
            "members": self._members(before),
            "floors": replace(before.floors, **self._floors()),
            "aggregator_key": self.card(old).key,
            "allow_minority_quorum": self.allow_minority_quorum,
        }
        if self.quorum is not None:
            changes["quorum"] = self.quorum
        new = replace(before, **changes)
        same = replace(before, allow_minority_quorum=self.allow_minority_quorum)
        if new == same and not self.new_key:
            raise NothingChanges(old.path)
        key: KeySource = "ceremony" if self.new_key else "handover"
        return replace(new, predecessor=Predecessor(before.federation, key))

    def _floors(self) -> Mapping[str, Any]:
        names = ("least_contributors", "least_difference", "assumed_colluders", "differencing")
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None}

    def _members(self, old: Terms) -> tuple[Member, ...]:
        remove = [normal(name) for name in self.remove or ()]
        replaced = dict(_name_and_card(text) for text in self.replace or ())
        named = [*remove, *(normal(text.partition("=")[0]) for text in self.replace or ())]
        if twice := next((name for name in named if named.count(name) > 1), None):
            raise typer.BadParameter(f"{twice!r} is there twice in --remove and --replace")
        if self.leaves_in_peace and self.expelled:
            raise typer.BadParameter("--leaves-in-peace and --expelled: give --expelled alone")
        return succeeding_roster(old, self.add or (), remove, replaced)


def _name_and_card(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise typer.BadParameter(f"{text!r} is not of the form NAME=CARD", param_hint="--replace")
    return normal(name), Path(path)


def option_that_changes(field: str) -> str:
    """The option that changes a field of the terms; empty if none does."""
    field = field.partition("[")[0]
    if field == "members":
        return _OF_MEMBERS
    name = _NAMED_OTHERWISE.get(field.rpartition(".")[2], field.rpartition(".")[2])
    given = {f.name for f in fields(SucceedingTerms)}
    return f"--{name.replace('_', '-')}" if name in given else ""
