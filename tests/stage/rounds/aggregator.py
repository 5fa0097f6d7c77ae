"""A table at which the test plays the aggregator of rounds: an honest one, or as it is told."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import msgspec
import numpy as np
from gmpy2 import mpz

from keyshare.hybrid.checksum import Checksum
from keyshare.hybrid.lattice import Lattice
from keyshare.hybrid.one_time_key import read_words, write_sum
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.board.study import Study, StudyState
from protocol.board.suite import suite_for
from protocol.encoding import width_of
from protocol.messages.attachment import attach, blob_name
from protocol.messages.rounds import Ciphertexts, Closing, Contributor, Opening, Statement
from protocol.messages.session import read_session, round_session
from protocol.rounds.ciphertexts import Encrypted, add_encrypted
from protocol.rounds.statistic import opening_for
from protocol.rounds.vector_checks import checksum_key
from protocol.rounds.view import RoundView, bounds_of
from protocol.terms.terms import Terms
from tests.stage.rounds.contribution import hybrid_lattice, payload_of
from tests.stage.rounds.whole_update import sum_of
from tests.stage.studies import SESSION
from tests.stage.toy import Table, ToyEpoch

Shift = Mapping[tuple[int, int], int]  # chunk and place: what is added to the sum's word there


class AggregatorTable(Table):
    """A toy epoch's members at a table where rounds are opened and closed.

    ``at``: another table, whose board and blobs these are.
    """

    def __init__(self, toy: ToyEpoch, at: Table | None = None) -> None:
        super().__init__(toy.federation)
        self.toy = toy
        if at is not None:
            self.board, self.blobs, self.entries = at.board, at.blobs, at.entries
            self.tick_ms = at.tick_ms

    def spread(self, sender: int, draft: Draft) -> Posted:
        """Put a draft on the board, and show it to all at the table."""
        raise NotImplementedError

    @property
    def terms(self) -> Terms:
        return self.federation.terms

    def state_of(self, session: str) -> StudyState:
        """Of the study that a session is about."""
        return self.board.studies[read_session(session).study]

    def study_of(self, session: str = SESSION) -> Study:
        return self.state_of(session).study

    @property
    def lattice(self) -> Lattice:
        """Of the first study that trains."""
        states = self.board.studies.values()
        return hybrid_lattice(next(s.study for s in states if s.study.is_training))

    def view_of(self, session: str) -> RoundView:
        """A session's posts, as anybody reads them."""
        return RoundView.of(session, self.board.session(session))

    def chosen_in(self, session: str) -> bytes:
        """The name of a closed round's set."""
        chosen = self.view_of(session).chosen(self.terms.federation)
        assert chosen is not None
        return chosen

    def checksum_in(self, session: str, member: int) -> int:
        """That of what a member contributed, as anybody can compute it."""
        found = Checksum(checksum_key(self.chosen_in(session)))
        for k, data in enumerate(self.chunks_of(session, member)):
            found.add(k, read_words(data, self.lattice.contribution_bytes))
        return found.value

    def open_round(self, session: str = SESSION, **changes: Any) -> Posted:
        """Open a round as the plan says, from what members have stated, but for the changes."""
        study, epoch = self.study_of(session), self.toy.epoch.digest
        if study.is_training:
            before = round_session(study.name, read_session(session).number - 1)
            alike = list(self.view_of(before).agreed(least=1).values())
            said = alike[0] if alike else Statement(bytes(32), 1)
            suite = suite_for(study, changes.get("length", said.length)).name
            of_model = said.result, said.length, suite, *bounds_of(alike, study)
            opening = Opening(study.digest, epoch, *of_model)
        else:
            opening = opening_for(study, epoch)
        return self.spread(0, Draft(session, msgspec.structs.replace(opening, **changes)))

    def ciphertexts_of(self, session: str, member: int) -> Encrypted:
        """A member's ciphertexts, taken at its word."""
        posted, square = self.view_of(session).contributions[member], self.toy.key.n**2
        said = msgspec.msgpack.decode(self.payloads(posted, 0)[0], type=Ciphertexts)
        width = width_of(square)
        starts = range(0, len(said.numbers), width)
        numbers = (int.from_bytes(said.numbers[k : k + width], "big") for k in starts)
        return Encrypted(tuple(map(mpz, numbers)))

    def chunks_of(self, session: str, member: int) -> list[bytes]:
        """A member's vector."""
        posted = self.view_of(session).contributions[member]
        return [self.blobs[name] for name in posted.post.body.vector]

    def summed(
        self, vectors: Sequence[Sequence[bytes]], shift: Shift | None = None
    ) -> tuple[bytes, ...]:
        """The sum of vectors, chunk by chunk, and what is added to it."""
        chunks = []
        for k, column in enumerate(zip_longest(*vectors)):
            total = sum_of(filter(None, column), self.lattice)
            for (_, place), added in ((at, x) for at, x in (shift or {}).items() if at[0] == k):
                total[place : place + 1] += np.uint64(added)
            chunks.append(write_sum(total, self.lattice))
        return tuple(chunks)

    def close_round(
        self,
        session: str = SESSION,
        chosen: Sequence[int | tuple[int, bytes]] | None = None,
        total: Encrypted | None = None,
        shift: Shift | None = None,
        without: Sequence[int] = (),
        **changes: Any,
    ) -> Posted:
        """Close a round over all contributions or some, perhaps with a false sum.

        chosen: members, perhaps with what is said to be the digest of their contributions.
        total: instead of their product. without: whose vectors are not added. changes: to the
        closing.
        """
        posts = self.view_of(session).contributions
        pairs = [
            one if isinstance(one, tuple) else (one, posts[one].digest)
            for one in (sorted(posts) if chosen is None else chosen)
        ]
        known = [i for i, _ in pairs if i in posts]
        if total is None:
            found = [self.ciphertexts_of(session, i) for i in known]
            total = add_encrypted(found, self.toy.key.n)
        vectors = [self.chunks_of(session, i) for i in known if i not in without]
        chunks = self.summed(vectors, shift)
        payload = payload_of(total, self.toy.epoch)
        contributors = tuple(Contributor(*pair) for pair in pairs)
        body = Closing(contributors, attach(payload), tuple(map(blob_name, chunks)))
        body = msgspec.structs.replace(body, **changes)
        blobs = (payload,) if attach(payload).is_blob else ()
        return self.spread(0, Draft(session, body, (*blobs, *chunks)))
