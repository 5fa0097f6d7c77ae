"""What must be true of the refreshes of a run, named by what goes wrong else."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from aggregator.server.service import Aggregator
from keyshare.key.partial_decryption import combine, partial_decryption, trial_ciphertext
from keyshare.key.threshold_key import SecretShare
from participant.handover import AnotherHandover, HandoverGivenUp, NewShareLost, NoKeyToHandOver
from protocol.board.board import Board
from protocol.encoding import decode
from protocol.handover import HandoverWord
from protocol.key.epoch import Epoch, EpochSecret, HeldKey
from protocol.messages.rounds import Partial, SetLock
from tests.simulator.federation import memory_folder
from tests.simulator.handover.federation import RefreshingFederation
from tests.simulator.handover.hospital import KeepingHospital
from tests.simulator.handover.keeper import Keeper
from tests.simulator.handover.passed import (
    Passed,
    Uttered,
    attempts_of,
    of_same_epoch,
    opened_at,
    uttered_on,
)
from tests.simulator.memo import remembering
from tests.simulator.oracle import judge
from tests.simulator.plan import Plan
from tests.simulator.studies.person import Person
from tests.simulator.studies.studied import Violation
from tests.stage.programs.referents import referents

HELP = SetLock | Partial


def refresh(
    plan: Plan,
    prepare: Callable[[RefreshingFederation], None] = lambda federation: None,
    forgetful: bool = False,
) -> str:
    """How a run with refreshes ended: as ``tests.simulator.oracle.simulate`` says it."""
    with memory_folder() as folder, contextlib.nullcontext() if forgetful else remembering():
        federation = RefreshingFederation(plan, folder)
        prepare(federation)
        in_time = federation.run()
        safe(federation)
        outcome = judge(federation, in_time, keys=one_key_decrypts)
        if outcome == "done":
            all_have_the_newest_share(federation)
            wishes_came_true(federation)
            nothing_old_is_left(federation)
        return outcome


def safe(federation: RefreshingFederation) -> None:
    """What must be true of all boards, however the run ended."""
    for service in federation.services:
        if service.aggregator is None:
            federation._start_service(service)
    no_attempt_is_released_and_thawed(federation)
    no_number_has_two_epochs(federation)
    for aggregator in _services(federation):
        the_board_counts_as_the_words_say(aggregator.board)
        nobody_helps_out_of_turn(federation, aggregator)
    what_was_opened_was_locked_before_the_freeze(federation)


def _services(federation: RefreshingFederation) -> list[Aggregator]:
    return [s.aggregator for s in federation.services if s.aggregator is not None]


def boards_with(federation: RefreshingFederation) -> Iterator[Board]:
    """Those of its aggregators, and of its hospitals and guests that run."""
    yield from (service.board for service in _services(federation))
    yield from (h.agent.board for h in federation.hospitals.values() if h.agent)


def honest(federation: RefreshingFederation) -> list[KeepingHospital]:
    """Its members that do what their programs do, and whose machines are not lost."""
    liars = federation.script.liars
    return [h for h in federation.members.values() if h.index not in liars and not h.is_gone]


# ── one epoch at a time ──


def no_attempt_is_released_and_thawed(federation: RefreshingFederation) -> None:
    """Neither on one board nor on two."""
    released, thawed = set[int](), set[int]()
    for board in boards_with(federation):
        passed = attempts_of(board)
        released |= {one.number for one in passed if one.released_at}
        thawed |= {one.number for one in passed if one.thawed_at}
    if both := released & thawed:
        raise Violation(f"attempts {sorted(both)} are both released and thawed")


def no_number_has_two_epochs(federation: RefreshingFederation) -> None:
    """All boards have the same epochs, as far as each goes."""
    found = dict[int, bytes]()
    for board in boards_with(federation):
        for one in board.key.epochs:
            if found.setdefault(one.epoch.number, one.epoch.digest) != one.epoch.digest:
                raise Violation(f"there are two epochs {one.epoch.number}")


def the_board_counts_as_the_words_say(board: Board) -> None:
    """Each attempt has ended for the board as its entries, counted anew, have it."""
    for one, known in zip(attempts_of(board), board.key.handovers.all, strict=True):
        if (one.released_at, one.thawed_at) != (known.released_at, known.thawed_at):
            raise Violation(f"attempt {one} ended at {known.released_at}, {known.thawed_at}")


def nobody_helps_out_of_turn(federation: RefreshingFederation, service: Aggregator) -> None:
    """By what a member had said and seen when it locked a set, or gave its part of one."""
    board, passed = service.board, attempts_of(service.board)
    for said in uttered_on(service):
        post = said.post
        if not isinstance(post.body, HELP) or post.sender in federation.script.liars:
            continue
        opened = opened_at(board, post.session)
        if opened is None:
            raise Violation(f"hospital {post.sender} helps with {post.session}, never opened")
        for one in of_same_epoch(passed, opened):
            if why := _out_of_turn(one, said):
                raise Violation(f"hospital {post.sender} {why}: {post.session}")


def _out_of_turn(one: Passed, said: Uttered) -> str:
    """Why a member should not have helped under the epoch of an attempt, empty if it may."""
    post, seen = said.post, said.post.seen_position
    if one.thawed_at is not None and one.thawed_at <= seen:
        return ""
    released = one.said.get((HandoverWord.RELEASE, post.sender))
    if released is not None and released < said.position:
        return "helps under an epoch after its own release"
    if one.held_at is not None and one.held_at <= seen:
        return "helps under an epoch that it knows to be held"
    frozen = one.own_freeze(post.sender)
    if isinstance(post.body, SetLock) and frozen is not None and frozen < said.position:
        return "locks a set after its own freeze"
    if isinstance(post.body, SetLock) and one.frozen_at is not None and one.frozen_at <= seen:
        return "locks a set though it knows that all is frozen"
    return ""


def what_was_opened_was_locked_before_the_freeze(federation: RefreshingFederation) -> None:
    """On every board where an epoch was released away, of every set opened under it anywhere."""
    liars = federation.script.liars
    opened = {  # by session and set
        (said.post.session, said.post.body.chosen): said.post.sender
        for service in _services(federation)
        for said in uttered_on(service)
        if isinstance(said.post.body, Partial) and said.post.sender not in liars
    }
    for service in _services(federation):
        board, passed = service.board, attempts_of(service.board)
        locks = [
            (said.post.session, said.post.body.chosen, said.position)
            for said in uttered_on(service)
            if isinstance(said.post.body, SetLock) and said.post.sender not in liars and said.counts
        ]
        for session, chosen in opened:
            at = opened_at(board, session)
            same = of_same_epoch(passed, at) if at is not None else []
            last = next((one for one in same if one.released_at), None)
            if last is None or last.frozen_at is None:
                continue
            if not any(
                (session, chosen) == (where, what) and place < last.frozen_at
                for where, what, place in locks
            ):
                raise Violation(f"a set of {session} was opened that nobody had locked in time")


# ── who has which share ──


def one_key_decrypts(federation: RefreshingFederation) -> None:
    """Of each epoch any quorum of those who hold it decrypts, and all are of one modulus."""
    by_epoch = dict[bytes, dict[int, HeldKey]]()
    moduli = set[int]()
    for hospital in federation.hospitals.values():
        if (held := hospital.held_key()) is not None:
            by_epoch.setdefault(held.epoch.digest, {})[hospital.index] = held
            moduli.add(int(held.epoch.joint_key().n))
    if len(moduli) > 1:
        raise Violation("hospitals hold shares of different keys")
    for held_by in by_epoch.values():
        _decrypts(held_by)


def _decrypts(held_by: dict[int, HeldKey]) -> None:
    key = next(iter(held_by.values())).epoch.joint_key()
    plaintext, ciphertext = trial_ciphertext(key.n, b"oracle")
    partials = {
        i: partial_decryption(ciphertext, held.secret.secret_share(), key)
        for i, held in held_by.items()
    }
    for members in itertools.combinations(partials, key.quorum):
        if combine({i: partials[i] for i in members}, key) != plaintext:
            raise Violation(f"hospitals {members} do not decrypt")


def all_have_the_newest_share(federation: RefreshingFederation) -> None:
    """And, once an attempt is settled or thawed, no vault has any other."""
    board = federation.board
    newest = board.epoch
    assert newest is not None
    last = board.key.handovers.last
    is_between = last is not None and last.released_at and not last.view.attempt.is_settled
    allowed = {newest.number, newest.number - 1} if is_between else {newest.number}
    for hospital in honest(federation):
        held, is_lost = hospital.held_key(), hospital.index in federation.set_back
        if (held is None or held.epoch != newest) and not is_lost:
            raise Violation(f"{hospital} has no share of epoch {newest.number}")
        if others := set(hospital.member().vault.epochs()) - allowed:
            raise Violation(f"{hospital} still has shares of epochs {others}")


def wishes_came_true(federation: RefreshingFederation) -> None:
    """A refresh that enough people asked for is there, unless somebody stands in its way for good.

    Tasks end well, or since the attempt was given up.
    """
    board, script = federation.board, federation.script
    wishers, heirs = ({wished[k] for wished in script.wishes} for k in (1, 2))
    for hospital in federation.hospitals.values():
        is_set_back = hospital.index in federation.set_back
        for _, error in hospital.keeper.ends:
            is_told = isinstance(error, NewShareLost) and is_set_back
            is_told |= isinstance(error, (AnotherHandover, NoKeyToHandOver)) and len(heirs) > 1
            if error is not None and not isinstance(error, HandoverGivenUp) and not is_told:
                raise Violation(f"{hospital}: a handover ended with {error!r}")
    last = board.key.handovers.last
    if last is not None and not last.is_over:
        raise Violation(f"an attempt is under way: {last.view.attempt}")
    least = max(federation.terms.quorum, federation.terms.lock_threshold)
    is_disturbed = script.mutes or script.set_back or script.away
    is_possible = len(wishers) == len(federation.hospitals) >= least and not is_disturbed
    is_possible &= len(heirs) == 1
    if is_possible and not any(one.released_at for one in board.key.handovers.all):
        raise Violation("no handover went through")


# ── what is erased ──


def nothing_old_is_left(federation: RefreshingFederation) -> None:
    """Once an attempt is over, nothing of it opens any more; settled, no old share is anywhere."""
    board = federation.board
    last = board.key.handovers.last
    if last is None:
        return
    attempt = last.view.attempt
    for hospital in honest(federation):
        names = {path.name for path in (hospital.folder / "vault").iterdir()}
        kept = {n for n in names if n.startswith("handover-") and n.endswith(".seed.sealed")}
        if (attempt.is_thawed or attempt.is_settled) and kept:
            raise Violation(f"{hospital} still has {kept}")
        assert board.epoch is not None
        least = board.epoch.number - (0 if attempt.is_thawed or attempt.is_settled else 1)
        if old := {e: at for e, at in epochs_in_memory(hospital).items() if e < least}:
            raise Violation(f"{hospital} still has shares of {old} in memory")


def epochs_in_memory(hospital: KeepingHospital) -> dict[int, str]:
    """Of which epochs its program holds a share in any object that it can reach, and where."""
    found, seen = dict[int, str](), set[int]()
    known = [secret.secret_share() for secret in hospital.stored_secrets()]
    todo: list[tuple[Any, str]] = [(hospital.agent, "")]
    while todo:
        one, path = todo.pop()
        if id(one) in seen or isinstance(one, _BOUNDARIES):
            continue
        seen.add(id(one))
        path = f"{path}.{type(one).__name__}"
        if isinstance(one, HeldKey):
            found[one.epoch.number] = path
        elif isinstance(one, FunctionType):
            todo += [(cell.cell_contents, path) for cell in one.__closure__ or ()]
        elif isinstance(one, EpochSecret):
            found[decode(one.epoch, Epoch, "epoch", 1 << 20).number] = path
        elif isinstance(one, SecretShare):
            if one not in known:
                found[0] = path
        else:
            todo += [(other, path) for other in referents(one)]
    return found


# What a program does not have: the simulation, and what it has kept of dead programs.
_BOUNDARIES = (
    *(ModuleType, type, BuiltinFunctionType, str, bytes, int, float),
    *(RefreshingFederation, KeepingHospital, Keeper, Person, BaseException),
)
