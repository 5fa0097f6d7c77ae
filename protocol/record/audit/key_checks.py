"""Check 3.9: the test decryptions with which members made sure of their key shares."""

from collections.abc import Iterator, Sequence

from keyshare.randomness import Stream
from protocol.board import Posted, of_kind
from protocol.ceremony import OBSERVER
from protocol.errors import Malformed
from protocol.key import Epoch
from protocol.key_check import KeyCheck
from protocol.messages import CheckRequest, read_session
from protocol.record.audit.board_checks import BOARD
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.results import NOBODY, Result, check


@check(
    "3.9",
    "test decryptions of key checks",
    "each part of a key check is proven, under an epoch that was the key's by then, and the parts "
    "of every quorum of neighbours give the test value. A wrong part is a finding",
    BOARD,
)
def check_parts(evidence: Evidence, result: Result) -> None:
    for session, entries in evidence.sessions.items():
        if read_session(session).kind == "check":
            for position, epoch in _requests(evidence, result, entries):
                _observe(evidence, result, session, epoch, position)


def _requests(
    evidence: Evidence, result: Result, entries: Sequence[Posted]
) -> Iterator[tuple[int, Epoch]]:
    """The first request under each epoch that was the key's by then."""
    asked = set[bytes]()
    for posted in of_kind(entries, CheckRequest):
        if (body := posted.post.body).epoch in asked:
            continue
        asked.add(body.epoch)
        known = evidence.epochs(posted.position)
        found = next((epoch for epoch in known if epoch.digest == body.epoch), None)
        if found is None:
            reason = f"{posted.post.session}: it asks for a check of a key that was none by then"
            result.find(posted.position, evidence.name(posted.post.sender), reason)
        else:
            yield posted.position, found


def _observe(evidence: Evidence, result: Result, session: str, epoch: Epoch, position: int) -> None:
    machine = KeyCheck(session, epoch, OBSERVER, evidence.nonce, Stream(evidence.nonce))
    for posted in evidence.sessions[session]:
        known = set(machine.wrong)
        try:
            machine.receive(posted, evidence.public_payloads(posted))
        except Malformed:
            result.not_run = f"a payload of {session} is missing, see 2.4"
            continue
        for member in set(machine.wrong) - known:
            reason = f"{session}: its part: {machine.wrong[member]}"
            result.find(posted.position, evidence.name(member), reason)
    result.count += len(machine.heard)
    if len(machine.good) >= epoch.quorum and not machine.decrypts:
        reason = f"{session}: proven parts of a quorum do not give the test value"
        result.fail(position, NOBODY, reason)


CHECKS = (check_parts,)
