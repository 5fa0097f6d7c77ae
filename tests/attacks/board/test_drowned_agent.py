"""One member posts what makes all the others fetch and keep as much as it likes.

A post is some hundred bytes and may name a blob of 64 MiB. An agent that fetched whatever a post
names, or fetched it anew for each post, would pay a thousand times what the sender paid.
"""

import secrets

import msgspec

from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.home.key_ring import KeyRing
from participant.key.check import KeyCheckTask
from participant.training.task import TrainingTask
from protocol.encoding import encode
from protocol.key.epoch import EpochSecret, HeldKey
from protocol.messages.attachment import Attachment, attach, blob_name
from protocol.messages.bodies import Body
from protocol.messages.check import CheckPart, CheckRequest
from protocol.messages.rounds import Contribution, Partial
from protocol.wire.frames import BlobChunk, Welcome
from tests.simulator.disk import Disk
from tests.stage.desk import Desk
from tests.stage.rounds.rings import ring_of
from tests.stage.rounds.round_table import Steps
from tests.stage.studies import SESSION, STUDY
from tests.stage.toy import toy_epoch

SIZE = 10_000  # a blob, and no more than a contribution to these rounds may have
POSTS = 20
ME, FLOODER = 1, 3


class Listener:
    """An honest agent on an aggregator's desk, and the bytes of blobs that it has been sent."""

    def __init__(self, desk: Desk, task: Task) -> None:
        self.desk, self.fetched = desk, 0
        self.agent = Agent(desk.federation.terms, ME, desk.federation.keys[ME], Disk(), task)
        self.agent.connected(Welcome(*desk.service.board.head))
        self.listen()

    def listen(self) -> int:
        """Take what is new, until there is nothing more to ask; bytes of blobs that came."""
        before, after = self.fetched, self.agent.board.head.position
        self.agent.receive(self.desk.service.entries_after(after))
        while True:
            self.agent.step()
            if not (frames := self.agent.outgoing()):
                return self.fetched - before
            for frame in frames:
                for answer in self.desk.service.receive(ME, frame):
                    self.fetched += len(answer.data) if isinstance(answer, BlobChunk) else 0
                    self.agent.receive(answer)


def own_secret(desk: Desk) -> EpochSecret:
    return msgspec.structs.replace(toy_epoch(3, 2).secrets[ME], epoch=encode(desk.epoch))


def keys_at(desk: Desk) -> KeyRing:
    return ring_of(HeldKey(desk.epoch, own_secret(desk)))


def training(desk: Desk) -> TrainingTask:
    return TrainingTask(desk.federation.terms, STUDY, keys_at(desk), Steps(), Disk(), b"")


def open_round(desk: Desk) -> tuple[bytes, TrainingTask]:
    """Round 1 is open, from the model that a task stands at; the opening's digest, and the task."""
    study = desk.found_training()
    task = training(desk)
    task.begin(desk.service.board)
    assert task._course is not None
    said = task._course._stance.statement
    bounds = {"clip": said.clip, "max_examples": said.max_examples}
    desk.state(study.round(0), study.members, said.result, said.length, **bounds)
    assert desk.service.tick()
    return desk.opened(SESSION).digest, task


def large(desk: Desk) -> Attachment:
    """A blob that lies at the aggregator."""
    blob = secrets.token_bytes(SIZE)
    desk.upload(FLOODER, blob)
    return Attachment(0, SIZE, blob_name(blob), b"")


def parts(desk: Desk) -> tuple[Attachment, ...]:
    """Attachments of a partial decryption, large for all and for one."""
    sealed = msgspec.structs.replace(large(desk), to=ME)
    others = range(2, desk.federation.terms.n_members + 1)
    return (large(desk), sealed, *(attach(b"sealed", to) for to in others))


def try_to_say(desk: Desk, session: str, body: Body) -> None:
    """Put a post on the board as the flooding member, if the aggregator lets it."""
    signed = desk.sign(FLOODER, session, body)
    desk.service._submit(FLOODER, signed)


def test_junk_that_answers_no_opening_is_not_fetched(desk: Desk) -> None:
    desk.found_training()
    listener = Listener(desk, training(desk))
    named = large(desk)
    for _ in range(POSTS):
        try_to_say(desk, SESSION, Contribution(b"j" * 32, named))
    assert listener.listen() == 0


def test_a_blob_named_by_twenty_posts_is_fetched_once(desk: Desk) -> None:
    opening, task = open_round(desk)
    listener = Listener(desk, task)
    named = large(desk)
    for _ in range(POSTS):
        try_to_say(desk, SESSION, Contribution(opening, named))
    assert listener.listen() <= SIZE


def test_of_twenty_contributions_only_the_first_is_fetched(desk: Desk) -> None:
    opening, task = open_round(desk)
    listener = Listener(desk, task)
    for _ in range(POSTS):
        try_to_say(desk, SESSION, Contribution(opening, large(desk)))
    assert listener.listen() <= SIZE


def test_parts_of_rounds_that_are_not_closed_are_not_kept(desk: Desk) -> None:
    _, task = open_round(desk)
    listener = Listener(desk, task)
    for number in range(1, 3):
        for _ in range(POSTS):
            try_to_say(desk, f"study/cardio/{number}", Partial(b"c" * 32, b"d" * 32, parts(desk)))
    assert listener.listen() == 0


def test_only_the_first_part_of_a_check_is_fetched(desk: Desk) -> None:
    desk.certify()
    request = desk.say(FLOODER, "check/1", CheckRequest(desk.epoch.digest, b"n" * 32))
    task = KeyCheckTask(desk.federation.terms, keys_at(desk), desk.time_ms)
    listener = Listener(desk, task)
    for _ in range(POSTS):
        try_to_say(desk, "check/1", CheckPart(request.digest, large(desk)))
    assert listener.listen() <= SIZE
