"""Checks 2: the board, entry by entry, and the aggregator's cards on it."""

from collections import defaultdict

from protocol.board import Posted, Surplus, genesis, of_kind
from protocol.errors import BadEntry, BadSignature, Fork, Malformed
from protocol.messages import CardSeen
from protocol.record import (
    MANIFEST_PATH,
    MAX_MANIFEST_BYTES,
    TERMS_PATH,
    Countersignature,
    blob_path,
    check_countersignature,
    digest_in,
    entry_path,
    head_path,
    is_recorded,
    read_countersignature,
)
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.results import RECORD, Ground, Result, check
from protocol.record.audit.terms_checks import MANIFEST, TERMS
from protocol.terms import AGGREGATOR
from protocol.words import shown


def _is_whole(evidence: Evidence) -> bool:
    return evidence.chain.broken is None and _begins_at_genesis(evidence)


def _begins_at_genesis(evidence: Evidence) -> bool:
    """Or at entries that began there when they were verified."""
    return bool(evidence.known) or evidence.chain.previous == genesis(evidence.terms.federation)


CHAIN = Ground("2.1", _is_whole)
BOARD = (TERMS, MANIFEST, CHAIN)


@check(
    "2.1",
    "the chain of entries is complete",
    "each entry has the hash that the next one names, from the manifest's head back to the "
    "empty board, in canonical form. No file is there that the record does not call for",
    (MANIFEST, TERMS),
)
def check_chain(evidence: Evidence, result: Result) -> None:
    chain = evidence.chain
    result.count += len(chain.hashes)
    if chain.broken:
        result.fail(chain.broken_at, RECORD, chain.broken.reason)
        return  # what lies before the gap is not known, so nothing can be called too much
    if not _begins_at_genesis(evidence):
        result.fail(1, RECORD, "the first entry does not begin this federation's board")
    if evidence.known:
        result.notes.append(f"the files of the first {evidence.known} entries were not looked for")
        return
    few = {MANIFEST_PATH, TERMS_PATH}
    few |= {head_path(i) for i in range(1, evidence.terms.n_members + 1)}
    entries = frozenset(chain.hashes)
    for path in evidence.files.paths():
        digest = digest_in(path)
        is_entry = digest in entries and path == entry_path(digest)
        is_blob = digest in evidence.named and path == blob_path(digest)
        if not (path in few or is_entry or is_blob):
            result.fail(0, RECORD, f"{shown(path)} does not belong to this record")


@check(
    "2.2",
    "posts are signed, in order, and allowed",
    "signature, federation, sender, sequence number, form, and who may say what, of each post",
    BOARD,
)
def check_posts(evidence: Evidence, result: Result) -> None:
    replay = evidence.replay
    result.count += len(replay.entries)
    if isinstance(error := replay.error, BadEntry):
        result.fail(error.position, replay.speaker, error.reason)
    elif isinstance(error, Malformed):
        result.fail(0, RECORD, f"it has changed since check 2.1 read it: {error}")
    for posted in evidence.entries:
        if isinstance(posted.post.body, Surplus):
            reason = f"beyond its budget, it counts for nothing: {posted.post.body.reason}"
            result.find(posted.position, evidence.speaker(posted.post), reason)
    if replay.error:
        seen = len(replay.entries)
        result.notes.append(f"the checks that follow see the {seen} entries before it")


@check(
    "2.3",
    "no post saw another board",
    "the head that each post's sender had seen is on this chain",
    BOARD,
)
def check_seen_heads(evidence: Evidence, result: Result) -> None:
    replay = evidence.replay
    result.count += len(replay.entries)
    if isinstance(replay.error, Fork):
        position = len(replay.entries) + 1
        seen = f"its sender saw another entry {replay.error.position} than this record has: a fork"
        result.fail(position, replay.speaker, seen)


@check(
    "2.4",
    "payloads are as posted",
    "each payload for all, and of aborted ceremonies each payload, has its hash and size",
    BOARD,
)
def check_payloads(evidence: Evidence, result: Result) -> None:
    evidence.begin_judging()
    for posted in evidence.entries:
        is_aborted = posted.post.session in evidence.aborted  # perhaps since the last audit
        for attachment in posted.attachments:
            if not is_recorded(attachment, is_aborted):
                continue
            result.count += 1
            if posted.position <= evidence.known and not is_aborted:
                continue
            try:
                evidence.payload(attachment)
            except Malformed as error:
                result.fail(posted.position, evidence.name(posted.post.sender), str(error))


@check(
    "2.5",
    "countersigned heads are on the chain",
    "signatures under heads fit, and those heads are on this chain. It is said how far each "
    "member's signatures reach",
    BOARD,
)
def check_coverage(evidence: Evidence, result: Result) -> None:
    members = range(1, evidence.terms.n_members + 1)
    covered = {evidence.name(member): 0 for member in members}
    for posted in evidence.replay.board.last_words:  # nobody has seen less than before
        if posted.post.sender != AGGREGATOR:
            name = evidence.speaker(posted.post)
            covered[name] = max(covered.get(name, 0), posted.post.seen_position)
    for member in members:
        try:
            said = _countersignature(evidence, member)
        except Malformed as error:
            result.fail(0, evidence.name(member), f"its countersignature: {error}")
        except BadSignature:
            result.fail(0, evidence.name(member), "its countersignature does not fit")
        else:
            if said is not None:
                result.count += 1
                if evidence.replay.board.hash_at(said.position) != said.hash:
                    result.fail(said.position, evidence.name(member), _not_here(evidence, said))
                else:
                    name = evidence.name(member)
                    covered[name] = max(covered[name], said.position)
    for name, position in covered.items():
        result.notes.append(f"{name} has signed for entries up to {position}")
    end = evidence.replay.board.head.position
    if beyond := end - max(covered.values()):
        reason = (
            f"the last {beyond} entries: their order, and that no others came between or after "
            "them, rest on the aggregator's word alone"
        )
        result.find(end - beyond + 1, evidence.name(AGGREGATOR), reason)


def _not_here(evidence: Evidence, said: Countersignature) -> str:
    end = evidence.replay.board.head.position
    if said.position > end:
        return f"it signed a board of {said.position} entries, of which this record has {end}"
    return f"it signed another entry {said.position} than this record has"


def _countersignature(evidence: Evidence, member: int) -> Countersignature | None:
    """The member's, None if there is none; raises Malformed or BadSignature."""
    data = evidence.files.read(head_path(member), MAX_MANIFEST_BYTES)
    if data is None:
        return None
    said = read_countersignature(data)
    if (said.federation, said.member) != (evidence.terms.federation, member):
        raise Malformed(head_path(member), "it is another member's or another federation's")
    check_countersignature(said, evidence.terms.key_of(member))
    return said


@check(
    "2.6",
    "times do not run backwards",
    "the aggregator's time of each entry is not before that of the entry before it",
    BOARD,
)
def check_times(evidence: Evidence, result: Result) -> None:
    last = evidence.known_ms
    for posted in (p for p in evidence.entries if p.position > evidence.known):
        result.count += 1
        if posted.time_ms < last:
            reason = f"its time is {last - posted.time_ms} ms before that of the entry before it"
            result.fail(posted.position, evidence.name(AGGREGATOR), reason)
        last = posted.time_ms


@check(
    "2.7",
    "an earlier record is contained",
    "the head of an earlier verification is on this chain",
    BOARD,
)
def check_since(evidence: Evidence, result: Result) -> None:
    if (since := evidence.since) is None:
        result.not_run = "no head of an earlier verification was given"
        return
    result.count += 1
    end = evidence.replay.board.head.position
    found = evidence.replay.board.hash_at(since.position)
    if found is None:
        reason = (
            f"entries were removed: the earlier record had {since.position}, this one has {end}"
        )
        result.fail(since.position, RECORD, reason)
    elif found != since.hash:
        result.fail(since.position, RECORD, "it is another entry than in the earlier record")
    else:
        result.notes.append(f"{end - since.position} entries were added since")


@check(
    "2.8",
    "the aggregator's cards agree",
    "the cards that members have seen of the aggregator's address: no two of one number differ. It "
    "is said which card was seen when",
    BOARD,
)
def check_cards(evidence: Evidence, result: Result) -> None:
    seen = defaultdict[int, list[Posted[CardSeen]]](list)
    for posted in of_kind(evidence.entries, CardSeen):
        result.count += 1
        seen[posted.post.body.card.number].append(posted)
    for number, posts in sorted(seen.items()):
        first = posts[0]
        for posted in posts:
            if posted.post.body != first.post.body:
                other = evidence.name(first.post.sender)
                reason = (
                    f"it signed two cards with the number {number}: {_said(posted)} to "
                    f"{evidence.name(posted.post.sender)}, {_said(first)} to {other}"
                )
                result.find(posted.position, evidence.name(AGGREGATOR), reason)
                break
        members = ", ".join(evidence.name(posted.post.sender) for posted in posts)
        result.notes.append(
            f"card {number}, {_said(first)}, was seen from entry {first.position} on by {members}"
        )


def _said(posted: Posted[CardSeen]) -> str:
    card = posted.post.body.card
    trust = "public authorities" if card.is_public else f"pin {card.pin.hex()[:16]}"
    return f"{shown(card.url)} ({trust})"


CHECKS = (
    check_chain,
    check_posts,
    check_seen_heads,
    check_payloads,
    check_coverage,
    check_times,
    check_since,
    check_cards,
)
