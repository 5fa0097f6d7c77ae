"""Helping to decrypt one round, after a look at what it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from participant.agent import SetLedger, Task
from participant.disk import Storage
from participant.errors import LostRound
from participant.rounds.held_back import HeldBack
from participant.rounds.vector_reader import OwnChecksum
from participant.rounds.waiting import session_waiting
from participant.study import ended_by_votes, find_study, require_opening, standing_of
from participant.waiting import Waiting
from protocol.board import Board, Draft, Post, Posted, StudyState
from protocol.errors import Refused
from protocol.key import HeldKeys
from protocol.messages import Refusal, Statement, round_session
from protocol.rounds import OpenedSets, RoundMember, RoundView, decode_sums, outlasts_end
from protocol.terms import AGGREGATOR, Terms


@dataclass(frozen=True)
class Question:
    """What a person is asked to agree to.

    ``round_name``: study and round, as cardio/7. ``kind``: "training" or "statistic".
    ``warning``: what the sum would show with others, where the terms warn of it; else empty.
    ``labels``: what the plan calls a statistic's numbers, where it does.
    ``agreed``: who has agreed to the sum already, and waits for this answer if too few have.
    """

    round_name: str
    kind: str
    contributors: tuple[str, ...]
    ciphertexts: int
    warning: str = ""
    labels: tuple[str, ...] = ()
    agreed: tuple[str, ...] = ()


class DecryptionTask(Task):
    """One hospital's part in the decryption of one round; done when the sum is known here.

    A holder that is no reader of the study learns no sum, and is done once it has helped.
    """

    def __init__(
        self,
        terms: Terms,
        study: str,
        number: int | None,
        keys: HeldKeys,
        storage: Storage,
        approve: Callable[[Question], bool | None],
    ) -> None:
        """number: of the round; None for the last that was opened when the board is read.

        approve: agrees with True. None says that there is no answer yet: it is asked the same again
        whenever something is due, and nothing is said before.
        """
        self._terms, self._keys = terms, keys
        self._ledger, self._approve = SetLedger(storage), approve
        self._answered = self._stated = False
        self._question: Question | None = None  # to which there is no answer yet
        self._asked_at = 0  # the board's last entry then
        self._begun = False
        self.study, self._number = study, number
        self._board, self._history = Board(terms), OpenedSets(terms)
        self._member: RoundMember | None = None
        self._own: OwnChecksum | None = None
        self._hold: HeldBack | None = None

    @property
    def member(self) -> RoundMember:
        """This hospital's part in the round, once the study is known."""
        assert self._member is not None
        return self._member

    @property
    def state(self) -> StudyState:
        """The study; raises UnknownStudy."""
        return find_study(self._board, self.study)

    @property
    def done(self) -> bool:
        """Whether this hospital knows the sum, has helped the others to it if it locked the set,
        has named who sent it a wrong part, and has said what the sum is if it is a statistic.

        Of no reader: whether it has helped, or enough others have. Never while a question is open.
        """
        member = self._member
        if self._question is not None:
            return False
        if member is None or member.owes_partial or member.owes_complaint:
            return False
        if not member.is_reader:
            view = member.view
            is_over = member.is_barred and not member.is_lost
            has_enough = is_over or len(view.unquestioned) >= self._terms.quorum
            return member.index in view.partials or has_enough
        return member.plaintexts is not None and (self._stated or not self._states)

    @property
    def is_open(self) -> bool | None:
        """Whether its round is opened; None before this hospital's board is read."""
        if not self._begun:
            return None
        return bool(self.session) and self._board.count(self.session, AGGREGATOR) > 0

    @property
    def sums(self) -> list[Decimal] | None:
        """The decrypted sums of a statistic, exactly; None for training, and for no reader.

        Raises CorruptSum.
        """
        member = self.member
        if member.plaintexts is None or member.study.is_training:
            return None
        decimals = member.study.statistic.decimals
        return decode_sums(member.plaintexts, decimals, member.epoch.joint_key().n)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the plan calls a statistic's numbers; nothing if it has no labels."""
        study = self.member.study
        return () if study.is_training else study.statistic.labels

    def waiting(self, board: Board) -> Waiting:
        """Its own vector, else what the round is waiting for."""
        if self.wanted_blobs():
            return Waiting("vector", (AGGREGATOR,))
        if self._member is None:
            return Waiting("board", (AGGREGATOR,))
        view = RoundView.of(self.session, board.session(self.session))
        held = self._hold.waiting(view) if self._hold else None
        return held or session_waiting(self.session, self.state, board)

    def begin(self, board: Board) -> None:
        """Take note of which sums are open, and of which rounds were open before a restore."""
        self._board = board
        self._history = OpenedSets.of(board)
        self._ledger.begin(board)
        self._find()
        self._begun = True

    def _find(self) -> None:
        """Look for the study, which may be on its way to the board."""
        if self._member is None and self.study in self._board.studies:
            number = self._number or standing_of(self._board, self.state, 0).opened or 1
            self.session = round_session(self.study, number)
            view, history = RoundView(self.session), self._history
            self._member = RoundMember(view, self.state, self._keys, history)
            self._own, self._hold = OwnChecksum(self._member), HeldBack(self._member, history)

    def needs(self, posted: Posted) -> bool:
        """Contributions to the open round, and parts of the closed one."""
        self._find()
        return self.member.view.needs(posted)

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Raises Refused once this hospital's refusal is on the board."""
        self._find()
        self.member.receive(posted, payloads)
        body, sender = posted.post.body, posted.post.sender
        if sender != self.member.index:
            return
        if isinstance(body, Refusal):
            raise Refused(self.member.view.name, body.rule, body.member, body.reason)
        self._stated = self._stated or isinstance(body, Statement)

    def due(self) -> Draft | None:
        """A lock, a partial decryption, a complaint, a refusal, or the statement of the result.

        Raises UnknownStudy; NotApproved where this hospital has no part in the study; StudyEnded
        or LostRound if the sum will never be opened; Refused where it is, and not to this hospital.
        """
        self._find()
        self._check()
        member = self.member
        if self._hold and member.view.opening and not member.view.closing:
            self._hold.look()
        if not self._may_help:
            self._question = None  # it has withdrawn meanwhile
        elif member.view.closing and not self._answered:
            if (answer := self._answer()) is None:
                return None
            self._answered, member.consent = True, answer
        if draft := member.due(self._ledger):
            return draft
        if member.plaintexts is None or self._stated or not self._states:
            return None
        # Of the numbers not even a hash is said: whoever reads the board could guess them by it.
        # The set and the parts that all have verified fix them.
        result = member.view.chosen(self._terms.federation)
        assert result is not None
        return Draft(member.view.session, Statement(result, len(member.plaintexts)))

    def explains(self, post: Post) -> bool:
        """Whether a post crossed with the study's end; ``due`` raises that, or reads on."""
        return self._member is not None and self.state.is_ended()

    def wanted_blobs(self) -> Sequence[tuple[bytes, int]]:
        """This hospital's own vector, where its lock waits for the checksum."""
        return self._own.wanted() if self._own else ()

    def receive_blob(self, name: bytes, data: bytes) -> None:
        """Take the vector's next chunk."""
        assert self._own is not None
        self._own.take(data)

    @property
    def _may_help(self) -> bool:
        """Whether this hospital's approval to open stands, or it has locked a set before."""
        return self.member.may_lock or self.member.index in self.member.view.lock_posts

    @property
    def _states(self) -> bool:
        """Whether it is to say that it knows the sums."""
        member = self.member
        return not member.study.is_training and self.state.contributes(member.index)

    def _check(self) -> None:
        """A reader without an approval to open reads what the others release."""
        state = self.state  # which raises where there is no such study
        member = self.member
        if self.done:
            return
        if state.is_ended() and not outlasts_end(member.view, self._terms):
            raise ended_by_votes(state)
        if member.is_lost and not member.owes_complaint:
            raise LostRound(self.study, member.view.name)
        if member.is_barred and member.is_reader and member.plaintexts is None:
            member.check_set()  # which says why this hospital cannot read what others have opened
        if not member.is_reader and not self._may_help:
            require_opening(state, member.index)

    def _answer(self) -> bool | None:
        """What was answered; None before that is known, True where nothing is asked.

        The board goes on meanwhile. If the sum shows more by then, that is another question.
        """
        while (asked := self._question or self._new_question()) is not None:
            self._question = asked
            if (answer := self._approve(asked)) is None:
                return None
            self._question = None
            if not answer:
                return False
            is_old = self._board.head.position != self._asked_at
            now = self._new_question() if is_old else asked
            if now is None or now.warning == asked.warning:
                break
            self._question = now
        return True

    def _new_question(self) -> Question | None:
        """Ask only where the rules allow; where they do not, the refusal is posted unasked.

        Who has locked the set has been asked before.
        """
        self._asked_at = self._board.head.position
        if self.member.index in self.member.view.locks:
            return None
        try:
            total = self.member.check_set()
        except Refused:
            return None
        found = self.member.difference
        if found and self._terms.floors.differencing == "refuse":
            return None
        warning = found.reason(self._terms) if found else ""
        view, study, closing = self.member.view, self.member.study, self.member.view.closed
        assert closing is not None
        names = tuple(self._terms.name_of(c.member) for c in closing.contributors)
        count = len(total.values)
        agreed = tuple(self._terms.name_of(m) for m in sorted(view.locks))
        return Question(view.name, study.kind, names, count, warning, self.labels, agreed)
