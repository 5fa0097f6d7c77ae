"""A table whose rounds are hybrid: vectors of three short chunks, and an aggregator that adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keyshare.hybrid.checksum import Checksum, write_checksum
from keyshare.hybrid.lattice import Lattice
from keyshare.hybrid.one_time_key import add_chunk, read_words, write_sum
from participant.model.file import model_name
from participant.training.task import TrainingTask
from protocol.board.board import Posted
from protocol.board.draft import Draft
from protocol.board.messages import Closing, Contribution, Contributor, SetLock, attach, blob_name
from protocol.board.suite import suite_of
from protocol.key.epoch import to_number
from protocol.rounds.ciphertexts import add_encrypted, read_ciphertexts, write_ciphertexts
from protocol.rounds.vector_checks import checksum_key
from tests.stage.rounds.hybrid_round import hybrid_toy
from tests.stage.rounds.round_table import RoundTable, Steps

SESSION = "round/1"
WEIGHTS, SHORT_CHUNK = 20_000, 4_096  # coefficients; two weights each, so three chunks

Events = list[tuple[int, str, dict[str, Any]]]


class Long(Steps):
    """Adds its hospital's own number to every weight of a longer model."""

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        return [np.zeros(WEIGHTS)]


class HybridTable(RoundTable):
    """All members train; ``shift`` is added to the sum's words by chunk and place."""

    def __init__(self) -> None:
        super().__init__(hybrid_toy())
        self.events: dict[int, Events] = {}
        for i in self.toy.federation.members:
            self.join(i)
        self.settle()

    def join(self, index: int) -> TrainingTask:
        """A member comes (back) with what is on its disk."""
        events: Events = self.events.setdefault(index, [])
        task = TrainingTask(
            self.terms,
            self.secret(index),
            Long(index / 100),
            self.disks[index],
            lambda *event: events.append(event),
        )
        self.seat(index, task)
        return task

    def task(self, index: int) -> TrainingTask:
        task = self.tasks[index]
        assert isinstance(task, TrainingTask)
        return task

    @property
    def lattice(self) -> Lattice:
        lattice = suite_of("hybrid", self.terms).lattice
        assert lattice is not None
        return lattice

    def contributed(self, session: str = SESSION) -> None:
        """An open round with everybody's contribution, before its closing."""
        self.settle()
        self.open(session, suite="hybrid")
        self.settle()

    def vector(self, member: int, session: str = SESSION) -> list[bytes]:
        """What a member contributed, chunk by chunk."""
        return [self.blobs[name] for name in self.names(member, session)]

    def names(self, member: int, session: str = SESSION) -> tuple[bytes, ...]:
        body = self.view(session).contributions[member].post.body
        assert isinstance(body, Contribution)
        return body.vector

    def closing(
        self,
        session: str = SESSION,
        shift: Mapping[tuple[int, int], int] | None = None,
        without: tuple[int, ...] = (),
    ) -> Posted:
        """The aggregator adds everything up, and what it likes; not the vectors of some."""
        view, n = self.view(session), to_number(self.toy.epoch.n)
        opening, members = view.terms_of_opening, sorted(view.contributions)
        assert opening is not None
        chunks = []
        for k in range(len(self.names(members[0], session))):
            total = None
            for member in (m for m in members if m not in without):
                total = add_chunk(total, self.vector(member, session)[k], self.lattice)
            assert total is not None
            for (chunk, place), added in (shift or {}).items():
                if chunk == k:
                    total[place : place + 1] += np.uint64(added)
            chunks.append(write_sum(total, self.lattice))
        found = []
        for member in members:
            payload = self.payloads(view.contributions[member], 0)[0]
            found.append(read_ciphertexts(payload, opening, self.terms, n))
        payload = write_ciphertexts(add_encrypted(found, n), n)
        contributors = tuple(Contributor(m, view.contributions[m].digest) for m in members)
        body = Closing(contributors, attach(payload), tuple(map(blob_name, chunks)))
        return self.publish(0, Draft(session, body, (payload, *chunks)))

    @property
    def chosen(self) -> bytes:
        chosen = self.view(SESSION).chosen(self.terms.federation)
        assert chosen is not None
        return chosen

    def checksum(self, member: int) -> int:
        """That of what a member contributed, as anybody can compute it."""
        found = Checksum(checksum_key(self.chosen))
        for k, data in enumerate(self.vector(member)):
            found.add(k, read_words(data, self.lattice.contribution_bytes))
        return found.value

    def lock(self, member: int, checksum: int) -> Posted:
        """A member locks the set with whatever checksum it likes."""
        body = SetLock(self.chosen, write_checksum(checksum))
        return self.publish(member, Draft(SESSION, body))

    def weights(self, member: int, number: int = 1) -> np.ndarray:
        """A member's model."""
        assert self.disks[member].read(model_name(number)) is not None
        assert self.task(member).finished == number
        (found,) = self.task(member).parameters
        return found

    def said(self, member: int, event: str) -> list[dict[str, Any]]:
        """The facts of a member's events of that name."""
        return [facts for _, name, facts in self.events[member] if name == event]
