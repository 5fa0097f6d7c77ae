"""A hospital is made to forget that it certified, so that it discloses the seed of a living key.

Our own: an aggregator that keeps a certificate and says it declined it, or shows an old post in its
place, has a colluder abort on the board that this hospital sees. On the board that the others see
the kept certificate completes the key. With the disclosed seed one colluder factors N.

Who has certified withholds its seed by a durable mark of its own. Beside that the certificate stays
in the outbox, and who was set back says nothing more. Each of them alone is enough.
"""

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from aggregator.server.service import Aggregator
from participant.agent import agent as agent_module
from participant.agent.agent import Agent
from participant.agent.outbox import Outbox
from participant.ceremony.task import CeremonyTask
from participant.errors import IdentityInUse, NoSeed, RejectedByAggregator
from protocol.board.post import SignedPost
from protocol.ceremony.judgement import silent
from protocol.messages.bodies import Body
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Join, Overdue, Step
from protocol.wire.frames import Accepted, Declined, FromAggregator, FromMember, Submit, Welcome
from tests.simulator.disk import Disk
from tests.simulator.hospital import SeededSecrets
from tests.stage.toy import next_post, toy_federation

CEREMONY, NEXT = "ceremony/1", "ceremony/2"
OTHER, COLLUDER, VICTIM = 1, 2, 3
FEDERATION = toy_federation(3, 2)
TERMS = FEDERATION.terms

Service = Callable[[FromMember], list[FromAggregator]]


def serving(folder: Path) -> Aggregator:
    ticks = itertools.count(1)
    return Aggregator(TERMS, FEDERATION.keys[0], folder, lambda: next(ticks))


def starting(index: int, disk: Disk) -> Agent:
    task = CeremonyTask(TERMS, index, SeededSecrets(disk, 7, index), lambda: 0.0)
    return Agent(TERMS, index, FEDERATION.keys[index], disk, task)


def talk(agent: Agent, board: Aggregator, service: Service) -> None:
    agent.receive(board.entries_after(agent.board.head.position))
    agent.step()
    for frame in agent.outgoing():
        for reply in service(frame):
            agent.receive(reply)


def pending(disk: Disk) -> SignedPost | None:
    held = Outbox(disk).pending
    return held.signed if held else None


def certificate(disk: Disk) -> SignedPost | None:
    held = Outbox(disk).pending
    return held.signed if held and isinstance(held.post.body, Certificate) else None


def copied(files: dict[str, bytes]) -> Disk:
    disk = Disk()
    disk.files = dict(files)
    return disk


@dataclass
class Stage:
    """A ceremony in which all are about to certify; ``disks`` of who they are."""

    folder: Path
    disks: dict[int, dict[str, bytes]]
    early: dict[str, bytes]  # the victim's disk when it had joined

    def board(self, folder: Path) -> Aggregator:
        shutil.copytree(self.folder, folder)
        return serving(folder)

    def disk(self, index: int = VICTIM) -> Disk:
        return copied(self.disks[index])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("stage") / "board"
    board, disks = serving(folder), {i: Disk() for i in FEDERATION.members}
    agents = {i: starting(i, disk) for i, disk in disks.items()}
    for agent in agents.values():
        agent.connected(Welcome(*board.board.head))
    early: dict[str, bytes] = {}
    for _ in range(4000):
        for index in agents:
            if certificate(disks[index]) is None:
                hold = lambda frame, index=index: (  # noqa: E731
                    [] if certificate(disks[index]) else board.receive(index, frame)
                )
                talk(agents[index], board, hold)
        if not early and board.board.count(CEREMONY, VICTIM) and pending(disks[VICTIM]) is None:
            early = dict(disks[VICTIM].files)
        if all(map(certificate, disks.values())):
            return Stage(folder, {i: dict(disk.files) for i, disk in disks.items()}, early)
    raise AssertionError("they never certify")


def say(board: Aggregator, sender: int, body: Body, sequence: int = -1, seen: int = -1) -> None:
    """A post of a member's on the board, signed with its key."""
    seen = board.board.head.position if seen < 0 else seen
    sequence = board.board.count(CEREMONY, sender) if sequence < 0 else sequence
    at = {"sequence": sequence, "seen_position": seen, "seen": board.board.hash_at(seen)}
    post = next_post(FEDERATION.keys[sender], board.board, CEREMONY, sender, body, **at)
    (reply,) = board.receive(sender, Submit(post))
    assert isinstance(reply, Accepted)


def command(disk: Disk, board: Aggregator, service: Service | None = None) -> Exception | None:
    """The hospital gives the command; what it ends with, None if it waits."""
    agent = starting(VICTIM, disk)
    try:
        agent.connected(Welcome(*board.board.head))
        for _ in range(20):
            talk(agent, board, service or (lambda frame: board.receive(VICTIM, frame)))
    except Exception as error:  # whatever a process may end with
        return error
    return None


def has_disclosed(board: Aggregator) -> bool:
    posts = (p.post for p in board.board.entries)
    return any(p.sender == VICTIM and isinstance(p.body, Disclosure) for p in posts)


def abort(board: Aggregator) -> None:
    say(board, COLLUDER, Abort(0, "certificate", "no"))


# Each guard, and how it is taken away.
def no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SeededSecrets, "withholds", lambda secrets, session: False)


def no_kept_post(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "bears_out", lambda board, post, sizes: True)
    monkeypatch.setattr(agent_module, "check_forgettable", lambda board, is_own, pending: None)


def no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CeremonyTask, "restored", lambda task, position: None)


NO_GUARD = {"mark": no_mark, "outbox": no_kept_post, "silence": no_silence}
Guards = tuple[str, ...]


def declined(stage: Stage, folder: Path) -> Aggregator:
    """The certificate is declined and kept, a colluder aborts, the command is given again."""
    board, disk = stage.board(folder), stage.disk()

    def declines(frame: FromMember) -> list[FromAggregator]:
        if isinstance(frame, Submit):
            return [Declined(frame.post.digest, "60 times in the last hour is the most")]
        return board.receive(VICTIM, frame)

    assert isinstance(command(disk, board, declines), RejectedByAggregator)
    abort(board)
    for _ in range(2):
        command(disk, board)
    return board


def displaced(stage: Stage, folder: Path) -> Aggregator:
    """An old post of the victim's takes the certificate's number; then as above."""
    board, disk = stage.board(folder), stage.disk()
    own = [p for p in board.board.session(CEREMONY) if p.post.sender == VICTIM]
    # What it said while it waited for the trial's end: it was declined, and kept.
    assert isinstance(own[-1].post.body, Step)
    overdue, number = Overdue("trial", 0, own[-1].post.body.candidate), own[-1].post.sequence + 1
    say(board, VICTIM, overdue, number, own[-1].position)
    abort(board)
    for _ in range(3):
        command(disk, board)
    return board


ROUTES = {
    "declined": (declined, ("mark", "outbox")),
    "displaced": (displaced, ("mark", "outbox", "silence")),
}
CASES = [
    *((route, guards, ()) for route, (_, guards) in ROUTES.items()),
    *((route, guards, (alone,)) for route, (_, guards) in ROUTES.items() for alone in guards),
]


@pytest.mark.parametrize(("route", "guards", "alone"), CASES)
def test_a_hospital_that_has_certified_never_discloses_by_any_one_of_its_guards(
    route: str,
    guards: Guards,
    alone: Guards,
    stage: Stage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for guard in guards:
        if alone and guard not in alone:
            NO_GUARD[guard](monkeypatch)
    assert not has_disclosed(ROUTES[route][0](stage, tmp_path / "shown"))


@pytest.mark.parametrize("route", ROUTES)
def test_without_its_guards_it_discloses_while_its_certificate_counts_elsewhere(
    route: str, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play, guards = ROUTES[route]
    for guard in guards:
        NO_GUARD[guard](monkeypatch)
    assert has_disclosed(play(stage, tmp_path / "shown"))
    kept = certificate(stage.disk())
    assert kept is not None
    (reply,) = stage.board(tmp_path / "hidden").receive(VICTIM, Submit(kept))
    assert isinstance(reply, Accepted)


def test_a_false_decline_is_named_and_the_same_bytes_go_out_at_the_next_command(
    stage: Stage, tmp_path: Path
) -> None:
    board, disk = stage.board(tmp_path / "board"), stage.disk()
    said: list[bytes] = []

    def declines(frame: FromMember) -> list[FromAggregator]:
        if not isinstance(frame, Submit):
            return board.receive(VICTIM, frame)
        said.append(frame.post.digest)
        return [Declined(frame.post.digest, "no")]

    end = command(disk, board, declines)
    assert isinstance(end, RejectedByAggregator)
    assert end.code == "false-decline"
    kept = certificate(disk)
    assert kept is not None
    assert set(said) == {kept.digest}
    command(disk, board)
    assert board.board.entries[-1].digest == kept.digest


def test_another_post_in_the_certificates_place_stops_the_hospital(
    stage: Stage, tmp_path: Path
) -> None:
    board, disk = stage.board(tmp_path / "board"), stage.disk()
    say(board, VICTIM, Abort(0, "certificate", "no"))
    for _ in range(2):
        assert isinstance(command(disk, board), IdentityInUse)
    assert certificate(disk) is not None


def test_the_seed_is_withheld_before_the_certificate_is_in_the_outbox(
    stage: Stage, tmp_path: Path
) -> None:
    """The process dies between the two; then somebody aborts."""
    board, disk = stage.board(tmp_path / "board"), stage.disk()
    disk.delete("outbox/post")
    abort(board)
    assert command(disk, board) is None
    assert not has_disclosed(board)
    assert VICTIM in silent(board.board.session(CEREMONY))


def test_an_honest_aggregator_takes_a_certificate_after_any_abort(
    stage: Stage, tmp_path: Path
) -> None:
    board, disk = stage.board(tmp_path / "board"), stage.disk()
    abort(board)
    assert command(disk, board) is None
    own = [p.post.body for p in board.board.session(CEREMONY) if p.post.sender == VICTIM]
    assert isinstance(own[-1], Certificate)


# ── a machine that was put back ──


def test_a_machine_that_was_put_back_ends_its_part_and_joins_the_next_ceremony(
    stage: Stage, tmp_path: Path
) -> None:
    board, disk = stage.board(tmp_path / "board"), copied(stage.early)
    before = board.board.count(CEREMONY, VICTIM)
    for _ in range(2):
        assert isinstance(command(disk, board), NoSeed)
    abort(board)
    assert command(disk, board) is None
    assert board.board.count(CEREMONY, VICTIM) == before
    (joined,) = board.board.session(NEXT)
    assert isinstance(joined.post.body, Join)


def test_a_machine_that_was_put_back_still_takes_its_share_of_a_key_that_all_certified(
    stage: Stage, tmp_path: Path
) -> None:
    board, disk = stage.board(tmp_path / "board"), copied(stage.early)
    for index in FEDERATION.members:
        kept = certificate(stage.disk(index))
        assert kept is not None
        board.receive(index, Submit(kept))
    assert command(disk, board) is None
    assert disk.read("vault/key-share") is not None
