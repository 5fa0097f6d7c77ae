"""The aggregator and one member together rewrite what the others say, and make N their own.

Shlomovits, "Diogenes Octopus", ZenGo, 2020: with optimisations that were considered, the central
coordinator of an RSA ceremony, colluding with one of many parties, could have had a backdoor. There
the coordinator combines what the parties send; here it gives posts their places and nothing else.
"""

import gmpy2
import pytest
from gmpy2 import mpz

from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.errors import IdentityInUse
from protocol.board import board as board_module
from protocol.board.draft import Draft, public_payload
from protocol.ceremony.commitment import commitment_to
from protocol.ceremony.machine import KINDS
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.encoding import encode
from protocol.errors import BadEntry, Fork
from protocol.messages.attachment import blob_name
from protocol.messages.ceremony import Step
from protocol.wire.frames import Entries, Welcome
from tests.simulator.disk import Disk
from tests.stage.toy import CEREMONY, CeremonyTable, next_post, toy_federation

ACCOMPLICE, VICTIM = 2, 3
REWRITTEN = ("moduli-commit", "moduli")


class Octopus(CeremonyTable):
    """A table at which the aggregator puts its own words in the place of what members say.

    The accomplice's share of N in every lane is the coalition's own modulus, all others' are 0.
    """

    own_primes = gmpy2.next_prime(mpz(3) << 126), gmpy2.next_prime(mpz(7) << 125)

    def __init__(self) -> None:
        super().__init__(toy_federation(5, 3))

    @property
    def own_modulus(self) -> mpz:
        p, q = self.own_primes
        return p * q

    def rewritten(self, sender: int, draft: Draft) -> Draft:
        """What the aggregator has a sender say."""
        body = draft.body
        if not isinstance(body, Step) or body.step not in REWRITTEN:
            return draft
        run, step = self.machines[sender]._run, StepId("moduli", body.batch)
        opening = bytes(32) + self.shares(run, sender)
        payload = opening
        if body.step == "moduli-commit":
            payload = commitment_to(run.context, step, sender, opening)
        attachments, blobs = public_payload(payload)
        return Draft(CEREMONY, Step(body.step, body.batch, 0, tuple(attachments)), tuple(blobs))

    def shares(self, run: CeremonyRun, sender: int) -> bytes:
        # What is opened is divided by Δ = 5! in the end.
        value = self.own_modulus * 120 % run.rows.prime if sender == ACCOMPLICE else mpz(0)
        return run.rows.encode(run.rows.repeat(value)) * run.layout.n_members

    def put_forged(self, sender: int, draft: Draft) -> None:
        """The aggregator has one member's key: its accomplice's."""
        for blob in draft.blobs:
            self.blobs[blob_name(blob)] = blob
        key = self.federation.keys[ACCOMPLICE]
        self.show(self.put(next_post(key, self.board, CEREMONY, sender, draft.body)))

    def attack(self) -> None:
        """The ceremony up to the opened moduli."""
        while not any(machine._run.batch.moduli for machine in self.machines.values()):
            for sender, draft in self.due():
                forged = self.rewritten(sender, draft)
                if forged == draft or sender == ACCOMPLICE:
                    self.publish(sender, forged)
                else:
                    self.put_forged(sender, forged)


def test_another_members_word_cannot_be_rewritten():
    table = Octopus()
    with pytest.raises(BadEntry) as caught:
        table.attack()
    assert caught.value.sender == 1  # the first whose post was to be replaced
    assert "signature" in caught.value.reason
    assert not any(machine._run.batch.moduli for machine in table.machines.values())


def test_without_signatures_every_modulus_is_the_coalitions_own(monkeypatch):
    monkeypatch.setattr(board_module, "verify", lambda *signature: None)
    table = Octopus()
    table.attack()
    for i, machine in table.machines.items():
        assert set(machine._run.batch.moduli) == {table.own_modulus}, i
    p, q = table.own_primes
    assert gmpy2.is_prime(p)
    assert gmpy2.is_prime(q)


class Idle(Task):
    """A task that has nothing to say."""

    done = False


def shown(table: CeremonyTable) -> Entries:
    """All entries of a table's board, as the aggregator sends them."""
    return Entries(tuple(map(encode, table.entries)), table.board.head.position)


def test_a_member_whose_own_word_appears_on_the_board_unsaid_stops():
    """With its key stolen, too: what a hospital did not send itself stops its agent."""
    table = CeremonyTable(toy_federation(5, 3))
    federation = table.federation
    agent = Agent(federation.terms, VICTIM, federation.keys[VICTIM], Disk(), Idle())
    agent.connected(Welcome(0, table.board.head.hash))
    agent.step()
    (_, draft), *_ = [said for said in table.due() if said[0] == VICTIM]
    table.say(VICTIM, draft)
    with pytest.raises(IdentityInUse) as caught:
        agent.receive(shown(table))
    assert caught.value.position == 1


def test_an_aggregator_that_goes_back_on_its_word_is_found_out():
    table = CeremonyTable(toy_federation(5, 3))
    for sender, draft in table.due()[:2]:
        table.say(sender, draft)
    agent = Agent(table.federation.terms, VICTIM, table.federation.keys[VICTIM], Disk(), Idle())
    agent.connected(Welcome(2, table.board.head.hash))
    agent.receive(shown(table))
    agent.step()
    agent.disconnected()
    with pytest.raises(Fork):
        agent.connected(Welcome(1, table.entries[0].hash))


def test_the_aggregator_gains_nothing_by_the_order_of_posts():
    """Rushing is all it can give its accomplice, and what counts was committed to before."""
    orders = [lambda drafts: drafts, lambda drafts: drafts[::-1]]
    moduli = set()
    for order in orders:
        table = CeremonyTable(toy_federation(5, 3)).run(order=order)
        moduli |= {m.outcome[0].joint_key().n for m in table.machines.values() if m.outcome}
    assert len(moduli) == 1
    assert all(f"{name}-commit" in KINDS for name in ("moduli", "screen", "winner", "theta"))
