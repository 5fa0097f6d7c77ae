"""What ``terms new`` is given: the terms of a federation that is to be, an option a field."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from typer import Option

from participant.home import members_of, read_aggregator_card, read_card
from protocol.terms import AddressCard, Floors, Terms, floor, normal

_NAMED_OTHERWISE = {"members": "member", "aggregator_key": "aggregator"}


@dataclass(frozen=True)
class NewTerms:
    """The options; nothing in them is checked before ``terms`` are written."""

    name: Annotated[str, Option(help="The federation's name.")]
    member: Annotated[list[Path], Option(help="A member's card, once for each member.")]
    aggregator: Annotated[Path, Option(help="The aggregator's card, its aggregator.toml.")]
    quorum: Annotated[int, Option(help="Members it takes to decrypt.")]
    key_bits: Annotated[int, Option(help="Length of N.")] = 3072
    least_contributors: Annotated[
        int | None, Option(help="Fewest members of any sum, else quorum, or as colluders ask for.")
    ] = None
    least_difference: Annotated[
        int | None,
        Option(
            help="Fewest members that sums may show by their difference, else as few as may be."
        ),
    ] = None
    assumed_colluders: Annotated[
        int, Option(help="Members that may put together what they know.")
    ] = 1
    differencing: Annotated[
        str, Option(help="Where sums show fewer: refuse to open them, or warn.")
    ] = "refuse"
    allow_minority_quorum: Annotated[
        bool, Option("--allow-minority-quorum", help="Allow a quorum of half or fewer.")
    ] = False
    allow_small_key: Annotated[
        bool,
        Option("--allow-small-key", help="Allow fewer than 2048 bits: for tests, never for data."),
    ] = False
    step_seconds: Annotated[int, Option(help="How long a ceremony's step waits for the last.")] = (
        3600
    )

    def card(self) -> AddressCard:
        """The aggregator's card; raises BadCard, MissingFile or TooLarge."""
        return read_aggregator_card(self.aggregator)

    def terms(self) -> Terms:
        """The terms, with the members' and the aggregator's cards read; raises what these raise."""
        members = members_of([read_card(path) for path in self.member])
        least, fewest = floor(len(members), self.assumed_colluders), self.least_contributors
        floors = Floors(
            max(self.quorum, least) if fewest is None else fewest,
            least if self.least_difference is None else self.least_difference,
            self.assumed_colluders,
            self.differencing,  # type: ignore[arg-type]  # checked when the terms are
        )
        return Terms(
            normal(self.name),
            members,
            self.quorum,
            self.key_bits,
            self.allow_minority_quorum,
            self.allow_small_key,
            self.card().key,
            floors,
            self.step_seconds,
        )


def option_of(field: str) -> str:
    """The option that gives a field of the terms (``floors.differencing``); empty if none does."""
    field = field.partition("[")[0]
    name = _NAMED_OTHERWISE.get(field, field.rpartition(".")[2])
    given = {f.name for f in fields(NewTerms)}
    return f"--{name.replace('_', '-')}" if name in given else ""
