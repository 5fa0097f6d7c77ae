"""An agent at work over the network: it connects, and connects again, until its task is done.

Frames are read while the agent works, but the agent itself does one thing at a time: it takes
frames, or it makes a step. A step can take as long as a round of training, so frames are read in a
thread of their own, the caller's, and steps made in another (``participant.agent.steps``).
"""

import asyncio
import contextlib
import operator
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from participant.agent import Agent, Inbox, SetBack, Steps, Task
from participant.errors import (
    DamagedFile,
    DiskError,
    OutOfTime,
    ProxyRefuses,
    RejectedByAggregator,
    StoreRefuses,
    Unreachable,
    WrongCertificate,
)
from participant.home import Address
from participant.network.clock_check import ClockCheck
from participant.network.direct import DirectStore, DirectWay
from participant.network.link import Caller, Link, Traffic, open_link
from participant.network.link_trouble import another_key, silence
from participant.pruning import Pruned
from participant.waiting import Waiting, inheritance_waiting
from protocol.errors import OlderCard
from protocol.terms import AGGREGATOR, AddressCard, check_card
from protocol.wire import (
    Allowance,
    FromAggregator,
    NewerCard,
    begins_newer_card,
    decode_from_aggregator,
)

NUDGE_SECONDS = 10.0
_AT_ONCE = 64  # frames, before the agent works: while it does not, whatever comes is kept
SILENT_NUDGES = 3  # unanswered: the connection is dead, whatever TCP believes
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 15.0  # seconds between two tries to connect
_NOT_PROPOSED = "no handover under way names this hospital"
_PROPOSE = "It goes on once an old member has typed handover with the same new terms"
# Of a proxy that let this very process through before: more could lock the hospital's account.
_REFUSALS = 3
# That the link or the aggregator has failed is told so often at once, and so often a second. Who
# makes both come and go without end shall fill nobody's log.
_BAD_NEWS = 20.0, 1 / 60


@dataclass(frozen=True)
class Notices:
    """What is told of work while it is done; called in the event loop, ``set_back`` and
    ``pruned`` in a step.
    """

    moved: Callable[[], None] = lambda: None  # something was received, said or computed
    # Once for each reason, until the link is there again. Neither that nor a stall is told without
    # end, and what is not told, has no end that is told.
    lost: Callable[[Unreachable], None] = lambda reason: None
    moving: Callable[[AddressCard], None] = lambda card: None  # a newer card was taken
    found: Callable[[], None] = lambda: None  # the link is there (again)
    stalled: Callable[[str], None] = lambda reason: None  # the aggregator takes nothing, and why
    taken: Callable[[], None] = lambda: None  # it does again
    clocks_differ: Callable[[float], None] = lambda ahead: None  # by seconds, the aggregator's
    set_back: Callable[[SetBack], None] = lambda found: None  # the folder has gone back in time
    full: Callable[[DiskError], None] = lambda error: None  # work goes on once there is room
    room: Callable[[], None] = lambda: None  # there is again
    # Once: the hospital's own copy of the board is not whole, or cannot be kept.
    uncopied: Callable[[DiskError | DamagedFile], None] = lambda trouble: None
    # Once: the object store does not serve this hospital; by None that it does again.
    indirect: Callable[[StoreRefuses | None], None] = lambda error: None
    pruned: Callable[[Pruned], object] = lambda found: None  # models of a study, the first time


@dataclass
class Session:
    """One process's run of an agent."""

    agent: Agent
    key: Ed25519PrivateKey = field(repr=False)
    address: Address
    notices: Notices = field(default_factory=Notices)
    time_limit: float | None = None  # seconds
    traffic: Traffic = field(default_factory=Traffic)
    clock: Callable[[], float] = time.monotonic
    steps: Steps = field(default_factory=Steps, repr=False)
    direct: DirectStore | None = None  # where large blobs may come from, and go to
    _stalled: bool = field(default=False, init=False)  # as it was told
    _is_lost: bool = field(default=False, init=False)  # as well
    _is_uncopied: bool = field(default=False, init=False)  # as well
    _bad_news: Allowance = field(default_factory=lambda: Allowance(*_BAD_NEWS), init=False)
    _no_link: str = field(default="no answer yet", init=False)  # the reason; empty if there is one
    _link_remedy: str = field(default="", init=False)
    _had_link: bool = field(default=False, init=False)
    _step_began: float | None = field(default=None, init=False)
    _inbox: Inbox | None = field(default=None, init=False)  # of the link that there is
    _way: DirectWay = field(default_factory=lambda: DirectWay(None, _nobody), init=False)

    def __post_init__(self) -> None:
        if self.direct is not None:
            self.direct.told, self.direct.traffic = self.notices.indirect, self.traffic
        self._clocks = ClockCheck(self.agent)

    @property
    def done(self) -> bool:
        """Whether the agent is done."""
        return self.agent.done

    @property
    def index(self) -> int:
        """The member's number."""
        return self.agent.index

    @property
    def waiting(self) -> Waiting:
        """What the only task waits for now; not to be asked while the agent is at work."""
        return self.waiting_of(self.agent.task)

    def waiting_of(self, task: Task) -> Waiting:
        """What one task waits for; not to be asked while the agent is at work."""
        return self.hindrance or task.waiting(self.agent.board)

    @property
    def hindrance(self) -> Waiting | None:
        """What all tasks wait for now, if there is such a thing."""
        agent, aggregator = self.agent, (AGGREGATOR,)
        if self._no_link:
            facts = {"url": self.url, "reason": self._no_link, "remedy": self._link_remedy}
            return Waiting("link", aggregator, facts)
        if agent.stalled:
            return Waiting("stalled", aggregator, {"reason": agent.stalled})
        sent, total = agent.transfer.bytes_sent_of_blobs, agent.transfer.bytes_to_send
        if sent < total:
            return Waiting("upload", (agent.index,), {"done": sent, "total": total})
        return inheritance_waiting(agent.board) if agent.begun else Waiting("board", aggregator)

    def wake(self) -> None:
        """Let the agent make a step soon, for what has come from elsewhere; in the loop."""
        if self._inbox is not None:
            self._inbox.wake()

    @property
    def at_work_seconds(self) -> float:
        """For how long the agent has been at work on its step, 0 while it waits."""
        began = self._step_began
        return 0.0 if began is None else self.clock() - began

    @property
    def url(self) -> str:
        """Where the aggregator is now looked for."""
        return self.address.newest.url

    async def work(self) -> None:
        """Work until the agent is done; may be cancelled at any moment, and called again.

        Raises OutOfTime, and whatever the agent or ``open_link`` raise, except that an aggregator
        out of reach is tried again for ever, and so is one that shows another certificate than
        before.
        """
        try:
            async with asyncio.timeout(self.time_limit) as limit:
                await self._connect_until_done()
        except TimeoutError:
            if not limit.expired():
                raise
            assert self.time_limit is not None
            raise OutOfTime(self.time_limit, self.waiting, self.agent.is_sending) from None

    async def _connect_until_done(self) -> None:
        caller = Caller(self.agent.index, self.key, secrets.token_bytes(16))
        wait = _FIRST_WAIT
        connected, told, refusals = False, set[str](), 0
        while not self.agent.done:
            before, where = self._progress, (self.agent.terms, self.address.newest)
            try:
                async with open_link(*where, caller, self.traffic) as link:
                    connected, refusals = True, 0
                    told.clear()
                    self._find()
                    await self._work_on(link)
            except ProxyRefuses as refusal:
                refusals += 1
                if not self._had_link or refusals == _REFUSALS:
                    raise
                wait = _LONGEST_WAIT
                self._lose(Unreachable(refusal.url, refusal.reason, refusal.remedy), told)
            except WrongCertificate as wrong:
                # The newer card may come any moment: from a person, into the folder.
                if not self._had_link and self.address.newest == where[1]:
                    raise
                self._lose(Unreachable(wrong.url, *another_key(wrong)), told)
            except Unreachable as reason:
                self._lose(reason, told)
            except RejectedByAggregator as refusal:
                if not self._is_early(refusal):
                    raise
                self._lose(Unreachable(self.url, _NOT_PROPOSED, _PROPOSE), told)
            finally:
                if connected:
                    self.agent.disconnected()
                    connected = False
            if not self.agent.done:
                if any(map(operator.gt, self._progress, before)):
                    wait = _FIRST_WAIT  # not for a link that breaks before it is of any use
                self.notices.moved()  # time has passed, if nothing else
                await asyncio.sleep(_jittered(wait))
                wait = min(2 * wait, _LONGEST_WAIT)

    def _is_early(self, refusal: RejectedByAggregator) -> bool:
        """Whether a guest has come before the handover that it takes part in was proposed."""
        is_guest = self.agent.index > self.agent.terms.n_members
        return is_guest and refusal.code in ("unknown-identity", "bad-signature")

    @property
    def _progress(self) -> tuple[int, int, int]:
        """Entries read, and bytes of blobs sent and received."""
        way = self.agent.transfer
        return self.agent.board.head.position, way.bytes_sent_of_blobs, way.bytes_received

    def _find(self) -> None:
        """Tell that there is a link, if it is the first one or its loss was told."""
        is_news = self._is_lost or not self._had_link
        self._no_link, self._had_link, self._is_lost = "", True, False
        if is_news:
            self.notices.found()

    def _lose(self, reason: Unreachable, told: set[str]) -> None:
        """Tell why there is no link, unless that was told since there was one."""
        self._no_link, self._link_remedy = reason.reason, reason.remedy
        if reason.reason in told or self.agent.done or not self._bad_news.take(self.clock()):
            return
        told.add(reason.reason)
        self._is_lost = True
        self.notices.lost(reason)

    async def _work_on(self, link: Link) -> None:
        inbox = self._inbox = Inbox()
        self._way = DirectWay(self.direct, inbox.wake)
        reader = asyncio.create_task(self._read_into(inbox, link))
        try:
            self.agent.connected(link.welcome)
            silent = 0
            while not self.agent.done:
                await self._flush(link)
                silent = 0 if await self._take(inbox, link) else silent + 1
                if silent > SILENT_NUDGES:
                    raise Unreachable(link.url, *silence())
                if silent:
                    self.agent.nudge()
                await self._work(link)
        finally:
            self._inbox = None
            self._way.close()
            reader.cancel()
            await asyncio.wait([reader])  # awaiting itself would hide that this is cancelled now

    async def _take(self, inbox: Inbox, link: Link) -> bool:
        """Give the agent frames that are here, waiting for one; False if nothing came.

        What it answers to one leaves before it is given the next: a small frame can ask for
        megabytes of an upload, and hundreds of frames can wait here.
        """
        try:
            async with asyncio.timeout(NUDGE_SECONDS):
                found = await inbox.get()
        except TimeoutError:
            return False
        for left in reversed(range(_AT_ONCE)):
            if isinstance(found, Exception):
                raise found
            if found is not None:
                for frame in self._way.taken(decode_from_aggregator(found)):
                    self.agent.receive(frame)
            await self._flush(link)
            self._tell_stall()
            if inbox.empty() or not left:
                break
            found = await inbox.get()  # at once: the agent takes what is here, and then works
        return True

    async def _read_into(self, inbox: Inbox, link: Link) -> None:
        """Pass on every frame, and at the end the reason why there will be no more.

        But a newer card is taken at once: once the aggregator has moved, a hospital that has been
        at work for an hour would not find the card again behind the link that broke meanwhile.
        """
        try:
            while True:
                data = await link.receive_bytes()
                if begins_newer_card(data):
                    self._take_card(decode_from_aggregator(data))
                    inbox.wake()  # the others are to hear of it
                else:
                    await inbox.put(data)
        except Exception as reason:
            await inbox.put(reason)

    def _take_card(self, frame: FromAggregator) -> None:
        assert isinstance(frame, NewerCard)
        with contextlib.suppress(OlderCard):  # one that came from a file meanwhile is newer
            check_card(frame.card)
            if self.address.take(frame.card):
                self.notices.moving(frame.card)

    def _tell_stall(self) -> None:
        """Tell once that the aggregator takes nothing, and once that it does again."""
        if (is_stalled := bool(self.agent.stalled)) == self._stalled:
            return
        if is_stalled and not self._bad_news.take(self.clock()):
            return
        self._stalled = is_stalled
        if is_stalled:
            self.notices.stalled(self.agent.stalled)
        else:
            self.notices.taken()

    async def _work(self, link: Link) -> None:
        """Step for as long as steps lead to something."""
        while True:
            self._step_began = self.clock()
            try:
                await self.steps.do(self.agent.step)
            finally:
                self._step_began = None
            if ahead := self._clocks.differs():
                self.notices.clocks_differ(ahead)
            self._tell_uncopied()
            self.notices.moved()
            if not await self._flush(link):
                return

    def _tell_uncopied(self) -> None:
        copy = self.agent.copy
        if copy and copy.trouble and not self._is_uncopied:
            self._is_uncopied = True
            self.notices.uncopied(copy.trouble)

    async def _flush(self, link: Link) -> bool:
        """Send what is due, and give the agent what has come beside the link."""
        has_moved = False
        while True:
            arrived = self._way.arrived()
            for frame in arrived:
                self.agent.receive(frame)
            leaving = self._way.leaving(self.agent.outgoing())
            for one in leaving:
                await link.send(one)
            if not (arrived or leaving):
                return has_moved
            has_moved = True


def _nobody() -> None:
    """There is nobody to wake without a link."""


def _jittered(seconds: float) -> float:
    """Between half and all of it, so that hospitals do not come back all at once."""
    return seconds * (0.5 + secrets.randbelow(1 << 16) / (1 << 17))
