"""One seed, from plan to verdict: what must be true, judged from all that is on the disks."""

import contextlib
import itertools
from collections.abc import Callable
from typing import TypeVar

import gmpy2

from keyshare.key.partial_decryption import combine, partial_decryption, trial_ciphertext
from participant.errors import RejectedByAggregator
from protocol.ceremony.judgement import judge as judge_ceremony
from protocol.errors import Fork
from protocol.key.epoch import HeldKey
from tests.simulator.federation import Federation, memory_folder
from tests.simulator.hospital import Hospital
from tests.simulator.liar import FIRST
from tests.simulator.memo import remembering
from tests.simulator.plan import Plan
from tests.simulator.studies.parted import all_wait_for_the_other_board
from tests.simulator.studies.studied import (
    Violation,
    every_job_ended_as_it_may,
    exact_models,
    exact_statistics,
    no_few_are_shown,
    nothing_is_done_that_was_not_approved,
    the_rogue_is_named,
    who_has_withdrawn_is_in_no_sum,
)

__all__ = ["Violation", "judge", "simulate", "stored_keys"]
F = TypeVar("F", bound=Federation)
# What honest hospitals say may cross with an end, a withdrawal, another's plan, or a handover.
CROSSED = (
    *("has ended", "is taken", "is due, once the one before it is over"),
    *("the key is being handed over", "is given up", "handed over since", "this part is here"),
)


def simulate(
    seed: int | Plan,
    prepare: Callable[[Federation], None] = lambda federation: None,
    forgetful: bool = False,
) -> str:
    """How the run of a seed ended: "done" or "fork"; raises Violation if it must not have.

    "fork": somebody has named it, or nobody could and all know whom they wait for (``parted``).
    forgetful: each party computes all by itself, which takes longer (``memo``).
    """
    plan = seed if isinstance(seed, Plan) else Plan.of(seed)
    with memory_folder() as folder, contextlib.nullcontext() if forgetful else remembering():
        federation = Federation(plan, folder)
        prepare(federation)
        return judge(federation, federation.run())


def judge(federation: F, in_time: bool, keys: Callable[[F], None] | None = None) -> str:
    """How a run ended, "done" or "fork"; raises Violation if it must not have.

    keys: judges the key shares, instead of ``one_key``.
    """
    hospitals = list(federation.hospitals.values())
    failures = {h.index: h.failure for h in hospitals if h.failure}
    nothing_forbidden(federation, keys or one_key)
    if federation.plan.fork and any(_names_the_fork(f) for f in failures.values()):
        return "fork"
    honest = [found for found in federation.declined if found[0] != federation.plan.liar]
    if found := [one for one in honest if not any(word in one[1].reason for word in CROSSED)]:
        raise Violation(f"the budget is too small for honest hospitals: {found!r}")
    if failures:
        raise Violation(f"hospitals failed though nobody cheated: {failures!r}")
    if not in_time and all_wait_for_the_other_board(federation):
        return "fork"
    if not in_time:
        raise Violation(f"no end in sight: {[_where(h) for h in hospitals]}")
    the_set_back_are_marked(federation)
    the_liar_is_named(federation)
    the_rogue_is_named(federation)
    every_job_ended_as_it_may(federation)
    exact_models(federation)
    exact_statistics(federation)
    return "done"


def nothing_forbidden(federation: F, keys: Callable[[F], None]) -> None:
    """What must be true however a run ended."""
    keys(federation)
    nothing_is_done_that_was_not_approved(federation)
    who_has_withdrawn_is_in_no_sum(federation)
    no_few_are_shown(federation)


def _names_the_fork(failure: Exception | None) -> bool:
    return isinstance(failure, Fork) or (
        isinstance(failure, RejectedByAggregator) and failure.code in ("fork", "bad-post")
    )


def _where(hospital: Hospital) -> str:
    agent = hospital.agent
    if agent is None:
        return f"{hospital.index}: down"
    jobs = [f"{job.what} {job.study}/{job.round}" for job in hospital.person._running.values()]
    return f"{hospital.index}: {jobs} at {agent.board.head.position}"


def stored_keys(federation: Federation) -> dict[int, HeldKey]:
    """The key shares on the hospitals' disks, each checked against its verification key."""
    held = {index: hospital.held_key() for index, hospital in federation.hospitals.items()}
    return {index: key for index, key in held.items() if key is not None}


def one_key(federation: Federation) -> None:
    """All hospitals that hold a share hold one of the same key, and any quorum decrypts."""
    keys = stored_keys(federation)
    if len({epoch.digest for epoch, _ in keys.values()}) > 1:
        raise Violation("hospitals hold shares of different keys")
    if len(keys) < federation.plan.quorum:
        return
    key = next(iter(keys.values()))[0].joint_key()
    if gmpy2.is_prime(key.n) or key.n.bit_length() != federation.plan.key_bits:
        raise Violation("the modulus is wrong")
    plaintext, ciphertext = trial_ciphertext(key.n, b"oracle")
    partials = {
        i: partial_decryption(ciphertext, secret.secret_share(), key)
        for i, (_, secret) in keys.items()
    }
    for members in itertools.combinations(partials, key.quorum):
        if combine({i: partials[i] for i in members}, key) != plaintext:
            raise Violation(f"hospitals {members} do not decrypt")


def the_liar_is_named(federation: Federation) -> None:
    """After an abort all disclose, the verdict is on the liar, and the next ceremony is tried."""
    aborts = [abort for h in federation.hospitals.values() for abort in h.aborts]
    liar, keys = federation.plan.liar, stored_keys(federation)
    if not liar:
        return
    if {session for session, _ in aborts} - {FIRST}:  # who was down may have seen none of it
        raise Violation(f"ceremonies aborted: {aborts}")
    verdict = judge_ceremony(
        federation.terms, FIRST, federation.board.session(FIRST), federation.payloads
    )
    if set(verdict.culprits) != {liar}:
        raise Violation(f"culprits {verdict.culprits}, though only member {liar} lied")
    if verdict.silent:
        raise Violation(f"members {verdict.silent} are silent")
    if {epoch.number for epoch, _ in keys.values()} != {2}:
        raise Violation("the key is not that of the second ceremony")


def the_set_back_are_marked(federation: Federation) -> None:
    """Whose disk went back in time has noticed it, and nobody else thinks so.

    Beside refreshes it goes back at any time, and perhaps to what it was.
    """
    hospitals = federation.hospitals.values()
    marked = {h.index for h in hospitals if h.disk.read("restored") is not None}
    missed = federation.set_back - marked if federation.plan.refresh is None else set()
    if missed or marked - federation.set_back:
        raise Violation(f"{marked} are marked as set back, not {federation.set_back}")
