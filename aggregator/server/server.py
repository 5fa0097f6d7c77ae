"""The websocket shell around the service's core: who may speak, and what goes out to whom.

The core does one thing at a time, in a thread of its own, so that a long sum keeps nobody from
being heard. Nothing that a stranger or a member sends ends the service; a damaged store does.
"""

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from aggregator.cards import Cards
from aggregator.errors import AggregatorError, LeadLost, StoreDamaged, StoreFull
from aggregator.server.admission import Callers, NotAdmitted, identify
from aggregator.server.connection import Connection, SlowReader
from aggregator.server.core_thread import CoreThread
from aggregator.server.descriptors import raise_limit
from aggregator.server.door import Door
from aggregator.server.entrance import Caller, Entrance
from aggregator.server.kinds import kind_of
from aggregator.server.leases import IdentityInUse, Leases
from aggregator.server.limits import DEFAULT_LIMITS, Limits
from aggregator.server.repeats import Tally
from aggregator.server.service import Aggregator
from aggregator.status import fitting, touch_status, write_status
from protocol.encoding import encode
from protocol.errors import BrokenChannel, Malformed
from protocol.key import Epoch
from protocol.messages import MAX_REASON
from protocol.wire import (
    MAX_FRAME_BYTES,
    Accepted,
    AggregatorHandshake,
    FromAggregator,
    FromMember,
    NewerCard,
    Rejected,
    StatusReport,
    StatusRequest,
    Subscribe,
    Welcome,
)
from protocol.words import shown

log = logging.getLogger("quorate.aggregator")

_COMINGS = 20  # lines about one member that comes and goes, before they are counted


class CannotListen(AggregatorError, says="{host}:{port}: {reason}"):
    """The address cannot be had; ``in_use`` if another process has it."""

    host: str
    port: int
    reason: str
    in_use: bool


class Server:
    """Serves one federation; ``folder`` is where the status report goes."""

    def __init__(
        self,
        aggregator: Aggregator,
        cards: Cards,
        folder: Path | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.aggregator, self.cards, self.limits = aggregator, cards, limits
        self._folder, self._terms = folder, aggregator.terms
        self._core = CoreThread(aggregator, self._tell_what_is_new)
        self._epoch = aggregator.epoch
        self._callers = Callers(aggregator.board)
        self._tally = Tally()
        self._entrance = Entrance(self._door(), limits, self._tally, self._serve)
        self._connections: set[Connection] = set()
        self._leases = Leases(limits.ping_seconds)
        self._due = asyncio.Event()
        self._complaints: dict[str, str] = {}
        self._since = datetime.now(UTC).isoformat(timespec="seconds")

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int, tls: ssl.SSLContext) -> AsyncIterator[int]:
        """Serve while the block runs; yields the port (a free one for 0). Raises CannotListen."""
        try:
            found = await self._entrance.open(host, port, tls)
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            raise CannotListen(host, port, _reason(error), in_use) from None
        except UnicodeError:  # of the encoding of names in DNS
            raise CannotListen(host, port, "no host can have that name", False) from None
        tasks = [asyncio.create_task(self._tick_for_ever())]
        tasks.append(asyncio.create_task(self._look_for_cards()))
        if self._folder is not None:
            tasks.append(asyncio.create_task(self._report_for_ever(self._folder)))
        try:
            with self._tally.of_asyncio():
                yield found
        finally:
            for task in tasks:
                task.cancel()
            await self._entrance.close()
            await self._core.end()
            self._tally.tell(whole=True)

    def _door(self) -> Door:
        """A door with as many places as there are descriptors for them."""
        n_members = self._terms.n_members
        wanted = self.limits.descriptors(n_members)
        missing = max(0, wanted - raise_limit(wanted))
        strangers = max(1, self.limits.strangers - missing)
        if missing:
            log.warning(
                "at most %d connections may be without a hello: raise the limit of open files "
                "(ulimit -n) to %d for all %d",
                strangers, wanted, self.limits.strangers,
            )  # fmt: skip
        return Door(self.limits, strangers)

    async def until(self, stop: asyncio.Event) -> None:
        """Wait until told to stop; raises StoreDamaged or LeadLost if that comes first."""
        stopped = asyncio.create_task(stop.wait())
        failed = asyncio.create_task(self._core.failed())
        await asyncio.wait([stopped, failed], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if failed.done():
            raise failed.result()
        failed.cancel()

    def fail(self, error: LeadLost) -> None:
        """Let ``until`` raise this; in the loop."""
        self._core.fail(error)

    def connected(self) -> dict[int, str]:
        """Since when each present member is connected."""
        return {member: c.since for member, c in self._leases.holders.items()}

    # ── what is new ──

    def _tell_what_is_new(self) -> None:
        if not self._core.news:
            return
        while self._core.news:
            posted = self._core.news.popleft()
            post, kind = posted.post, kind_of(posted.post.body, self._terms)
            name = self.aggregator.board.name_of(post.session, post.sender)
            log.info("entry %d, %s: %s by %s", posted.position, post.session, kind, name)
        if (epoch := self.aggregator.epoch) is not self._epoch and epoch is not None:
            log.info("%s", self._word_of_key(epoch))
        self._epoch = epoch
        self._callers.look()
        for connection in self._connections:
            if not self._callers.may_stay(*connection.place):
                connection.drop()
            connection.wake.set()

    def _word_of_key(self, epoch: Epoch) -> str:
        key = self.aggregator.board.key
        if epoch == key.inheritance.epoch:
            return f"handover/0: enough members have taken over the joint key, epoch {epoch.number}"
        if (handover := key.handovers.last) is None:
            return f"ceremony/{epoch.number}: all have certified the joint key"
        return f"{handover.about.session}: the joint key has new shares, in epoch {epoch.number}"

    async def _tick_for_ever(self) -> None:
        is_at_work = False
        while True:
            # While there is work, the next part of it comes after the frames that came meanwhile:
            # the core takes them in the order of asking.
            if not is_at_work:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.limits.tick_seconds):
                        await self._due.wait()
            self._due.clear()
            self._tally.tell()
            is_at_work = False
            try:
                is_at_work = await self._core.do(self.aggregator.tick)
                self._complaints.pop("rounds", None)
            except Exception as error:  # a round that cannot be closed must not stop the others
                self._complain("rounds", f"rounds wait: {type(error).__name__}: {error}")

    def _status(self) -> Callable[[], dict[str, object]]:
        """Tells how things stand, by who is connected now; to be called in the core's thread."""
        return partial(self.aggregator.status, self.connected(), self.cards.newest)

    async def _report_for_ever(self, folder: Path) -> None:
        written: object = None
        storage, trouble = self.aggregator.storage, None
        while True:
            try:
                report = await self._core.do(self._status())
                report |= {"pid": os.getpid(), "running_since": self._since}
                if report != written:
                    await asyncio.to_thread(write_status, folder, report)
                else:
                    touch_status(folder)
                written = report
                self._complaints.pop("status", None)
                if trouble and trouble is storage.trouble:  # of the report alone
                    storage.stored()
                trouble = None
            except StoreFull as error:
                trouble = storage.refused(error)
                self._complain("status", f"no status report: {error}")
            except Exception as error:  # a service without a report is better than none
                self._complain("status", f"no status report: {type(error).__name__}: {error}")
            await asyncio.sleep(self.limits.status_seconds)

    async def _look_for_cards(self) -> None:
        """Offer each newer card to all who are connected, as soon as it is there."""
        while True:
            await asyncio.sleep(self.limits.status_seconds)
            try:
                if self.cards.look():
                    card = self.cards.newest
                    log.info("card %d, for %s, is offered to all members", card.number, card.url)
                    for connection in self._connections:
                        connection.wake.set()
                self._complaints.pop("cards", None)
            except Exception as error:  # the cards that were there before are still good
                self._complain("cards", f"no newer card can be read: {error}")

    def _complain(self, about: str, what: str) -> None:
        """Log what goes on being wrong once."""
        if self._complaints.get(about) != what:
            log.error("%s", what)
            self._complaints[about] = what

    # ── who may speak ──

    async def _serve(self, socket: Caller) -> None:
        peer = str(socket.arrival)
        try:
            connection = await self._admit(socket)
        except NotAdmitted as refused:
            reason = f"{peer}: refused, {refused.answer.reason}"
            self._tally.say(f"refused as {refused.answer.code}", reason)
            with contextlib.suppress(ConnectionClosed):
                if (channel := refused.channel) is not None:
                    await socket.send(channel.seal(encode(refused.answer)))
                await socket.close(1008, refused.answer.code)
            return
        except (ConnectionClosed, SlowReader) as error:
            self._tally.say("gone early", f"{peer}: gone before it was let in ({error})")
            return
        name = connection.name
        self._tell_of(name, f"connected from {peer} ({connection.purpose})")
        try:
            reason = await self._converse(connection)
            reason = "it does not read" if connection.slow else reason
            if not self._callers.may_stay(*connection.place):
                reason = "no handover names it any more"
        finally:
            self._connections.discard(connection)
            self._leases.release(connection)
        self._tell_of(name, f"disconnected{f' ({reason})' if reason else ''}")

    def _tell_of(self, name: str, what: str) -> None:
        """A member comes and goes; one that does so without end is counted."""
        self._tally.say(f"{name} comes and goes", f"{name}: {what}", logging.INFO, _COMINGS)

    async def _admit(self, socket: Caller) -> Connection:
        """Challenge, Hello, Welcome; raises NotAdmitted. The entrance ends it if it is slow."""
        handshake = AggregatorHandshake(
            self._terms, self.cards.key, secrets.token_bytes(32), self.cards.knows,
            self._callers.guest_key,
        )  # fmt: skip
        await socket.send(encode(handshake.challenge))
        introduced = identify(await socket.recv(), handshake)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        name = self._callers.name_of(introduced.member)
        connection = Connection(socket, introduced, name, now, self.limits.send_seconds)
        await self._take_place(connection)
        self._entrance.introduce(socket, self._callers.as_member(connection.member))
        self._connections.add(connection)
        try:
            if not self._callers.may_stay(*connection.place):  # since it has shown who it is
                answer = Rejected("unknown-identity", "no handover under way names it any more")
                raise NotAdmitted(answer, introduced.channel)
            head = self._core.head
            await connection.send(handshake.confirmation(introduced))
            await connection.send(Welcome(head.position, head.hash))
            connection.wake.set()  # there may be a newer card
        except BaseException:
            self._connections.discard(connection)
            self._leases.release(connection)
            raise
        return connection

    async def _take_place(self, connection: Connection) -> None:
        name, channel = connection.name, connection.introduced.channel
        if connection.purpose == "member":
            try:
                await self._leases.take(connection)
            except IdentityInUse as error:
                reason = f"another process speaks for {name}, since {error.since}"
                raise NotAdmitted(Rejected("identity-in-use", reason), channel) from None
            return
        asking = [c for c in self._connections if c.purpose == "status"]
        if sum(c.key == connection.key for c in asking) >= self.limits.questions:
            raise NotAdmitted(Rejected("busy", f"too many connections of {name}"), channel)

    # ── what is said ──

    async def _converse(self, connection: Connection) -> str:
        """Serve a connection to its end, and say why it ended."""
        pushing = asyncio.create_task(self._push(connection))
        try:
            return await self._read(connection)
        except ConnectionClosedError as error:
            return shown(str(error))  # it quotes the member's own words
        except ConnectionClosed:
            return ""
        except AggregatorError as error:
            return str(error)
        except Exception as error:
            # The frame that meets a mistake of ours costs its sender the connection, no more.
            self._tally.say_mistake(connection.name, error)
            return "internal error"
        finally:
            pushing.cancel()
            await asyncio.wait([pushing])

    async def _read(self, connection: Connection) -> str:
        async for data in connection.socket:
            try:
                frame = connection.read(data)
            except BrokenChannel as error:
                await connection.socket.close(1008, "broken")
                return str(error)
            except Malformed as error:
                await connection.send(Rejected("malformed", shown(str(error), MAX_REASON)))
                await connection.socket.close(1008, "malformed")
                return str(error)
            for answer in await self._answer(connection, frame):
                await connection.send(answer)
                if isinstance(answer, Accepted):
                    self._due.set()
        return ""

    async def _answer(self, connection: Connection, frame: FromMember) -> list[FromAggregator]:
        if isinstance(frame, StatusRequest):
            report = await self._core.do(self._status())
            return [StatusReport(fitting(report, MAX_FRAME_BYTES - 1_024))]
        if connection.purpose == "status":
            return [Rejected("not-allowed", "this connection may only ask for the status")]
        if isinstance(frame, Subscribe):
            connection.subscribe(frame.after)
            return []
        try:
            return await self._core.do(partial(self.aggregator.receive, connection.member, frame))
        except StoreFull as error:
            text = f"nothing can be stored: {error.path}: {error.reason}"
            self._tally.say("nothing can be stored", text, logging.ERROR)
            found = self.aggregator.storage.trouble
            since = f" since {found.since}" if found else ""
            reason = f"it cannot store anything{since}: {error.reason}"
            return [Rejected("busy", shown(reason, MAX_REASON))]

    async def _push(self, connection: Connection) -> None:
        """Send a subscriber what is new, at its own pace; nothing is queued for it."""
        with contextlib.suppress(ConnectionClosed, SlowReader, BrokenChannel):
            try:
                await self._push_on(connection)
            except (StoreFull, StoreDamaged, LeadLost):  # it may ask again, over another connection
                connection.drop()

    async def _push_on(self, connection: Connection) -> None:
        while True:
            await connection.wake.wait()
            connection.wake.clear()
            if (card := self.cards.newest).number > connection.card:
                connection.card = card.number
                await connection.send(NewerCard(card))
            while connection.subscribed:
                asked = partial(self.aggregator.entries_after, connection.sent)
                found = await self._core.beside(asked)
                if not found.entries and not connection.asked:
                    break
                connection.sent += len(found.entries)
                connection.asked = False
                await connection.send(found)


def _reason(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return (error.strerror or str(error)).lower()  # a name that does not resolve
