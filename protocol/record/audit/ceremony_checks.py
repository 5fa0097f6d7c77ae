"""Checks 3: the ceremonies in which the joint key was made.

An observer runs the public half of each step, in the members' own code. What was sealed to one
member is that member's to check; where it did not fit, the member aborted.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from keyshare.errors import KeyshareError
from protocol.ceremony import DEALT, judge
from protocol.errors import CeremonyFailed, Malformed
from protocol.key import read_epoch
from protocol.messages import Certificate, Step
from protocol.record.audit.board_checks import BOARD
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed import Observation, differing_fields
from protocol.record.audit.results import NOBODY, Result, check

SEARCH = (
    "join", "deal", "moduli-commit", "moduli", "screen-commit", "screen", "winner-commit",
    "theta-commit",
)  # fmt: skip


def _finished(evidence: Evidence) -> Iterator[Observation]:
    """The ceremonies that were not aborted before their end."""
    return (seen for seen in evidence.ceremonies if not seen.is_aborted)


@check(
    "3.1",
    "all members certified each key alike",
    "of each ceremony that was not aborted, all certificates are the same, and the key in "
    "them is in the terms' form",
    BOARD,
)
def check_agreement(evidence: Evidence, result: Result) -> None:
    for seen in evidence.ceremonies:
        result.count += 1
        _tell_ignored(evidence, result, seen)
        if seen.is_aborted:
            result.notes.append(f"{seen.session} was aborted, see 3.7")
            continue
        given = Counter(p.post.body for p in seen.certificates)
        for posted in seen.certificates:
            if posted.post.body != given.most_common(1)[0][0]:
                name = evidence.name(posted.post.sender)
                result.fail(posted.position, name, "it certified something else than the others")
        if seen.complete is None:
            result.notes.append(f"{seen.session} is not complete: not all have certified alike")
        elif isinstance(body := seen.complete.post.body, Certificate):
            try:
                read_epoch(body.epoch, evidence.terms)
            except Malformed as error:
                result.fail(seen.complete.position, NOBODY, f"what all certified: {error}")


def _tell_ignored(evidence: Evidence, result: Result, seen: Observation) -> None:
    for posted in seen.ignored:
        body = posted.post.body
        what = f"step {body.step}" if isinstance(body, Step) else type(body).__name__.lower()
        reason = f"{seen.session}: its post ({what}) at the end, or after it, counts for nothing"
        result.find(posted.position, evidence.name(posted.post.sender), reason)


@check(
    "3.2",
    "certificates name this transcript",
    "the hash in each certificate is that of the last entry before the certificates",
    BOARD,
)
def check_transcript(evidence: Evidence, result: Result) -> None:
    _each_certificate(evidence, result, _wrong_transcript)


def _wrong_transcript(evidence: Evidence, said: Certificate, due: Certificate) -> str:
    return "it certified another transcript" if said.transcript != due.transcript else ""


@check(
    "3.5",
    "the certified key is the one that was made",
    "θ' is recomputed from its shares, is in range and fits its commitments. The verification "
    "keys are recomputed from commitments. All fields of the certified key equal these",
    BOARD,
)
def check_key(evidence: Evidence, result: Result) -> None:
    _steps(evidence, result, ("theta",))
    _each_certificate(evidence, result, _wrong_key)


def _wrong_key(evidence: Evidence, said: Certificate, due: Certificate) -> str:
    differing = differing_fields(said.epoch, due.epoch, evidence.terms)
    return f"the key it certified is another: {', '.join(differing)}" if differing else ""


def _each_certificate(
    evidence: Evidence, result: Result, wrong: Callable[[Evidence, Certificate, Certificate], str]
) -> None:
    for seen in _finished(evidence):
        for posted in seen.certificates:
            body = posted.post.body
            if seen.due is None:
                result.not_run = f"{seen.session} does not come to its end, see 3.3 to 3.8"
                break
            result.count += 1
            if reason := wrong(evidence, body, seen.due):
                result.fail(posted.position, evidence.name(posted.post.sender), reason)


@check(
    "3.3",
    "the search for N followed the rules",
    "all is opened as it was committed to. N of each candidate is recomputed from the "
    "openings, with its length, form and small factors, and so is the screen. Of every "
    "rejected candidate the leaves are those committed to, N is p·q of them, and the values "
    "said about it are right",
    BOARD,
)
def check_search(evidence: Evidence, result: Result) -> None:
    _steps(evidence, result, SEARCH)
    for seen in _finished(evidence):
        result.notes.append(
            f"{seen.session}: {seen.candidates} candidates, {seen.tests} tested on the screen"
        )


@check(
    "3.4",
    "N is proven a product of two primes",
    "the winner's 64 biprimality tests accept, and each dealer's proof that one exponent is "
    "behind all its values holds",
    BOARD,
)
def check_winner(evidence: Evidence, result: Result) -> None:
    _steps(evidence, result, ("winner",))


@check(
    "3.6",
    "every share was tried",
    "each partial decryption of the test ciphertext is proven, N passes a test with a fresh "
    "base, and every sliding quorum decrypts",
    BOARD,
)
def check_trial(evidence: Evidence, result: Result) -> None:
    _steps(evidence, result, ("trial",))


def _steps(evidence: Evidence, result: Result, names: tuple[str, ...]) -> None:
    for seen in _finished(evidence):
        taken = sum(seen.accepted.get(name, 0) for name in names)
        result.count += taken
        if seen.failure is None:
            continue
        if seen.failure.step in names:
            _tell_failure(evidence, result, seen, seen.failure)
        elif not taken:
            result.not_run = f"{seen.session} fails before, in step {seen.failure.step}"


def _tell_failure(
    evidence: Evidence, result: Result, seen: Observation, failure: CeremonyFailed
) -> None:
    # Where nobody has certified, nothing has come of it yet, and the members will abort.
    said = result.fail if seen.certificates else result.find
    name = evidence.name(failure.culprit) if failure.culprit else NOBODY
    said(seen.failed_at, name, f"{seen.session}: {failure.step}: {failure.reason}")


@check(
    "3.8",
    "N was tested with what was dealt",
    "the members' points D(j) lie on one polynomial of degree t at most that is 0 at 0, so "
    "that the test exponents under N were fixed before N was known",
    BOARD,
)
def check_dealt(evidence: Evidence, result: Result) -> None:
    for seen in _finished(evidence):
        if seen.failure is not None and seen.failure.step == DEALT:
            _tell_failure(evidence, result, seen, seen.failure)
        elif seen.accepted.get("theta-commit", 0) == evidence.terms.n_members:
            result.count += 1
        elif seen.failure is not None:
            result.not_run = f"{seen.session} fails before, in step {seen.failure.step}"


@check(
    "3.7",
    "aborted ceremonies are explained",
    "the verdict on each aborted ceremony is replayed from the disclosed seeds. Whom it names "
    "is a finding, and so is whose silence ended it, by the aggregator's times",
    BOARD,
)
def check_aborts(evidence: Evidence, result: Result) -> None:
    for seen in evidence.ceremonies:
        if seen.abort is None or not seen.is_aborted:
            continue
        result.count += 1
        entries = evidence.sessions[seen.session]
        try:
            verdict = judge(evidence.terms, seen.session, entries, evidence.payloads)
        except (Malformed, KeyshareError) as error:
            result.fail(seen.abort.position, NOBODY, f"the verdict cannot be replayed: {error}")
            continue
        for member, reason in verdict.culprits.items():
            broke = f"{seen.session}: it broke the rules: {reason}"
            result.find(verdict.evidence[member], evidence.name(member), broke)
        for member in verdict.silent:
            reason = f"{seen.session}: its seed is not there, so nothing is known about it"
            result.find(seen.abort.position, evidence.name(member), reason)
        if (given_up := verdict.given_up) is not None:
            for member in given_up.silent:
                reason = f"{seen.session} was given up in step {given_up.step}: {given_up.reason}"
                result.find(given_up.position, evidence.name(member), reason)
        elif not verdict.culprits and not verdict.silent:
            said = seen.abort.post.body.reason
            reason = f"{seen.session} was aborted though nobody broke a rule: {said}"
            result.fail(seen.abort.position, evidence.name(seen.abort.post.sender), reason)


CHECKS = (
    check_agreement,
    check_transcript,
    check_search,
    check_winner,
    check_key,
    check_trial,
    check_aborts,
    check_dealt,
)
