"""The aggregator and its colluders: boards as they like them, and all that was ever said to them.

A *branch* is one board with one history; hospitals are shown a branch each, entry by entry, as far
and as late as the aggregator likes. What hospitals say lies in its hands until it puts it on a
branch, or never.
"""

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from gmpy2 import mpz

from keyshare.proofs.plaintext_proof import PlaintextProof
from keyshare.rounds.packing import pack
from protocol.board.board import Board
from protocol.board.budget import Surplus
from protocol.board.payload_sizes import expected_count
from protocol.board.post import Entry, Head, Post, SignedPost
from protocol.board.study import Study, StudyState
from protocol.board.suite import suite_of
from protocol.encoding import decode, encode
from protocol.errors import ProtocolError
from protocol.messages.attachment import attach
from protocol.messages.bodies import Body
from protocol.messages.fields import MAX_POST_BYTES
from protocol.messages.plan import Approval, Plan
from protocol.messages.rounds import (
    NEAR_TO_NOTHING,
    Closing,
    Contribution,
    Contributor,
    Near,
    Opening,
    Partial,
    SetLock,
)
from protocol.messages.session import read_session
from protocol.rounds.ciphertexts import Encrypted, read_ciphertexts, write_ciphertexts
from protocol.rounds.view import RoundView
from protocol.terms.terms import Terms
from tests.malice.hospital import Hospital
from tests.malice.oracle import Closed, Knowledge, Place, Row, Rows, Sum
from tests.malice.studies import Sources, times_of
from tests.malice.theft import Loot, Theft, plus
from tests.stage.rounds.contribution import contribution
from tests.stage.rounds.whole_update import quantise
from tests.stage.toy import ToyEpoch, next_post, seed_of

LIES = (
    "none", "omits one", "counts one twice", "one alone", "too few", "names one twice",
    "names another contribution", "another round's sum", "unordered",
)  # fmt: skip


class Branch:
    """One board, its entries as bytes, and its rounds."""

    def __init__(self, terms: Terms) -> None:
        self.board = Board(terms)
        self.entries: list[bytes] = []
        self.views: dict[str, RoundView] = {}

    def put(self, signed: SignedPost) -> bool:
        """Whether the post could be given the next place."""
        try:
            self.keep(self.board.extend(signed, 0))
        except ProtocolError:
            return False
        return True

    def keep(self, entry: Entry) -> None:
        posted = self.board.append(entry)
        self.entries.append(encode(entry))
        is_round = read_session(posted.post.session).is_round
        if is_round and not isinstance(posted.post.body, Surplus):
            self.view(posted.post.session).receive(posted)

    def view(self, session: str) -> RoundView:
        return self.views.setdefault(session, RoundView(session))

    def state(self, session: str) -> StudyState:
        """Of the study that a session belongs to, which there must be."""
        return self.board.studies[read_session(session).study]

    def head(self, position: int) -> Head:
        found = self.board.hash_at(position)
        assert found is not None
        return Head(position, found)


@dataclass(frozen=True)
class Contributed:
    """A contribution that the adversary has seen: ciphertexts and what they hold, each a row."""

    encrypted: Encrypted
    rows: Rows


@dataclass
class Aggregator:
    """Everything that the adversary has, and the honest hospitals it plays against."""

    toy: ToyEpoch
    colluders: frozenset[int]
    branches: list[Branch] = field(default_factory=list)
    hospitals: dict[int, Hospital] = field(default_factory=dict)
    shown: dict[int, Branch] = field(default_factory=dict)
    contributed: dict[bytes, Contributed] = field(default_factory=dict)  # by the post's digest
    openings: dict[bytes, Opening] = field(default_factory=dict)  # likewise
    models: list[bytes] = field(default_factory=list)  # that openings have named
    said: list[SignedPost] = field(default_factory=list)  # by honest hospitals

    def __post_init__(self) -> None:
        self.sources = Sources()
        self.knowledge = Knowledge(self.toy, self.colluders, name_of=self.sources.of_model)
        self.branches.append(Branch(self.terms))
        self._heard: set[bytes] = set()
        self._contributor: dict[bytes, int] = {}  # by the post's digest, of honest hospitals
        self._by_payload: dict[bytes, Contributed] = {}
        for i in self.toy.federation.members:
            if i not in self.colluders:
                self.hospitals[i] = Hospital(self.toy, i)
                self.shown[i] = self.branches[0]
                self.hospitals[i].start((), self.branches[0].head(0))
                self._hear(i)

    @property
    def terms(self) -> Terms:
        return self.toy.federation.terms

    # ── hospitals ──

    def deliver(self, index: int, count: int | None = None) -> bool:
        """Show a hospital its branch's next entries; whether there were any, or it said more."""
        hospital, entries = self.hospitals[index], self.shown[index].entries
        stop = len(entries) if count is None else hospital.read + count
        fresh = entries[hospital.read : stop]
        if fresh:
            hospital.take(fresh)
            self._hear(index)
        return bool(fresh)

    def publish(self, index: int) -> bool:
        """Put what a hospital has said on its branch; whether that could be."""
        hospital = self.hospitals[index]
        signed, hospital.mail = hospital.mail, None
        return signed is not None and self.shown[index].put(signed)

    def run(self, who: Iterable[int], late: Collection[int] = (), session: str = "") -> None:
        """Let some hospitals read and speak until they have nothing more to say.

        late: whose contributions to a session stay on their way.
        """
        moving = True
        while moving:
            moving = False
            for index in who:
                moving |= self.deliver(index)
                if index not in late or not self._is_contributing(index, session):
                    moving |= self.publish(index)

    def _is_contributing(self, index: int, session: str) -> bool:
        """Whether what a hospital has said, and no branch has, is its contribution to a session."""
        signed = self.hospitals[index].mail
        if signed is None:
            return False
        post = decode(signed.post, Post, "post", MAX_POST_BYTES)
        return post.session == session and isinstance(post.body, Contribution)

    def restart(self, index: int, branch: Branch, loses_head: bool = False) -> None:
        """A hospital's process starts anew, is shown a branch, and reads it all.

        Where that is not the board it remembers, it stands still until it is shown the right one.
        """
        hospital = self.hospitals[index]
        if loses_head:
            self.knowledge.keeps_heads = False
            hospital.forget_head()
        self.shown[index] = branch
        hospital.start(branch.entries, branch.head(len(branch.entries)))
        self._hear(index)

    def tell(self, index: int, word: str, name: str) -> None:
        """A hospital's people approve a study, take that back, vote to end it, or just begin."""
        hospital = self.hospitals[index]
        words = {
            "approve": hospital.approve,
            "withdraw": hospital.withdraw,
            "end": hospital.vote_to_end,
            "take part": hospital.take_part,
        }
        words[word](name)
        self._hear(index)

    def ask_again(self, index: int) -> None:
        self.hospitals[index].ask_again()
        self._hear(index)

    def _hear(self, index: int) -> None:
        signed = self.hospitals[index].mail
        if signed is None or signed.digest in self._heard:
            return
        self._heard.add(signed.digest)
        self.said.append(signed)
        post = decode(signed.post, Post, "post", MAX_POST_BYTES)
        if isinstance(post.body, Contribution):
            self._hear_contribution(index, signed.digest, post)
        elif isinstance(post.body, Approval):
            study = self.shown[index].state(post.session).study
            self.knowledge.approved[index, study.name].append((study.plan, post.body))
        self.knowledge.hear(post)

    def _hear_contribution(self, index: int, digest: bytes, post: Post) -> None:
        body = post.body
        assert isinstance(body, Contribution)
        study, opening = self.shown[index].state(post.session).study, self.openings[body.opening]
        if study.is_training:
            self.sources.learn(study.name, opening.model, self.hospitals[index].model(study.name))
        encrypted = read_ciphertexts(body.ciphertexts.data, opening, study, self.toy.key.n)
        places = self.places(study, opening)
        times = times_of(study.plan, index)
        rows = [{(index, source, place): times} for source, place in places]
        found = Contributed(encrypted, rows)
        self.contributed[digest] = found
        self._by_payload[body.ciphertexts.digest] = found
        self._contributor[digest] = index

    def places(self, study: Study, opening: Opening) -> list[Place]:
        """What each ciphertext of a round holds of a hospital: its unknowns are named so."""
        count = expected_count(opening, study)
        if study.is_training:
            return [(opening.model, place) for place in range(count)]
        return self.sources.of_statistic(study.name, count)

    # ── boards ──

    def split(self, branch: Branch, length: int) -> Branch:
        """Another board that begins with the first entries of a branch."""
        other = Branch(self.terms)
        for data in branch.entries[:length]:
            other.keep(msgspec.msgpack.decode(data, type=Entry))
        self.branches.append(other)
        return other

    def say(self, branch: Branch, sender: int, session: str, body: Body) -> SignedPost | None:
        """Sign for itself or a colluder, and put it on a branch; None if it has no place there."""
        signed = next_post(self.toy.federation.keys[sender], branch.board, session, sender, body)
        return signed if branch.put(signed) else None

    # ── studies and rounds ──

    def propose(self, branch: Branch, member: int, name: str, plan: Plan) -> None:
        """A study comes to a branch, by whomever; the colluders approve it."""
        self.say(branch, member, f"study/{name}", plan)
        if name in branch.board.studies:
            digest = branch.board.studies[name].study.digest
            for colluder in sorted(self.colluders):
                self.say(branch, colluder, f"study/{name}", Approval(digest, True, True))

    def open(self, branch: Branch, session: str, opening: Opening) -> None:
        signed = self.say(branch, 0, session, opening)
        if signed is not None:
            self.openings[signed.digest] = opening
            if opening.model not in self.models and any(opening.model):
                self.models.append(opening.model)

    def contribute(
        self, branch: Branch, member: int, session: str, spoils: bool, near: Near = NEAR_TO_NOTHING
    ) -> None:
        """A colluder's own numbers: small ones, or such as no honest hospital has."""
        opening = branch.view(session).opening
        assert opening is not None
        plaintexts = self._own(branch.state(session).study, opening.post.body, member)
        if spoils:
            plaintexts = [self.toy.key.n - 1] * len(plaintexts)
        place = member, session, opening.digest, self.toy.epoch, near
        made = contribution(plaintexts, *place)
        rows: list[Row] = [{} for _ in plaintexts]
        self._keep(self.say(branch, member, session, made.body), made.encrypted, rows)

    def _own(self, study: Study, opening: Opening, member: int) -> list[mpz]:
        """What a colluder adds where it goes along: an update such as others have, or numbers."""
        count = expected_count(opening, study)
        if not study.is_training:
            return [mpz(100 * member + k) for k in range(count)]
        suite = suite_of("paillier", study)
        update = np.full(opening.length, member / 8)
        times = times_of(study.plan, member)
        values = quantise(update, times, suite.slots(opening), seed_of("colluder", member))
        return list(pack(values, suite.packing(opening.length)))

    def copy(self, branch: Branch, member: int, session: str, victim: int, power: int) -> None:
        """What another has contributed, to a power, with its proof, as a colluder's own."""
        posted = branch.view(session).contributions.get(victim)
        if posted is None or posted.digest not in self.contributed:
            return
        seen, square = self.contributed[posted.digest], self.toy.key.n**2
        values = tuple(pow(c, power, square) for c in seen.encrypted.values)
        copied = Encrypted(values, _proof_to_power(seen.encrypted.proof, power))
        body = posted.post.body
        rows = [{unknown: times * power for unknown, times in row.items()} for row in seen.rows]
        self._give(branch, member, session, body.opening, copied, rows)

    def steal(self, branch: Branch, member: int, session: str, theft: Theft) -> None:
        """As a colluder's own, what it makes of any ciphertexts that it has ever seen."""
        opening = branch.view(session).opening
        assert opening is not None
        count = expected_count(opening.post.body, branch.state(session).study)
        loot = Loot(self.toy)
        for seen in self.contributed.values():
            loot.add(seen.encrypted.values, seen.rows, seen.encrypted.proof)
        for closed in self.knowledge.closed.values():
            for one in closed.sums:
                loot.add(one.values, one.rows, None)
        if found := loot.take(theft, count, session, member, opening.digest):
            self._give(branch, member, session, opening.digest, *found)

    def _give(
        self,
        branch: Branch,
        member: int,
        session: str,
        opening: bytes,
        encrypted: Encrypted,
        rows: Rows,
    ) -> None:
        body = Contribution(opening, attach(write_ciphertexts(encrypted, self.toy.key.n)))
        self._keep(self.say(branch, member, session, body), encrypted, rows)

    def _keep(self, signed: SignedPost | None, encrypted: Encrypted, rows: Rows) -> None:
        if signed is not None:
            self.contributed[signed.digest] = Contributed(encrypted, rows)

    def close(self, branch: Branch, session: str, chosen: Sequence[int], lie: str) -> None:
        """Close a round over some of its contributions; ``lie`` is one of LIES."""
        view = branch.view(session)
        opening = view.terms_of_opening
        known = [m for m in chosen if m in view.contributions]
        if opening is None or not known:
            return
        if lie == "too few":
            known = known[: self.terms.least_contributors - 1]
        digests = {m: view.contributions[m].digest for m in known}
        if lie == "names another contribution":
            digests[known[0]] = next(reversed(self.contributed))
        true = self._sum((digests[m], 1) for m in known)
        times = dict.fromkeys(known, 1)
        if lie == "omits one":
            times[known[-1]] = 0
        elif lie in ("counts one twice", "names one twice"):
            times[known[0]] = 2
        elif lie == "one alone":  # the set as it should be, the sum another
            times = {m: int(m == known[0]) for m in known}
        claimed = self._sum((digests[m], times[m]) for m in known)
        if lie == "another round's sum" and self.knowledge.closed:
            claimed = next(reversed(self.knowledge.closed.values())).sums[0]
        names = [Contributor(m, digests[m]) for m in known]
        if lie == "names one twice":
            names.insert(0, names[0])
        elif lie == "unordered":
            names.reverse()
        payload = write_ciphertexts(Encrypted(claimed.values), self.toy.key.n)
        self._closed(
            branch, session, opening, Closing(tuple(names), attach(payload)), claimed, true
        )

    def _closed(
        self, branch: Branch, session: str, opening: Opening, closing: Closing, *sums: Sum
    ) -> None:
        if self.say(branch, 0, session, closing) is None:
            return
        posted, state = branch.board.entries[-1], branch.state(session)
        if isinstance(posted.post.body, Surplus):
            return
        members = frozenset(c.member for c in closing.contributors)
        view = RoundView(session)
        view.closing = posted  # type: ignore[assignment]  # it has just been said
        chosen = view.chosen(self.terms.federation)
        assert chosen is not None
        named = tuple(c.contribution for c in closing.contributors)
        gone = {m for m in members if not _contributes(state, m, posted.position)}
        known = self.knowledge.closed.get(chosen)
        self.knowledge.closed[chosen] = Closed(
            session,
            state.study.plan,
            _start(state.study, opening),
            tuple(self.places(state.study, opening)),
            named,
            members,
            sums,
            frozenset(gone) & (known.gone if known else frozenset(gone)),
            _has_ended(state, posted.position) and (known is None or known.is_late),
        )

    def _sum(self, parts: Iterable[tuple[bytes, int]]) -> Sum:
        """Contributions, each so many times; as many ciphertexts as the first has."""
        square = self.toy.key.n**2
        values: list[mpz] = []
        rows: list[Row] = []
        for digest, times in parts:
            found = self.contributed[digest]
            if not values:
                values = [mpz(1) for _ in found.rows]
                rows = [{} for _ in found.rows]
            seen = zip(found.encrypted.values, found.rows, strict=True)
            for place, (value, row) in enumerate(itertools.islice(seen, len(values))):
                values[place] = values[place] * pow(value, times, square) % square
                rows[place] = plus(rows[place], row, times)
        return Sum(tuple(values), rows)

    def lock(self, branch: Branch, member: int, session: str, chosen: bytes) -> None:
        self.say(branch, member, session, SetLock(chosen))

    def repeat(self, branch: Branch, member: int, session: str, body: Body) -> None:
        """A colluder says in a session what somebody has said somewhere."""
        signed = self.say(branch, member, session, body)
        if signed is not None and isinstance(body, Contribution):
            said = self._by_payload[body.ciphertexts.digest]
            self.contributed[signed.digest] = said

    def bodies(self) -> list[Body]:
        """All that honest hospitals have said."""
        posts = [decode(signed.post, Post, "post", MAX_POST_BYTES) for signed in self.said]
        return [p.body for p in posts if isinstance(p.body, Contribution | Partial | SetLock)]


def _contributes(state: StudyState, member: int, position: int) -> bool:
    """Whether a member's approval stood there, read from its words alone."""
    words = [word for word in state.words.get(member, ()) if word.position < position]
    return bool(words) and words[-1].contribute


def _has_ended(state: StudyState, position: int) -> bool:
    return state.ended_at is not None and state.ended_at < position


def _start(study: Study, opening: Opening) -> bytes:
    return opening.model if study.is_training else study.statistic.data.encode()


def _proof_to_power(proof: PlaintextProof | None, power: int) -> PlaintextProof | None:
    """What one might try: the proof of the original for its power."""
    return proof and PlaintextProof(
        proof.commitment, proof.plaintext * power % (1 << 512), proof.exponent * power
    )
