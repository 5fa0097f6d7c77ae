"""Small federations in which every role has something to keep, and who has which role."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, NamedTuple
from unittest.mock import patch

from participant.home.address import Address
from participant.home.ceremony_secrets import SecretStore
from participant.home.identity import Identity
from participant.home.membership import Membership
from participant.home.vault import Vault
from participant.network import CardTask
from protocol.messages.bodies import CardSeen
from protocol.terms.address_card import sign_card
from protocol.wire import FromMember
from tests.simulator.disk import Crash, Disk
from tests.simulator.federation import Federation, memory_folder
from tests.simulator.hospital import Hospital
from tests.simulator.kill.kinds import AGGREGATOR
from tests.simulator.kill.moments import Death, Moments
from tests.simulator.memo import remembering
from tests.simulator.oracle import Violation, judge
from tests.simulator.plan import Plan
from tests.simulator.studies.script import StudyScript, Word, common
from tests.stage.toy_home import CHEAP, PASSPHRASE

N = 4
HELPING = 4  # adds nothing, and is needed to open
MOVING_SECONDS = 1.0  # until the aggregator has another address


def helped(script: StudyScript) -> StudyScript:
    """The same, but for one hospital that only helps to open."""
    contributors = tuple(m for m in script.members if m != HELPING)
    words = tuple(
        replace(w, what="open") if (w.member, w.what) == (HELPING, "approve") else w
        for w in script.words
    )
    return replace(script, members=contributors, words=words)


def training(rounds: int, suite: Literal["auto", "hybrid"]) -> StudyScript:
    """All but one train, and that one helps to open."""
    return helped(common(N, rounds, suite=suite))


TALK = replace(  # a word is taken up within the ten seconds that a quiet hospital sleeps
    common(N),
    words=(
        Word(0.0, 1, "propose"),
        Word(5.0, 2, "approve"), Word(30.0, 2, "withdraw"), Word(60.0, 2, "approve"),
        *(Word(90.0, m, "end") for m in (1, 2, 3)),
    ),
)  # fmt: skip
FOUNDED = Plan(seed=0, n_members=N, quorum=N, founded=True)  # nobody can be done without
STAGES = {
    "training": replace(FOUNDED, scripts=(training(2, "hybrid"),)),
    "vectors": replace(FOUNDED, scripts=(training(1, "hybrid"),)),
    "pruned": replace(FOUNDED, scripts=(replace(training(3, "hybrid"), keep=1),), keep_models=2),
    "packed": replace(FOUNDED, scripts=(training(2, "auto"),)),
    "statistic": replace(FOUNDED, scripts=(helped(common(N, name="age", kind="statistic")),)),
    "talk": replace(FOUNDED, scripts=(TALK,)),
    "ceremony": Plan(seed=0, n_members=3, quorum=2, scripts=(replace(common(3), words=()),)),
    "address": replace(FOUNDED, scripts=(replace(common(N), words=()),)),
}


class Role(NamedTuple):
    """Somebody's part in one of the federations."""

    stage: str
    who: int


ROLES = {
    "ceremony service": Role("ceremony", AGGREGATOR),
    "vector service": Role("vectors", AGGREGATOR),
    "pruning service": Role("pruned", AGGREGATOR),
    "packed service": Role("packed", AGGREGATOR),
    "statistic service": Role("statistic", AGGREGATOR),
    "candidate": Role("ceremony", 2),
    "proposer": Role("talk", 1),
    "withdrawer": Role("talk", 2),
    "ender": Role("talk", 3),
    "trainer": Role("training", 2),
    "pruning trainer": Role("pruned", 2),
    "holder": Role("training", HELPING),
    "contributor": Role("statistic", 2),
    "reader": Role("statistic", HELPING),
    "mover": Role("address", 2),
}


class VaultDisk(Disk):
    """One that has its key share in a real vault."""

    member: Membership | None = None  # until it has a folder

    def read(self, name: str) -> bytes | None:
        if name != "vault/key-share" or self.member is None:
            return super().read(name)
        vault = self.member.vault
        epochs = vault.epochs()
        return vault.read_key_share(epochs[-1], PASSPHRASE) if epochs else None


class Seeded(SecretStore):
    """Its seeds follow from their sessions' names: one candidate for a key fails, the next is it.

    So runs have few steps, and nearly always as many.
    """

    def seed(self, session: str) -> bytes:
        origin = f"7/{self.vault.member}/{session}".encode()
        drawn = SimpleNamespace(token_bytes=lambda size: hashlib.sha256(origin).digest()[:size])
        with patch("participant.home.vault.secrets", drawn):
            return super().seed(session)


class WithVaults(Federation):
    """Its hospitals keep what they make in a ceremony as a real hospital does."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        super().__init__(plan, folder, lambda index: VaultDisk())
        self._folder = folder
        for hospital in self.hospitals.values():
            hospital.secrets = lambda h=hospital: _secrets(h)  # type: ignore[misc]

    def _start_hospital(self, hospital: Hospital) -> None:
        """As an agent that stays: with a key, it destroys the seed first that it may still have."""
        try:
            self._enter(hospital)
        except Crash:
            self._crash_hospital(hospital)
            return
        super()._start_hospital(hospital)

    def _enter(self, hospital: Hospital) -> None:
        assert isinstance(hospital.disk, VaultDisk)
        index, folder = hospital.index, self._folder / f"h{hospital.index}"
        vault = Vault(folder / "vault", self.terms.federation, index, CHEAP)
        identity = Identity(self.terms.name_of(index), hospital.key)
        address = Address(self.terms.aggregator_key, None, folder)
        member = Membership(self.terms, index, identity, folder, vault, PASSPHRASE, address)
        hospital.disk.member = member
        if vault.epochs():
            member.settled_keys()

    def seeds(self) -> list[Path]:
        """Those that no hospital may still have when all have a key."""
        return list(self._folder.glob("h*/vault/*.seed.sealed"))


def _secrets(hospital: Hospital) -> Seeded:
    assert isinstance(hospital.disk, VaultDisk)
    assert hospital.disk.member is not None
    return Seeded(hospital.disk.member.vault, PASSPHRASE)


class WithCards(Federation):
    """Its aggregator moves, and tells its new card to whoever connects, as a server does."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        super().__init__(plan, folder)
        self._folder = folder
        self.card = sign_card(self.toy.keys[0], 2, "wss://elsewhere:8443", b"q" * 32)
        self.addresses: dict[int, Address] = {}

    def address(self, index: int) -> Address:
        """A hospital's, as a new process finds it."""
        return Address(self.terms.aggregator_key, self.toy.card, self._folder / f"h{index}")

    def run(self, limit: float | None = None) -> bool:
        for hospital in self.hospitals.values():
            self.clock.after(MOVING_SECONDS, lambda h=hospital: self._tell(h))  # type: ignore[misc]
        return super().run(limit)

    def _start_hospital(self, hospital: Hospital) -> None:
        self.addresses[hospital.index] = self.address(hospital.index)
        super()._start_hospital(hospital)
        if hospital.agent is not None:
            hospital.agent.tasks.add(CardTask(hospital.index, self.addresses[hospital.index]))
            if self.clock.now > MOVING_SECONDS:
                self._tell(hospital)

    def _tell(self, hospital: Hospital) -> None:
        def take() -> list[FromMember]:
            if hospital.agent is None:
                return []
            self.addresses[hospital.index].take(self.card)
            return hospital.work()

        self._guarded(hospital, take)

    def _is_over(self) -> bool:
        return super()._is_over() and len(self._said()) == self.plan.n_members

    def _said(self) -> list[int]:
        """Who has said that it has the new card."""
        if (aggregator := self.services[0].aggregator) is None:
            return []
        posts = [p.post for p in aggregator.board.session(f"address/{self.card.number}")]
        return [post.sender for post in posts if post.body == CardSeen(self.card)]

    def all_have_moved(self) -> bool:
        """Whether a new process of each would find the new address, and each said so once."""
        kept = [self.address(index).newest for index in self.hospitals]
        return sorted(self._said()) == sorted(self.hospitals) and set(kept) == {self.card}


@contextmanager
def staged(
    stage: str, *deaths: Death, stays_down: bool = False
) -> Iterator[tuple[Federation, Moments]]:
    """A federation that is to be run, and its changes, which are seen while the block lasts."""
    make = {"ceremony": WithVaults, "address": WithCards}.get(stage, Federation)
    with memory_folder() as folder, remembering():
        federation = make(STAGES[stage], folder)
        moments = Moments(federation, folder, deaths, stays_down)
        with moments.watching():
            yield federation, moments


def played(stage: str, *deaths: Death) -> Moments:
    """A run that ends as it must in spite of these deaths; raises Violation if it does not."""
    with staged(stage, *deaths) as (federation, moments):
        is_over = federation.run()
        if judge(federation, is_over) != "done":
            raise Violation("a fork")
        if isinstance(federation, WithVaults) and federation.seeds():
            raise Violation(f"{federation.seeds()} are still there")
        if isinstance(federation, WithCards) and not federation.all_have_moved():
            raise Violation("not all have the new card")
    return moments
