"""One seed, from plan to verdict: what must be true, judged from all that is on the disks."""

import itertools
from collections.abc import Callable

import gmpy2
import numpy as np

from keyshare.key.partial_decryption import combine, partial_decryption, trial_ciphertext
from keyshare.rounds.slots import Slots
from participant.errors import RejectedByAggregator
from participant.model.file import model_name, read_model
from participant.model.layout import Layout
from protocol.board.messages import Closing, Opening
from protocol.board.suite import suite_of
from protocol.ceremony.judgement import judge as judge_ceremony
from protocol.errors import Fork
from protocol.key.epoch import HeldKey, read_secret
from tests.simulator.averages import Given, is_next
from tests.simulator.federation import Federation, memory_folder
from tests.simulator.hospital import PARAMETERS, Hospital, PowersOfTen
from tests.simulator.liar import FIRST
from tests.simulator.plan import Plan


class Violation(AssertionError):
    """A run ended in a way it must not."""


def simulate(
    seed: int | Plan, prepare: Callable[[Federation], None] = lambda federation: None
) -> str:
    """How the run of a seed ended: "done" or "fork"; raises Violation if it must not have."""
    plan = seed if isinstance(seed, Plan) else Plan.of(seed)
    with memory_folder() as folder:
        federation = Federation(plan, folder)
        prepare(federation)
        return judge(federation, federation.run())


def judge(federation: Federation, in_time: bool) -> str:
    """How a run ended, "done" or "fork"; raises Violation if it must not have."""
    hospitals = list(federation.hospitals.values())
    failures = {h.index: h.failure for h in hospitals if h.failure}
    one_key(federation)
    if federation.plan.fork and any(_names_the_fork(f) for f in failures.values()):
        return "fork"
    if honest := [found for found in federation.declined if found[0] != federation.plan.liar]:
        raise Violation(f"the budget is too small for honest hospitals: {honest!r}")
    if failures:
        raise Violation(f"hospitals failed though nobody cheated: {failures!r}")
    if not in_time:
        raise Violation(f"no end in sight: {[_where(h) for h in hospitals]}")
    the_set_back_are_marked(federation)
    the_liar_is_named(federation)
    the_rogue_is_named(federation)
    exact_sums(federation)
    return "done"


def _names_the_fork(failure: Exception | None) -> bool:
    return isinstance(failure, Fork) or (
        isinstance(failure, RejectedByAggregator) and failure.code in ("fork", "bad-post")
    )


def _where(hospital: Hospital) -> str:
    agent = hospital.agent
    if agent is None:
        return f"{hospital.index}: down"
    progress = getattr(agent.task, "progress", None) or getattr(agent.task, "finished", None)
    return (
        f"{hospital.index}: {type(agent.task).__name__} {progress} at {agent.board.head.position}"
    )


def stored_keys(federation: Federation) -> dict[int, HeldKey]:
    """The key shares on the hospitals' disks, each checked against its verification key."""
    found = {}
    for index, hospital in federation.hospitals.items():
        if stored := hospital.disk.read("vault/key-share"):
            found[index] = read_secret(stored, federation.terms, index)
    return found


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
    """Whose disk went back in time has noticed it, and nobody else thinks so."""
    hospitals = federation.hospitals.values()
    marked = {h.index for h in hospitals if h.disk.read("restored") is not None}
    if marked != federation.set_back:
        raise Violation(f"{marked} are marked as set back, not {federation.set_back}")


def the_rogue_is_named(federation: Federation) -> None:
    """Each hospital has found the sum false that the aggregator falsified, and no other round."""
    for hospital in federation.hospitals.values():
        void = {(number, f["by"]) for number, name, f in hospital.events if name == "void"}
        if void != ({(1, "aggregator")} if federation.plan.rogue else set()):
            raise Violation(f"hospital {hospital.index} found these rounds void: {void}")


def exact_sums(federation: Federation) -> None:
    """Every hospital's model after each round is that of the round's contributors, and the same."""
    model = np.zeros(PARAMETERS)
    for number in range(1, federation.plan.rounds + 1):
        found = [model_of(hospital, number) for hospital in federation.hospitals.values()]
        is_void = federation.plan.rogue and number == 1
        given, slots = _contributed(federation, number, model)
        is_right = (
            np.array_equal(found[0], model) if is_void else is_next(found[0], model, given, slots)
        )
        if not is_right or not all(np.array_equal(one, found[0]) for one in found):
            raise Violation(f"round {number}: {found} after {model}, of {given}")
        model = found[0]


def model_of(hospital: Hospital, number: int) -> np.ndarray:
    """What a hospital holds after a round; shape (PARAMETERS,)."""
    stored = hospital.disk.read(model_name(number))
    if stored is None:
        raise Violation(f"{hospital} has no model of round {number}")
    layout = Layout.of([np.zeros(PARAMETERS)])
    return read_model(stored, layout).weights.slice(0, PARAMETERS)


def _contributed(
    federation: Federation, number: int, model: np.ndarray
) -> tuple[list[Given], Slots]:
    """What the round's contributors give, and how its slots lie."""
    said = [posted.post.body for posted in federation.board.session(f"round/{number}")]
    (closing,) = [body for body in said if isinstance(body, Closing)]
    opening = next(body for body in said if isinstance(body, Opening))
    apps = [PowersOfTen(contributor.member) for contributor in closing.contributors]
    given = [(app.index + 1, (model + app.step()) - model) for app in apps]
    return given, suite_of(opening.suite, federation.terms).slots(opening)
