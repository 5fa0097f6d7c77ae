"""An agent whose task says what it is told, and an aggregator that it talks with by frames."""

import itertools
from collections.abc import Mapping
from pathlib import Path

from aggregator.server.service import Aggregator
from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.home.address import Address
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.messages.plan import Plan
from protocol.wire.frames import Welcome
from tests.simulator.disk import Disk
from tests.stage.studies import proposal, statistic_study
from tests.stage.toy import toy_federation

FEDERATION = toy_federation(3, 2)
NOWHERE = Address(FEDERATION.terms.aggregator_key, FEDERATION.card, Path("nowhere"))
BIG = bytes(range(256)) * 40  # a blob


class Saying(Task):
    """A task that says some drafts and listens to everything."""

    def __init__(self, *drafts: Draft) -> None:
        self.drafts = list(drafts)
        self.heard: list[tuple[Posted, Mapping[int, bytes]]] = []

    @property
    def done(self) -> bool:
        return not self.drafts

    def wants(self, session: str) -> bool:
        return True

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        self.heard.append((posted, payloads))

    def due(self) -> Draft | None:
        return self.drafts.pop(0) if self.drafts else None


class Quiet:
    """A link that takes everything."""

    url = "wss://h"

    async def send(self, frame: object) -> None:
        """Take it."""


def proposing(number: int = 0, purpose: str = "A test.") -> Draft:
    """What any member may say at any time: a plan, for a study s0, s1 and so on."""
    return proposal(statistic_study(FEDERATION.terms, name=f"s{number}", purpose=purpose))


def proposed(service: Aggregator, sender: int) -> list[int]:
    """The numbers of the plans that a member has proposed so, in order."""
    posts = (p.post for p in service.board.entries if p.post.sender == sender)
    return [int(post.session[-1]) for post in posts if isinstance(post.body, Plan)]


def agent(index: int = 1, disk: Disk | None = None, *drafts: Draft) -> Agent:
    key = FEDERATION.keys[index]
    return Agent(FEDERATION.terms, index, key, disk or Disk(), Saying(*drafts))


def aggregator(folder: Path) -> Aggregator:
    clock = itertools.count(1)
    return Aggregator(FEDERATION.terms, FEDERATION.keys[0], folder, lambda: next(clock))


def connect(member: Agent, service: Aggregator) -> None:
    """Let an agent and the aggregator talk until they have nothing to say."""
    member.connected(Welcome(*service.board.head))
    talk(member, service)


def talk(member: Agent, service: Aggregator) -> None:
    for _ in range(50):
        member.step()
        frames = member.outgoing()
        if not frames:
            return
        for frame in frames:
            for reply in service.receive(member.index, frame):
                member.receive(reply)
        member.receive(service.entries_after(member.board.head.position))
    raise AssertionError("no end")
