"""A holder of a key share whose program does in training what its script says, and is honest else.

The acts of a script are drawn before the run, by round and step. Each is done once; what the holder
knows of the round (its model, the sum, its own parts) is what an honest one would know.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import msgspec
from gmpy2 import mpz

from participant.rounds.contribution import ContributionMaker
from participant.training.round_in_progress import RoundInProgress
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.key.epoch import to_number
from protocol.messages.attachment import attach, blob_name
from protocol.messages.ceremony import Join
from protocol.messages.check import CheckRequest
from protocol.messages.rounds import Complaint, Contribution, Partial, Refusal, SetLock, Statement
from protocol.messages.session import read_session, round_session, study_session
from tests.simulator.studies.clocked import ClockedTask
from tests.stage.studies import STUDY, statistic_plan

FAR = 99_999
# What is done instead of, or besides, the honest thing of a step. "gone": silent for ever after.
ACTS = {
    "state": ("digest", "length", "clip", "turns", "far", "silent", "gone"),
    "give": (
        "void", "void", "weights", "unproved", "unread", "another opening", "copied", "short",
        "twice", "late", "silent", "gone",
    ),
    "lock": ("another set", "two sets", "refuses", "blames", "checksum", "silent", "gone"),
    "help": (
        "numbers", "payload", "sealed", "commitment", "twice", "refuses", "accuses",
        "accuses blind", "silent", "gone",
    ),
}  # fmt: skip
JUNK = ("plan", "check", "ceremony", "early lock", "early part", "early accusation", "numbers")
UNFIT = (
    "unproved",
    "unread",
    "another opening",
    "copied",
    "short",
)  # contributions that cannot be added


@dataclass(frozen=True)
class Script:
    """What a bad holder does: by round and step; silent in some seconds; junk at some seconds."""

    acts: Mapping[tuple[int, str], str]
    quiet: tuple[tuple[float, float], ...] = ()
    junk: tuple[tuple[float, str], ...] = ()

    @classmethod
    def of(cls, draw: random.Random, rounds: int) -> Script:
        """From slightly deviant to nothing but bad; some void a round and are gone in the next."""
        often = draw.choice([0.15, 0.4, 0.9])
        acts = {
            (number, step): draw.choice(choices)
            for number in range(rounds + 1)
            for step, choices in ACTS.items()
            if draw.random() < often
        }
        if draw.random() < 0.5:
            number = draw.randint(1, rounds - 1)
            acts |= {(number, "give"): "void", (number + 1, "give"): draw.choice(["gone", *UNFIT])}
            acts = {k: v for k, v in acts.items() if v != "gone" or k[0] > number}
        begin = draw.uniform(0, 60)
        quiet = ((begin, begin + draw.choice([8.0, 40.0])),) if draw.random() < 0.3 else ()
        junk = sorted((draw.uniform(0, 60), draw.choice(JUNK)) for _ in range(draw.randint(0, 4)))
        return cls(acts, quiet, tuple(junk))


HONEST = Script({})


class Spoiling(ContributionMaker):
    """Encrypts and proves all ones, in packed slots or as a one-time key."""

    def _proved(self, plaintexts, stream, opening, key, vector=()):
        ones = mpz((1 << (key.encryptor.n.bit_length() - 1)) - 1)
        return super()._proved([ones] * len(plaintexts), stream, opening, key, vector)


class BadHolder(ClockedTask):
    """``did`` has the acts that were done, by round and step."""

    script = HONEST
    draw = random.Random(0)

    def prepare(
        self, script: Script, now: Callable[[], float], draw: random.Random,
        did: dict[tuple[int, str], str], junk: deque[tuple[float, str]],
    ) -> None:  # fmt: skip
        """``did``, ``junk``: shared by all processes of the holder: nothing is done again."""
        self.script, self.now, self.draw, self.did = script, now, draw, did
        self._next = deque[Draft]()
        self._junk = junk
        self._late: Draft | None = None  # a contribution that waits for the closing
        self._silent_after: int | None = None  # until a later round's model is here; -1: for ever

    @property
    def _index(self) -> int:
        return self._keys.index

    def _find(self) -> None:
        """Its contributions to a round are not what the course would say."""
        is_new = self._course is None
        super()._find()
        if is_new and self._course is not None:
            real = self._course._contribution
            setattr(self._course, "_contribution", partial(self._contribution, real))  # noqa: B010

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Its own refusals do not stop it."""
        is_own = posted.post.sender == self._index
        if not (is_own and isinstance(posted.post.body, Refusal)):
            super().receive(posted, payloads)

    def due(self) -> Draft | None:
        if self._is_silent:
            return None
        if self._junk and self.now() >= self._junk[0][0]:
            return self._rubbish(self._junk.popleft()[1])
        if self._next:
            return self._next.popleft()
        if self._late and self._is_closed(self._late.session):
            draft, self._late = self._late, None
            return draft
        draft = super().due()  # type: ignore[assignment]
        body = draft.body if draft else None
        if draft is None or isinstance(body, Contribution):
            return draft
        if isinstance(body, Statement):
            return self._state(draft, body)
        if isinstance(body, SetLock):
            return self._lock(draft, body)
        if isinstance(body, Partial):
            return self._help(draft, body)
        return draft

    @property
    def _is_silent(self) -> bool:
        if self._silent_after is not None and self._silent_after in (-1, self.finished):
            return True
        return any(begin <= self.now() < end for begin, end in self.script.quiet)

    def _is_closed(self, session: str) -> bool:
        found = self._known._rounds.get(read_session(session).number)
        return found is None or found.member.view.closing is not None

    def _act(self, number: int, step: str) -> str:
        """What the script says, once."""
        act = self.script.acts.get((number, step), "")
        if (number, step) in self.did:
            return ""
        if act:
            self.did[number, step] = act
        if act in ("silent", "gone"):
            self._silent_after = self.finished if act == "silent" else -1
        return act

    def _then(self, first: Draft, *others: Draft) -> Draft:
        self._next.extend(others)
        return first

    # ── the steps ──

    def _state(self, draft: Draft, said: Statement) -> Draft | None:
        act = self._act(self.finished, "state")
        if act in ("silent", "gone"):
            return None
        nonsense = {
            "digest": msgspec.structs.replace(said, result=self.draw.randbytes(32)),
            "length": msgspec.structs.replace(said, length=said.length + 1),
            "clip": msgspec.structs.replace(said, clip=said.clip * 2),
        }
        if act in nonsense:
            self._silent_after = self.finished if self.draw.random() < 0.5 else None
            return replace(draft, body=nonsense[act])
        other = replace(draft, body=nonsense["digest"])
        if act == "turns":
            turns = [draft, other] * self.draw.randint(1, 3)
            return self._then(other, *turns)
        if act == "far":
            ahead = {self.finished + 1, self.finished + 2, FAR}
            return self._then(
                draft, *(Draft(round_session(STUDY, k), nonsense["digest"]) for k in sorted(ahead))
            )
        return draft

    def _contribution(
        self, real: Callable[[RoundInProgress], Draft | None], current: RoundInProgress
    ) -> Draft | None:
        number, opening = current.number, current.member.view.opening
        course = self._known
        if self._late or course._history.unended(current.member.view, self._index):
            return None
        act = self._act(number, "give")
        if act in ("silent", "gone"):
            return None
        if act == "void":
            assert opening is not None
            assert course.fitter.has_fitted(number, course._standing.model)
            change, examples, _ = course.fitter._fit(number, course._standing.model)
            maker = Spoiling(course.study, *self._keys.current, self._storage)
            return maker.make(change, examples, opening)[0]
        draft = real(current)
        if act == "late" or draft is None:
            self._late = draft
            return None
        if act in UNFIT:
            return self._unfit(act, number, draft)
        return self._then(draft, self._unfit("unread", number, draft)) if act == "twice" else draft

    def _unfit(self, act: str, number: int, draft: Draft) -> Draft:
        body = draft.body
        assert isinstance(body, Contribution)
        if act == "another opening":
            wrong = msgspec.structs.replace(body, opening=self.draw.randbytes(32))
            return replace(draft, body=wrong)
        if act == "short" and body.vector:  # where there is no vector, a chunk is declined
            chunk = self.draw.randbytes(10)
            wrong = msgspec.structs.replace(body, vector=(blob_name(chunk), *body.vector[1:]))
            return replace(draft, body=wrong, blobs=(*draft.blobs, chunk))
        payload = payload_of(draft)
        others = self._known._rounds[number].member._contributions
        if act == "copied" and others:
            payload = others[min(others)]
        elif act == "unread":
            payload = self.draw.randbytes(40)
        else:
            payload = payload[:-1] + bytes([payload[-1] ^ 1])  # the end of the proof
        wrong = msgspec.structs.replace(body, ciphertexts=attach(payload))
        return with_blob(replace(draft, body=wrong), payload)

    def _lock(self, draft: Draft, said: SetLock) -> Draft | None:
        number = self.finished + 1
        act = self._act(number, "lock")
        other = replace(draft, body=SetLock(self.draw.randbytes(32), said.checksum))
        if act in ("silent", "gone"):
            return None
        if act == "another set":
            return other
        if act == "two sets":
            return self._then(*self.draw.sample([draft, other], 2))
        if act in ("refuses", "blames"):
            return self._refuse(draft, act)
        if act == "checksum" and said.checksum:
            *most, last = said.checksum
            return replace(draft, body=SetLock(said.chosen, bytes([*most, last ^ 1])))
        return draft

    def _refuse(self, draft: Draft, act: str) -> Draft:
        about = self._other if act == "blames" else 0
        return replace(draft, body=Refusal("proof-of-plaintext", about, "I do not like it"))

    @property
    def _other(self) -> int:
        return self._index % self._known.study.terms.n_members + 1

    def _help(self, draft: Draft, said: Partial) -> Draft | None:
        number = read_session(draft.session).number
        act = self._act(number, "help")
        if act in ("silent", "gone"):
            return None
        if act in ("numbers", "payload", "sealed", "commitment"):
            return self._wrong_part(act, number, draft, said)
        if act == "twice":
            return self._then(draft, self._wrong_part("numbers", number, draft, said))
        if act == "refuses":
            return self._refuse(draft, act)
        if act.startswith("accuses"):
            key = b"" if act.endswith("blind") else self.draw.randbytes(32)
            complaint = Complaint(said.chosen, self._other, key)
            return self._then(draft, replace(draft, body=complaint))
        return draft

    def _wrong_part(self, act: str, number: int, draft: Draft, said: Partial) -> Draft:
        locked = self._known._rounds[number].member._locked
        assert locked is not None
        if act == "numbers":
            square = to_number(self._keys.current.epoch.n) ** 2
            others = tuple(c * c % square for c in locked.ciphertexts)
            body, blobs = replace(locked, ciphertexts=others).make(self._keys.current.secret)
            return Draft(draft.session, body, blobs)
        if act == "commitment":
            wrong = msgspec.structs.replace(said, commitment=self.draw.randbytes(32))
            return replace(draft, body=wrong)
        public, *sealed = said.attachments
        if act == "sealed":
            place = self._other - 1
            sealed[place] = attach(self.draw.randbytes(sealed[place].size), self._other)
            wrong = msgspec.structs.replace(said, attachments=(public, *sealed))
            return replace(draft, body=wrong)
        rubbish = self.draw.randbytes(public.size)
        wrong = msgspec.structs.replace(said, attachments=(attach(rubbish), *sealed))
        return with_blob(replace(draft, body=wrong), rubbish)

    def _rubbish(self, kind: str) -> Draft:
        """What belongs to no step that is due."""
        terms = self._known.study.terms
        session, some = round_session(STUDY, self.finished + 2), self.draw.randbytes(32)
        parts = tuple(attach(bytes(50), i) for i in range(terms.n_members + 1))
        check = CheckRequest(self._keys.current.epoch.digest, some)
        return {
            "plan": Draft(study_session(f"junk-{self._index}"), statistic_plan(terms, 2)),
            "check": Draft(f"check/{self._index}", check),
            "ceremony": Draft("ceremony/2", Join(some, some)),
            "early lock": Draft(session, SetLock(some)),
            "early part": Draft(session, Partial(some, some, parts)),
            "early accusation": Draft(session, Complaint(some, self._other, some)),
            "numbers": Draft(session, Contribution(some, attach(some))),
        }[kind]


def payload_of(draft: Draft) -> bytes:
    """What a contribution's ciphertexts are."""
    assert isinstance(draft.body, Contribution)
    attachment = draft.body.ciphertexts
    named = {blob_name(blob): blob for blob in draft.blobs}
    return named[attachment.digest] if attachment.is_blob else attachment.data


def with_blob(draft: Draft, payload: bytes) -> Draft:
    """The draft with one payload among its blobs, if it is one."""
    more = (payload,) if attach(payload).is_blob else ()
    return replace(draft, blobs=(*draft.blobs, *more))


def is_known(act: str) -> bool:
    """Whether what a contributor gave is what its app says."""
    return act in ("", "weights", "twice")
