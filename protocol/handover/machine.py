"""One honest member of a handover: what it says next, and what it keeps and erases before that.

All follows from the board and from what is durable here. A member that comes back after a crash
reads both and says what it would have said. What it said before it says again, byte for byte, since
each thing that is drawn is durable before a word of it is said. The nonce of its proof follows from
its share's secret and what is proven.

A dealing is drawn once in an attempt. Its seed and what it was made of exist during one call only.
"""

import secrets
from dataclasses import dataclass, field
from typing import TypeVar

from keyshare.errors import BadKeyShare
from keyshare.handover import KeyState, draw, new_share, wrong_points
from keyshare.randomness import Stream
from protocol.encoding import decode, encode
from protocol.errors import Malformed
from protocol.handover.attempt import HandoverWord
from protocol.handover.conduct import (
    OwnState,
    due,
    is_to_make_dealing,
    is_to_make_keys,
    is_to_store_share,
    may_erase_new,
    may_erase_old,
)
from protocol.handover.handed import commitment_for, dealing_of, hand, show, unseal_point
from protocol.handover.shelf import MAX_KEPT_BYTES, OLD_SHARE, ArrivalSecret, KeptDealing, Shelf
from protocol.handover.succession import Succession
from protocol.handover.view import HandoverView
from protocol.key import Epoch, EpochSecret, epoch_secret
from protocol.messages import Arrival, BareWord, Consent, Content, PointAccusation
from protocol.sealing import SealingKey

T = TypeVar("T")
_AT_THE_END = {HandoverWord.VOID, HandoverWord.RELEASE, HandoverWord.THAW, HandoverWord.ACKNOWLEDGE}


@dataclass(frozen=True)
class _Checked:
    """A share that was checked, as it is kept, and the digest of its epoch."""

    data: bytes = field(repr=False)
    epoch: bytes
    secret: EpochSecret


class HandoverMember:
    """A member, old or new or both, by its number on the board.

    consents: its people have agreed. waits: set it to False to give up waiting.
    """

    def __init__(
        self, about: Succession, number: int, shelf: Shelf, *, consents: bool = True
    ) -> None:
        self.about, self.number = about, number
        self.consents, self.waits = consents, True
        self.view = HandoverView.start(about)
        self.is_unfit = False  # what is durable here does not fit the board
        self._shelf = shelf
        self._checked: dict[str, _Checked] = {}  # shares, by their names on the shelf
        self._arrived_with: tuple[ArrivalSecret, Arrival] | None = None

    def __repr__(self) -> str:
        return f"HandoverMember({self.number})"

    def receive(self, sender: int, content: Content) -> None:
        """The next entry of the board."""
        self.view = self.view.after(sender, content)

    def due(self) -> Content | None:
        """What it says next; None: it waits. What has to be durable for it, or erased, is."""
        self._erase()
        if accusation := self._prepare(self._own()):
            return accusation
        own = self._own()
        word = due(self.view.attempt, self.number, own)
        if word is None or (self._stops and word not in _AT_THE_END):
            return None
        return self._content(word)

    @property
    def _stops(self) -> bool:
        """Whether it does nothing more for this attempt but to end it."""
        return bool(self.view.misdeeds) or self.is_unfit

    def _own(self) -> OwnState:
        has_share, has_dealing = self._old_secret() is not None, self._dealing() is not None
        holds, has_keys = self._new_secret() is not None, self._arrival_secret() is not None
        attempt, me = self.view.attempt, self.number
        lacks = [
            attempt.counts(me, HandoverWord.COMMIT) and not (has_share or has_dealing),
            attempt.counts(me, HandoverWord.DEAL) and not has_dealing,
            attempt.counts(me, HandoverWord.SHOW) and not (has_keys or holds),
        ]
        self.is_unfit = self.is_unfit or any(lacks)
        gives_up = self._stops or not self.waits
        return OwnState(self.consents, has_share, gives_up, has_dealing, holds)

    def _content(self, word: HandoverWord) -> Content:
        if word is HandoverWord.CONSENT:
            return Consent(self.about.subject)
        if word is HandoverWord.ARRIVE:
            keys = self._arrival_secret()
            assert keys is not None  # made just before
            return keys.arrival(self.about)
        if word in (HandoverWord.COMMIT, HandoverWord.DEAL):
            plan, kept = self.view.plan, self._dealing()
            assert plan is not None and kept is not None  # it is due only if it is there
            is_commit = word is HandoverWord.COMMIT
            return commitment_for(plan, self.number, kept.handed) if is_commit else kept.handed
        if word is HandoverWord.SHOW:
            plan, epoch, secret = self.view.plan, self.view.epoch, self._new_secret()
            assert plan is not None and epoch is not None and secret is not None  # the same
            stream = Stream.derive(secret.sealing_seed, "handover show", plan.digest, epoch.digest)
            return show(plan, epoch, secret.secret_share(), stream)
        return BareWord(word.value)

    # ── what becomes durable, and what is erased ──

    def _prepare(self, own: OwnState) -> PointAccusation | None:
        """Make durable what the next word needs; an accusation where a point is wrong."""
        attempt, me = self.view.attempt, self.number
        if self._stops:
            return None
        if is_to_make_keys(attempt, me, own) and self._arrival_secret() is None:
            keys = ArrivalSecret(self.about.subject, secrets.token_bytes(32))
            self._shelf.write(self._name("arrival"), encode(keys))
        if is_to_make_dealing(attempt, me, own):
            self._make_dealing()
        if is_to_store_share(attempt, me, own) and self.view.epoch is not None:
            return self._store_share(self.view.epoch)
        return None

    def _make_dealing(self) -> None:
        plan, secret = self.view.plan, self._old_secret()
        assert plan is not None and secret is not None  # it counts, and it is not unfit
        point = self.about.epoch.state.point(secret.secret_share())
        drawn = draw(plan, self.number, secrets.token_bytes(32))
        own, nonce = (self.number, point), secrets.token_bytes(32)
        handed = hand(self.about, plan, self.view.arrivals, own, drawn, nonce)
        self._shelf.write(self._name("dealing"), encode(KeptDealing(plan.digest, handed)))

    def _store_share(self, epoch: Epoch) -> PointAccusation | None:
        """Open and check its points; keep the share, then erase what the points opened with."""
        plan, keys, view = self.view.plan, self._arrival_secret(), self.view
        assert plan is not None and keys is not None  # it counts, and it is not unfit
        points, wrong = {}, list[int]()
        for dealer in plan.dealers:
            way, seed = (dealer, self.number), keys.seed_for(dealer)
            point = unseal_point(self.about, plan, way, view.dealings[dealer], seed)
            if point is None:
                wrong.append(dealer)
            else:
                points[dealer] = point
        number = self.about.new_number(self.number)
        if not wrong:
            said = {i: dealing_of(handed) for i, handed in view.dealings.items()}
            wrong = sorted(wrong_points(plan, said, number, points))
        if wrong:
            return PointAccusation(wrong[0], keys.seed_for(wrong[0]))
        secret = epoch_secret(epoch, new_share(epoch.state, number, points), keys.seed_for_rounds)
        self._shelf.write(self._name("share"), encode(secret))
        self._erase()
        return None

    def _erase(self) -> None:
        """Erase what is needed no more; nothing happens where it is gone already."""
        attempt, gone = self.view.attempt, set[str]()
        if self._new_secret() is not None:
            gone.add(self._name("arrival"))
        if may_erase_new(attempt):
            gone |= {self._name(what) for what in ("arrival", "dealing", "share")}
        if may_erase_old(attempt):
            gone |= {self._name("arrival"), self._name("dealing"), OLD_SHARE}
        if self._name("arrival") in gone:
            self._arrived_with = None
        for name in sorted(gone):
            self._checked.pop(name, None)
            if self._shelf.read(name) is not None:
                self._shelf.delete(name)

    # ── what is durable ──

    def _old_secret(self) -> EpochSecret | None:
        """Its share of the old epoch, None where it is not whole."""
        try:
            return self._share(OLD_SHARE, self.about.epoch, self.number)
        except (Malformed, BadKeyShare):
            return None

    def _new_secret(self) -> EpochSecret | None:
        """Its share of the new epoch. One of another epoch is left as it is, and used for none."""
        epoch = self.view.epoch
        if epoch is None or self.number not in self.about.rosters.new:
            return None
        number = self.about.new_number(self.number)
        try:
            secret = self._share(self._name("share"), epoch, number)
        except (Malformed, BadKeyShare):
            self.is_unfit = True
            return None
        if secret is None:
            return None
        sealing_key = SealingKey(secret.sealing_seed).public
        return self._if_fit(secret, sealing_key == epoch.sealing_keys[number - 1])

    def _share(self, name: str, epoch: Epoch, number: int) -> EpochSecret | None:
        """A share that is kept; raises Malformed or BadKeyShare. The same one is checked once."""
        data, known = self._shelf.read(name), self._checked.pop(name, None)
        if data is None:
            return None
        if known is None or (known.data, known.epoch) != (data, epoch.digest):
            known = _Checked(data, epoch.digest, _read_share(data, epoch, number))
        self._checked[name] = known
        return known.secret

    def _arrival_secret(self) -> ArrivalSecret | None:
        keys = self._kept("arrival", ArrivalSecret)
        if keys is None:
            return None
        said = self.view.arrivals.get(self.number)
        fits = keys.subject == self.about.subject
        return self._if_fit(keys, fits and (said is None or self._has_said(keys, said)))

    def _has_said(self, keys: ArrivalSecret, said: Arrival) -> bool:
        """Whether it has arrived with these keys; they are made anew for that, but once."""
        if self._arrived_with != (keys, said) and said == keys.arrival(self.about):
            self._arrived_with = keys, said
        return self._arrived_with == (keys, said)

    def _dealing(self) -> KeptDealing | None:
        kept, plan = self._kept("dealing", KeptDealing), self.view.plan
        if kept is None or plan is None:
            return None
        said = self.view.commitments.get(self.number)
        fits = kept.plan == plan.digest
        committed = commitment_for(plan, self.number, kept.handed)
        return self._if_fit(kept, fits and said in (None, committed))

    def _kept(self, what: str, kind: type[T]) -> T | None:
        data = self._shelf.read(self._name(what))
        try:
            return None if data is None else decode(data, kind, what, MAX_KEPT_BYTES)
        except Malformed:
            self.is_unfit = True
            return None

    def _if_fit(self, kept: T, fits: bool) -> T | None:
        self.is_unfit = self.is_unfit or not fits
        return kept if fits else None

    def _name(self, what: str) -> str:
        return f"{self.about.session}/{what}"


def _read_share(data: bytes, epoch: Epoch, number: int) -> EpochSecret:
    """A member's share of this epoch; raises Malformed or BadKeyShare for anything else."""
    secret = decode(data, EpochSecret, "key share", MAX_KEPT_BYTES)
    state: KeyState = epoch.state
    if secret.epoch != encode(epoch) or secret.index != number:
        raise Malformed("key share", "it is another one")
    state.point(secret.secret_share())
    return secret
