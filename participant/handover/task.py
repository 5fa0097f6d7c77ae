"""Taking part in a handover of the key, over as many restarts as it takes.

What to say is the machine's to know (``protocol.handover.HandoverMember``), and what was said the
board's. Here is when a hospital begins, how long it waits, and what it does with its new share.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping

from participant.agent import Task
from participant.errors import AlreadyRunning
from participant.handover.errors import HandoverGivenUp, NewShareLost, NoKeyToHandOver
from participant.handover.open_rounds import has_open_rounds, has_unstated_models
from participant.handover.place import AttemptShelf, Place
from participant.handover.wish import Wish, has_room
from participant.home import now_ms
from participant.waiting import Waiting
from protocol.board import Board, Draft, Handover, Post, Posted
from protocol.handover import Attempt, HandoverMember, HandoverWord, handover_awaited, share_of
from protocol.messages import BareWord, Content, HandoverProposal
from protocol.terms import AGGREGATOR

JOIN_SECONDS = 600  # so long after a refresh, who asks for one has had it
UNAGREED_SECONDS = 7 * 24 * 3600  # so long for people to agree, and for newcomers to come
FREEZE_SECONDS = 600  # so long at most before its freeze a hospital ends what it has begun


class HandoverTask(Task):
    """One hospital's part in the attempt that is due.

    Without a ``wish`` it agrees to nothing and proposes nothing, and helps where the others have.
    It is done once all new members have their shares, and its old one is erased.
    """

    def __init__(
        self,
        number: int,
        place: Place,
        wish: Wish | None,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = now_ms,
    ) -> None:
        """number: on the board. clock: seconds; now_ms: this machine's, in ms since 1970."""
        self._number, self._place, self._wish = number, place, wish
        self._clock, self._now_ms = clock, now_ms
        self._board: Board | None = None
        self._member: HandoverMember | None = None
        self._shelf: AttemptShelf | None = None
        self._still: tuple[Attempt | None, float] = None, clock()  # how far it was, since when
        self._freezes_at: float | None = None
        self._has_asked_for_room = False
        self._has_share = self._is_done = False
        self._in_the_way: AlreadyRunning | None = None  # who holds the new share's folder
        self.handover: Handover | None = None  # once it is known which

    @property
    def wish(self) -> Wish | None:
        """What people here have agreed to, if anything."""
        return self._wish

    @property
    def done(self) -> bool:
        """Whether the key is handed over, and nothing is left here of what that took."""
        return self._is_done

    def waiting(self, board: Board) -> Waiting:
        """Who has not done what is due in the attempt."""
        if self.handover is None:
            is_guest = self._number > board.terms.n_members
            return self._waiting_for_proposal(board) if is_guest else Waiting("link", (AGGREGATOR,))
        if self._in_the_way is not None:
            return _waiting_for_folder(self._in_the_way, self._number)
        about, attempt = self.handover.about, self.handover.view.attempt
        if self._is_against and not attempt.outcome:
            assert self._wish is not None
            wishes_refresh = self._wish.new.federation == about.old.federation
            return _waiting_for_end(self.handover, wishes_refresh)
        found = handover_awaited(attempt)
        if found is None:
            return Waiting("task")
        return _waiting(self.handover, *found, is_refresh=about.is_refresh)

    def _waiting_for_proposal(self, board: Board) -> Waiting:
        facts = {"session": self.session, "step": "propose", "needed": 1, "is_refresh": False}
        return Waiting("handover", tuple(range(1, board.terms.n_members + 1)), facts)

    def begin(self, board: Board) -> None:
        """Choose the attempt that is under way, or that ended when others had typed the same.

        Raises AnotherHandover where another one than is wished for is under way.
        """
        self._board = board
        self.session = f"handover/{self._next_number}"
        self._choose()

    @property
    def _next_number(self) -> int:
        assert self._board is not None
        return len(self._board.key.handovers.all) + 1

    def agree(self, wish: Wish) -> None:
        """People here agree to what is under way, or wish for something else.

        Raises AnotherHandover where the others have agreed to another one already.
        """
        if self.handover is not None:
            wish.check(self.handover)
        self._wish = wish
        if self._member is not None:
            self._member.consents = not self._is_against

    def _choose(self) -> None:
        """Take the attempt that is due, unless it is at it; a newer one begins where that ended."""
        assert self._board is not None
        last = self._board.key.handovers.last
        if last is None or last is self.handover or (self.handover and not self.handover.is_over):
            return
        if last.is_over and not self._is_ours(last):
            self.session = f"handover/{self._next_number}"
            return
        if self._wish is not None and not self._wish.is_for(last) and self._has_got_its_wish:
            self._wish = None
        if self._wish is not None:
            self._wish.check(last)
        self._leave_earlier()
        self.handover, self.session = last, last.about.session
        self._shelf = self._place.shelf(last.about)
        consents = self._wish is not None and not self._is_against
        self._has_share, self._freezes_at, self._has_asked_for_room = False, None, False
        self._member = HandoverMember(last.about, self._number, self._shelf, consents=consents)

    def _leave_earlier(self) -> None:
        """End what attempts before the last have left here: all of them are over.

        The others may have begun another one before this hospital saw how the last one ended.
        """
        assert self._board is not None
        for earlier in self._board.key.handovers.all[:-1]:
            if not self._place.has_left(earlier):
                continue
            shelf, share = self._place.shelf(earlier.about), share_of(earlier.about.session)
            if earlier.thawed_at is not None:
                shelf.delete(share)
            elif shelf.has_share:
                shelf.promote()
            if earlier.view.attempt.is_settled:
                self._place.settled(earlier)
            shelf.forget()
            self._place.renewed()

    @property
    def _has_got_its_wish(self) -> bool:
        """Whether the attempt that it was at has given people here what they wished for.

        Then that speaks against no other one: not all may have acknowledged this one.
        """
        wish, before = self._wish, self.handover
        if wish is None or before is None or before.released_at is None:
            return False
        return wish.is_for(before) and not self._has_lost(before)

    @property
    def _is_against(self) -> bool:
        """Whether people here wish for something else than what is under way."""
        wish, handover = self._wish, self.handover
        return wish is not None and handover is not None and not wish.is_for(handover)

    def _is_ours(self, last: Handover) -> bool:
        """Whether an attempt that is over still has work here, or is what was asked for."""
        is_lost = last.is_refresh and self._has_lost(last)
        if last.thawed_at is not None or is_lost:
            return self._wish is None
        if self._wish is None or not self._wish.is_for(last):
            return self._wish is None
        if not (last.is_refresh and last.view.attempt.is_settled):
            return True
        # By the aggregator's clock: were it years ahead, no refresh would ever be asked for again.
        is_new = abs(self._now_ms() - last.moved_ms) < 1000 * JOIN_SECONDS
        return is_new and self._place.holds(last.about.epoch.number + 1)

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Before any task says something, the share of the key that counts now is in its place."""
        self._choose()
        if self.handover is not None:
            self._take_share(self.handover)

    def _has_lost(self, handover: Handover) -> bool:
        """Whether a handover has given it a share that is not here any more.

        Then its disk has gone back in time, and the next refresh gives it another.
        """
        is_new = self._number in handover.about.rosters.new
        was_given = is_new and handover.released_at is not None
        return was_given and not self._place.shelf(handover.about).has_share

    # ── what it says ──

    def due(self) -> Draft | None:
        """The proposal, or the next word; raises HandoverGivenUp once the attempt is void.

        Also NewShareLost once it is over, NoKeyToHandOver, TooManySums, and AnotherHandover once
        the others agree to something else than is wished for here. Until then this hospital is for
        giving that up.
        """
        if self._is_done:
            return None
        self._choose()
        if self.handover is None:
            return self._proposal()
        content = self._word(self.handover)
        if content is None or self._holds_back(content):
            return None
        return Draft(self.session, content)

    def _proposal(self) -> Draft | None:
        """What old members say first; a guest waits for it, also where the last one was thawed."""
        assert self._board is not None
        key, terms = self._board.key, self._board.terms
        if self._wish is None or self._number > terms.n_members:
            return None
        if key.handovers.successor is not None:
            raise NoKeyToHandOver(terms.name, is_gone=True)
        if key.newest is None:
            if terms.takes_over_key:  # its members are about to say which
                return None
            raise NoKeyToHandOver(terms.name, is_gone=False)
        return Draft(self.session, self._wish.proposal(self._board))

    def _word(self, handover: Handover) -> Content | None:
        member, shelf, attempt = self._member, self._shelf, handover.view.attempt
        assert member is not None and shelf is not None and self._board is not None
        member.view = handover.view
        if self._wish is not None:
            self._wish.check(handover)
        member.waits = self._waits_on(attempt) and not self._is_against
        if attempt.is_dealt and not attempt.outcome and not self._has_asked_for_room:
            self._has_asked_for_room = True
            if not (handover.is_refresh or has_room(self._board)):
                member.is_unfit = True  # or the key would be released to where it never counts
        self._take_share(handover)
        if self._in_the_way is not None:
            return None  # it acknowledges once its share has its place
        if content := member.due() or self._late_acknowledgement(attempt):
            return content
        if attempt.is_thawed:
            shelf.forget()
            self._leave_earlier()  # one of them may have been settled meanwhile
            if not self._is_against:
                raise _given_up(handover, self._board)
            self.handover, self.session = None, f"handover/{self._next_number}"
        if attempt.is_settled:
            self._place.settled(handover)
            shelf.forget()
        is_next_asked_for = self._is_against or (
            self._wish is not None and self._has_lost(handover)
        )
        if handover.is_refresh and attempt.is_released and is_next_asked_for:
            self.handover, self.session = None, f"handover/{self._next_number}"
            return None
        if attempt.is_settled and self._has_lost(handover):
            raise NewShareLost(handover.about.session)
        self._is_done = attempt.is_settled
        return None

    def _late_acknowledgement(self, attempt: Attempt) -> BareWord | None:
        """Where the new federation has handed the key on before this hospital has said the word."""
        assert self._shelf is not None
        is_due = attempt.is_released and self._number in attempt.rosters.new
        if not is_due or self._number in attempt.acknowledged or not self._shelf.is_replaced:
            return None
        return BareWord(HandoverWord.ACKNOWLEDGE.value)

    def _take_share(self, handover: Handover) -> None:
        """Put the new share into its place once the attempt is released, if it is to have one.

        A process that works in the new federation's folder is waited for: each step looks again.
        """
        attempt = handover.view.attempt
        if not attempt.is_released or self._number not in attempt.rosters.new or self._has_share:
            return
        assert self._shelf is not None and self._board is not None  # set with the handover
        if self._has_lost(handover):
            return
        if self._in_the_way is None:  # else that is done
            self._place.released(self._board, handover)
        try:
            self._shelf.promote()
        except AlreadyRunning as error:
            self._in_the_way = error
            return
        self._in_the_way, self._has_share = None, True
        self._place.renewed()

    def _waits_on(self, attempt: Attempt) -> bool:
        """Whether the others have time left; counted by this process's clock, since the last word.

        One that is started anew waits anew.
        """
        now, reached = self._clock(), dataclasses.replace(attempt, voids=frozenset())
        if reached != self._still[0]:  # that others give up moves nothing
            self._still = reached, now
        assert self._board is not None
        seconds = self._board.terms.step_seconds
        limit = seconds if attempt.is_agreed else max(seconds, UNAGREED_SECONDS)
        return now - self._still[1] < limit

    def _holds_back(self, content: Content) -> bool:
        """Whether it does not freeze yet, since it helps with rounds that could end first."""
        assert self._board is not None
        if not (isinstance(content, BareWord) and content.word in ("freeze", "freeze only")):
            return False
        now = self._clock()
        if self._freezes_at is None:
            self._freezes_at = now + min(FREEZE_SECONDS, self._board.terms.step_seconds / 2)
        if now >= self._freezes_at:
            return False
        is_succession = self.handover is not None and not self.handover.is_refresh
        is_stating = is_succession and has_unstated_models(self._board)
        return is_stating or has_open_rounds(self._board)

    def explains(self, post: Post) -> bool:
        """Another one has proposed it first."""
        self._choose()
        return isinstance(post.body, HandoverProposal) and self.handover is not None


def _waiting_for_end(handover: Handover, is_refresh: bool) -> Waiting:
    """For whom it is waited where people here wish for something else than is proposed."""
    attempt = handover.view.attempt
    missing = tuple(member for member in attempt.rosters.old if member not in attempt.voids)
    needed = attempt.rosters.lock_threshold - len(attempt.voids)
    return _waiting(handover, "void", missing, needed, is_refresh)


def _waiting_for_folder(held: AlreadyRunning, own: int) -> Waiting:
    facts = {"path": str(held.path.parent), "pid": held.pid, "command": held.command}
    return Waiting("folder", (own,), facts)


def _waiting(
    handover: Handover, step: str, members: tuple[int, ...], needed: int, is_refresh: bool
) -> Waiting:
    """is_refresh: whether it is a refresh that people here wish for, or the others have begun."""
    names = handover.about.names
    facts = {
        "session": handover.about.session,
        "step": step,
        "needed": needed,
        "is_refresh": is_refresh,
        "names": [names[member] for member in members],
    }
    return Waiting("handover", members, facts)


def _given_up(handover: Handover, board: Board) -> HandoverGivenUp:
    names, misdeeds = handover.about.names, handover.view.misdeeds
    is_looked_at = handover.view.attempt.is_dealt and not (handover.is_refresh or misdeeds)
    was_open = dataclasses.replace(handover.view.attempt, outcome="", confirmed=frozenset())
    due = handover_awaited(was_open)
    return HandoverGivenUp(
        handover.about.session,
        [names.get(said.culprit, "") for said in misdeeds],
        [said.fault.value for said in misdeeds],
        due.step if due else "",
        [names[member] for member in due.members] if due else [],
        is_looked_at and not has_room(board),
    )
