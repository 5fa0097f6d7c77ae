"""What ``terms new`` is given: the terms of a federation that is to be, an option a field."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from typer import Option

from participant.home import members_of, read_aggregator_card, read_card
from protocol.terms import AddressCard, RoundPolicy, Terms, floor, normal

_NAMED_OTHERWISE = {"members": "member", "rounds.count": "rounds", "aggregator_key": "aggregator"}


@dataclass(frozen=True)
class NewTerms:
    """The options; nothing in them is checked before ``terms`` are written."""

    name: Annotated[str, Option(help="The federation's name.")]
    member: Annotated[list[Path], Option(help="A member's card, once for each member.")]
    aggregator: Annotated[Path, Option(help="The aggregator's card, its aggregator.toml.")]
    quorum: Annotated[int, Option(help="Members it takes to decrypt.")]
    key_bits: Annotated[int, Option(help="Length of N.")] = 3072
    rounds: Annotated[int, Option(help="Rounds of training.")] = 10
    min_contributors: Annotated[
        int | None, Option(help="Fewest in a sum, else quorum, or max(f, 1) + 2.")
    ] = None
    min_difference: Annotated[
        int | None,
        Option(help="Fewest members by which sums from one model may differ, else max(f, 1) + 2."),
    ] = None
    differencing: Annotated[str, Option(help="Where they differ by fewer: refuse, or warn.")] = (
        "refuse"
    )
    seconds: Annotated[int, Option(help="How long a round waits for the last ones.")] = 600
    statistic_seconds: Annotated[int, Option(help="The same for a statistic.")] = 3600
    clip: Annotated[
        float, Option(help="Largest change of a weight. A larger update stays at home.")
    ] = 8.0
    bits: Annotated[int, Option(help="Bits of a weight, 8 to 40.")] = 32
    max_examples: Annotated[int, Option(help="Most examples of one member.")] = 100_000
    allow_minority_quorum: Annotated[
        bool, Option("--allow-minority-quorum", help="Allow a quorum of half or fewer.")
    ] = False
    allow_small_key: Annotated[
        bool,
        Option("--allow-small-key", help="Allow fewer than 2048 bits: for tests, never for data."),
    ] = False
    suite: Annotated[str, Option(help="How updates are encrypted: auto takes the cheaper one.")] = (
        "auto"
    )
    step_seconds: Annotated[int, Option(help="How long a ceremony's step waits for the last.")] = (
        3600
    )

    def card(self) -> AddressCard:
        """The aggregator's card; raises BadCard, MissingFile or TooLarge."""
        return read_aggregator_card(self.aggregator)

    def terms(self) -> Terms:
        """The terms, with the members' and the aggregator's cards read; raises what these raise."""
        members = members_of([read_card(path) for path in self.member])
        least = floor(len(members))
        fewest = self.min_contributors
        policy = RoundPolicy(
            self.rounds,
            max(self.quorum, least) if fewest is None else fewest,
            self.seconds,
            self.statistic_seconds,
            least if self.min_difference is None else self.min_difference,
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
            policy,
            self.clip,
            self.bits,
            self.max_examples,
            self.suite,  # type: ignore[arg-type]  # checked when the terms are
            self.step_seconds,
        )


def option_of(field: str) -> str:
    """The option that gives a field of the terms (``rounds.seconds``); empty if none does."""
    field = field.partition("[")[0]
    name = _NAMED_OTHERWISE.get(field, field.rpartition(".")[2])
    given = {f.name for f in fields(NewTerms)}
    return f"--{name.replace('_', '-')}" if name in given else ""
