"""The record of a federation in which much happens and all that goes wrong is dealt with.

Four hospitals. In the first ceremony one opens what it did not commit to, so it is aborted; the
second makes a key, and all check their shares. The study cardio trains: round 1 is under packed
Paillier, and H4's part of it is wrong; round 2 is under the hybrid suite. The statistic ages is
opened; of few the aggregator closes a sum of too few, and all refuse. Then round 3 of cardio, as it
should be.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from gmpy2 import mpz

from keyshare.randomness import Stream
from protocol.board.draft import Draft
from protocol.board.study import Study
from protocol.ceremony.machine import Ceremony
from protocol.encoding import digest, encode
from protocol.key.epoch import Epoch
from protocol.key_check.check import KeyCheck
from protocol.messages.bodies import CardSeen
from protocol.messages.ceremony import Step
from protocol.messages.rounds import Opening, Statement
from protocol.messages.session import read_session, round_session
from tests.stage.files import flipped, with_payload
from tests.stage.record.story import Story, said_at
from tests.stage.rounds.contribution import contribution
from tests.stage.rounds.toy_round import Round
from tests.stage.rounds.wrong_part import Liar
from tests.stage.studies import STUDY, founding, statistic_plan, training_study
from tests.stage.toy import Federation, Table, ToyEpoch, seed_of, toy_federation

MEMBERS, QUORUM = (1, 2, 3, 4), 3
LIAR = 2  # of the first ceremony
BOUNDS = 8.0, 1_000  # of every round
ROUND = [round_session(STUDY, number) for number in range(5)]
AGES, FEW = round_session("ages", 1), round_session("few", 1)
PACKED, HYBRID = 40, 2_000  # lengths of vectors that go under the one and the other suite


@dataclass
class Good:
    """The story, and the secrets with which it can be told otherwise."""

    story: Story
    toy: ToyEpoch
    seeds: Mapping[int, bytes]

    @property
    def epoch(self) -> Epoch:
        return self.toy.epoch


@cache
def good() -> Good:
    """The story; made once."""
    table = new_table(toy_federation(len(MEMBERS), QUORUM))
    _run_ceremony(table, "ceremony/1", _break_commitment)
    machines, seeds = _run_ceremony(table, "ceremony/2")
    made = {i: machine.outcome for i, machine in machines.items() if machine.outcome is not None}
    secrets = {i: secret for i, (_, secret) in made.items()}
    toy = ToyEpoch(table.federation, made[1][0], secrets, table)  # type: ignore[arg-type]
    _check_keys(toy, "check/1")
    found(table, training_study(table.federation.terms, suite="auto"))
    state(table, ROUND[0], bytes([1]) * 32, PACKED)
    train(toy, ROUND[1], PACKED, next_length=HYBRID, wrong=4)
    train(toy, ROUND[2], HYBRID)
    _count(toy, AGES, MEMBERS[:3])
    _count(toy, FEW, MEMBERS[:2])
    train(toy, ROUND[3], PACKED)
    for i in MEMBERS:
        table.say(i, Draft("address/1", CardSeen(table.federation.card)))
    return Good(story_at(table), toy, seeds)


def once_more(made: Good, remembering: bool) -> Story:
    """The story, and a fourth round from the model of the third, to which H4 does not contribute.

    Members that are ``remembering`` refuse to open it: less the third sum, it is H4's update.
    """
    table = new_table(made.story.federation)
    table.blobs |= made.story.blobs
    for one in made.story.said:
        table.say(one.sender, Draft(one.session, one.body))
    opening = made.story.body(made.story.find(ROUND[3], Opening), Opening)
    state(table, ROUND[3], opening.model, opening.length)
    toy = dataclasses.replace(made.toy, table=table)  # type: ignore[arg-type]
    train(toy, ROUND[4], PACKED, contributing=MEMBERS[:3], remembering=remembering)
    return story_at(table)


def new_table(federation: Federation) -> Table:
    """A table where a story takes place; its clock goes on by a second with every post."""
    table = Table(federation)
    table.tick_ms = 1_000
    return table


def story_at(table: Table) -> Story:
    return Story(table.federation, said_at(table), table.blobs, MEMBERS)


def _run_ceremony(
    table: Table, session: str, tamper: Any = lambda sender, draft: draft
) -> tuple[dict[int, Ceremony], dict[int, bytes]]:
    """Let all machines speak until they have nothing to say."""
    seeds = {i: seed_of("record", session, i) for i in MEMBERS}
    machines = {i: Ceremony(table.federation.terms, i, session, seeds[i]) for i in MEMBERS}
    while drafts := [(i, d) for i, m in machines.items() if (d := m.due())]:
        for sender, draft in drafts:
            posted = table.say(sender, tamper(sender, draft))
            for i, machine in machines.items():
                machine.receive(posted, table.payloads(posted, i))
    return machines, seeds


def _break_commitment(sender: int, draft: Draft) -> Draft:
    """The liar opens other shares of N than it committed to."""
    is_opening = isinstance(draft.body, Step) and draft.body.step == "moduli"
    return with_payload(draft, 0, flipped) if sender == LIAR and is_opening else draft


def _check_keys(toy: ToyEpoch, session: str) -> None:
    """All make sure of their shares together."""
    checks = {
        i: KeyCheck(session, toy.epoch, i, seed_of(session, i), Stream(seed_of("proof", i)))
        for i in toy.secrets
    }
    while drafts := [(i, d) for i, check in checks.items() if (d := check.due(toy.secrets[i]))]:
        for i, draft in drafts:
            if checks[i].due(toy.secrets[i]) is not None:
                posted = toy.table.say(i, draft)
                for j, check in checks.items():
                    check.receive(posted, toy.table.payloads(posted, j))


def found(table: Table, study: Study) -> None:
    """The study is proposed, and all approve it."""
    for sender, draft in founding(study):
        table.say(sender, draft)


def state(table: Table, session: str, result: bytes, length: int) -> None:
    """All state one result."""
    bounds = BOUNDS if session in ROUND else ()
    for i in MEMBERS:
        table.say(i, Draft(session, Statement(result, length, *bounds)))


def train(
    toy: ToyEpoch,
    session: str,
    length: int,
    next_length: int = PACKED,
    wrong: int = 0,
    contributing: Sequence[int] = MEMBERS,
    remembering: bool = True,
) -> None:
    """A round of training; ``wrong`` sends a wrong part."""
    found = Round(session, length, toy, at=toy.table, remembers=remembering)
    found.open()
    for i, made in {i: found.make(i) for i in contributing}.items():
        found.give(i, made)
    found.close()

    def shifted(numbers: list[mpz]) -> list[mpz]:
        return [numbers[0] * (1 + toy.key.n) % toy.key.n**2, *numbers[1:]]

    found.settle(tamper=Liar(found, wrong, shifted))
    if (plaintexts := found.members[1].plaintexts) is not None:
        result = digest("toy result", encode([str(m) for m in plaintexts]))
        state(toy.table, session, result, next_length)


def _count(toy: ToyEpoch, session: str, contributing: Sequence[int]) -> None:
    """A statistic of two numbers."""
    name = read_session(session).study
    plan = statistic_plan(
        toy.federation.terms, 2, decimals=1, data=f"{name}-data", labels=("visits", "days")
    )
    found = Round(session, 2, toy, plan, at=toy.table)
    opening = found.open().digest
    for i in contributing:
        found.give(i, contribution((10 * i, 10 * i + 1), i, session, opening, toy.epoch))
    found.close()
    found.settle()
    if found.members[1].plaintexts is not None:
        state(toy.table, session, found.chosen, 2)
