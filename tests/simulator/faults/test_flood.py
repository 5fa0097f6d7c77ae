"""A hospital turns on the others once it has its key share: it floods; they finish without it."""

import os
from pathlib import Path

import pytest

from aggregator.server.service import Aggregator
from aggregator.store.unnamed_blobs import CLEAN_UP_SECONDS
from protocol.board.budget import PLANS_A_DAY, TRIES_AN_HOUR
from protocol.messages.attachment import Attachment, attach, blob_name
from protocol.messages.bodies import Body, chunks_of
from protocol.messages.plan import Plan as StudyPlan
from protocol.messages.rounds import Contribution, Statement
from protocol.wire.frames import Accepted, BlobChunk, Submit
from tests.simulator.federation import Federation, memory_folder
from tests.simulator.plan import Plan
from tests.stage.studies import statistic_plan
from tests.stage.toy import next_post

pytestmark = pytest.mark.slow
FLOODER = 4
PLAN = Plan(seed=0, n_members=4, quorum=2, rounds=2)


class Flooded(Federation):
    """``posted``: how many of the flooder's posts got onto the board."""

    def __init__(self, folder: Path) -> None:
        super().__init__(PLAN, folder)
        self.posted = self.sent = self.uploaded = 0
        self._every(0.2, self._flood)

    @property
    def others(self):
        return [h for i, h in self.hospitals.items() if i != FLOODER]

    def _is_over(self) -> bool:
        return all(h.finished for h in self.others) or any(h.failure for h in self.others)

    def _flood(self) -> None:
        service, hospital = self.services[0].aggregator, self.hospitals[FLOODER]
        if service is None or service.epoch is None:
            return
        if hospital.agent is not None:
            hospital.crash()
            self._link(hospital).up = False
        for body in self._junk():
            is_plan = isinstance(body, StudyPlan)
            session = f"study/a{self.sent}" if is_plan else "study/cardio/1"
            self._submit(service, session, body)
        data = os.urandom(100_000)
        service.receive(FLOODER, BlobChunk(blob_name(data), len(data), 0, data))
        self.uploaded += len(data)
        self._push(self.services[0])

    def _junk(self) -> list[Body]:
        name = blob_name(os.urandom(8))
        return [
            statistic_plan(self.terms, 1),
            Statement(os.urandom(32), 5),
            Contribution(os.urandom(32), attach(b"junk")),
            Contribution(os.urandom(32), Attachment(0, 64 << 20, name, b"")),
        ]

    def _submit(self, service: Aggregator, session: str, body: Body) -> None:
        signed = next_post(self.toy.keys[FLOODER], service.board, session, FLOODER, body)
        (answer,) = service.receive(FLOODER, Submit(signed))
        self.sent += 1
        self.posted += isinstance(answer, Accepted)


def named(service: Aggregator) -> int:
    """Bytes of the blobs that posts name."""
    names = {a.digest for p in service.board.entries for a in p.attachments if a.is_blob}
    names |= {name for p in service.board.entries for name in chunks_of(p.post.body)}
    return sum(service._blobs.size(name) or 0 for name in names)


def on_disk(folder: Path) -> int:
    files = (p for d in ("blobs", "incoming") for p in (folder / d).rglob("*") if p.is_file())
    return sum(p.stat().st_size for p in files)


def test_a_flooding_hospital_is_kept_within_its_budget_and_the_others_finish() -> None:
    with memory_folder() as folder:
        federation = Flooded(folder)
        assert federation.run()
        assert not [h.failure for h in federation.others if h.failure]
        assert not [member for member, _ in federation.declined if member != FLOODER]
        assert federation.posted <= PLANS_A_DAY + 2 * TRIES_AN_HOUR < federation.sent
        federation._start_service(federation.services[0])
        service = federation.aggregator
        limit = 2 * service.board.upload_bytes
        assert on_disk(folder / "aggregator") <= named(service) + limit
        for _ in range(2):
            service.tick()
            federation.clock.now += CLEAN_UP_SECONDS + 61
        service.tick()
        assert on_disk(folder / "aggregator") == named(service)
