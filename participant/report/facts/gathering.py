"""From a record to what a report tells: the checks first, then the verified entries."""

import secrets
from collections.abc import Sequence

from participant.home import Card
from participant.report.facts.cards import card_facts
from participant.report.facts.ceremonies import ceremony_facts
from participant.report.facts.facts import Contents, Deed, Diary, MemberFacts, OtherSession, Report
from participant.report.facts.inheritance import inheritance_facts, records_before
from participant.report.facts.rounds import round_facts
from participant.report.facts.studies import study_facts
from participant.words.fingerprint import fingerprint
from protocol.board import Board, Posted
from protocol.errors import ProtocolError
from protocol.messages import read_session
from protocol.record import (
    MAX_MANIFEST_BYTES,
    RecordFiles,
    check_countersignature,
    head_path,
    read_countersignature,
)
from protocol.record.audit import Audit, Evidence, examine
from protocol.terms import Terms
from protocol.words import shown

_NONCE_BYTES = 32


def gather(files: RecordFiles, journal: Diary | None, older: Sequence[RecordFiles] = ()) -> Report:
    """Run all checks on a record and read what it tells. Raises only what the files raise.

    older: the records before, newest first.
    """
    evidence = Evidence(files, None, None, secrets.token_bytes(_NONCE_BYTES))
    found = examine(evidence, older=older)
    try:
        terms = evidence.terms
    except ProtocolError:
        return Report(found.results, None, journal)
    return Report(found.results, _contents(evidence, terms, found.before), journal)


def _contents(evidence: Evidence, terms: Terms, before: Audit | None) -> Contents:
    try:
        board, sessions, entries = evidence.replay.board, evidence.sessions, evidence.entries
    except ProtocolError:
        board, sessions, entries = Board(terms), {}, ()
    rounds = [
        round_facts(board.studies[named.study].study, posts)
        for session, posts in sessions.items()
        if (named := read_session(session)).kind == "round" and named.study in board.studies
    ]
    ceremonies = [
        ceremony_facts(terms, posts, evidence.payloads)
        for session, posts in sessions.items()
        if read_session(session).kind == "ceremony"
    ]
    return Contents(
        terms,
        fingerprint(terms.federation),
        board.head,
        Deed.of(entries[0]) if entries else None,
        Deed.of(entries[-1]) if entries else None,
        tuple(_member(m, evidence, board, entries) for m in range(1, terms.n_members + 1)),
        tuple(ceremonies),
        tuple(study_facts(state, board) for state in board.studies.values()),
        tuple(rounds),
        card_facts(entries),
        tuple(_other(posts) for posts in sessions.values() if _is_other(posts)),
        inheritance_facts(board),
        tuple(records_before(before)),
    )


def _is_other(posts: Sequence[Posted]) -> bool:
    return read_session(posts[0].post.session).kind not in ("study", "round", "ceremony", "address")


def _other(posts: Sequence[Posted]) -> OtherSession:
    return OtherSession(posts[0].post.session, len(posts), Deed.of(posts[0]), Deed.of(posts[-1]))


def _member(
    number: int, evidence: Evidence, board: Board, entries: Sequence[Posted]
) -> MemberFacts:
    terms, files = evidence.terms, evidence.files
    own = [posted for posted in entries if posted.post.sender == number]
    member = terms.members[number - 1]
    countersigned = _countersigned(number, terms, board, files)
    seen = max((posted.post.seen_position for posted in own), default=0)
    return MemberFacts(
        number,
        shown(member.name),
        Card(member.name, member.key).fingerprint,
        len(own),
        Deed.of(own[-1]) if own else None,
        max(seen, countersigned or 0),
        countersigned,
    )


def _countersigned(number: int, terms: Terms, board: Board, files: RecordFiles) -> int | None:
    """Up to which entry; a head that does not hold is the checks' affair."""
    try:
        data = files.read(head_path(number), MAX_MANIFEST_BYTES)
        if data is None:
            return None
        said = read_countersignature(data)
        check_countersignature(said, terms.key_of(number))
    except ProtocolError:
        return None
    fits = said.member == number and said.federation == terms.federation
    return said.position if fits and board.hash_at(said.position) == said.hash else None
