"""The auditor, who believes nothing: a record that its maker can have written as it likes."""

import json
from contextlib import suppress
from typing import Any

import msgspec
from gmpy2 import mpz

from participant.words.fingerprint import fingerprint, read_fingerprint
from protocol.board.board import Board
from protocol.board.post import Entry
from protocol.encoding import digest, encode
from protocol.errors import BadEntry, Fork
from protocol.messages.attachment import attach
from protocol.messages.ceremony import Certificate
from protocol.messages.rounds import (
    Closing,
    Complaint,
    Contribution,
    Contributor,
    Opening,
    Partial,
    SetLock,
    Statement,
)
from protocol.record.audit.checks import CHECKS, audit
from protocol.record.files import MANIFEST_PATH, TERMS_PATH, blob_path, head_path
from protocol.rounds.ciphertexts import add_encrypted
from tests.fuzz.codecs import tree_of
from tests.fuzz.target import Case, target
from tests.fuzz.targets.frames import DIGEST, FEDERATION, TERMS, bodies, post_of
from tests.fuzz.targets.keys import toy
from tests.fuzz.targets.services import QUICK, UNSAYABLE, signed, template
from tests.stage.record.memory import MemoryFiles, files_of
from tests.stage.rounds.contribution import payload_of, proved
from tests.stage.studies import founding, statistic_study

SESSION = "study/age/1"
_MAX_POSTS = 20


def record_of(posts: list[Any]) -> MemoryFiles:
    """The record of a board on which these posts follow the certificates, as far as they may."""
    board, entries = Board(TERMS), list[Entry]()
    certificate = Certificate(b"t" * 32, encode(toy().epoch))
    certified = [template(post_of("ceremony/1", i, certificate)) for i in FEDERATION.members]
    for post in [*certified, *posts]:
        with suppress(LookupError, ValueError, TypeError, AttributeError):
            _refer(post, board)
        with suppress(Fork, BadEntry, *UNSAYABLE):
            pair = signed(post, board, FEDERATION.keys)
            head = board.head
            entry = msgspec.convert([head.position + 1, head.hash, 1_000, pair], Entry)
            board.append(entry)
            entries.append(entry)
    return files_of(FEDERATION, entries, {}, [1])


def _refer(post: Any, board: Board) -> None:
    """Fill in the digests that an input has left empty: of posts before this one."""
    session, body = post[1], post[6]
    before = board.session(session) if isinstance(session, str) else []
    openings = [p.digest for p in before if isinstance(p.post.body, Opening)]
    given = {p.post.sender: p.digest for p in before if isinstance(p.post.body, Contribution)}
    if body[0] == "contribution" and body[1] == b"" and openings:
        body[1] = openings[-1]
    if body[0] == "closing":
        for contributor in body[1]:
            if contributor[1] == b"" and contributor[0] in given:
                contributor[1] = given[contributor[0]]
    closings = [p.post.body for p in before if isinstance(p.post.body, Closing)]
    if body[0] in ("lock", "partial", "complaint") and body[1] == b"" and closings:
        parts = (TERMS.federation, session.encode(), encode(closings[0]))
        body[1] = digest("quorate/chosen set", *parts)


def round_posts() -> list[Any]:
    """A statistic of one number, from its plan to the result, though nothing is decrypted."""
    n, epoch, study = toy().key.n, toy().epoch, statistic_study(TERMS, 1)
    made = [proved([mpz(k)], k, SESSION, DIGEST, epoch) for k in (1, 2)]
    payloads = [payload_of(one, epoch) for one in made]
    total = payload_of(add_encrypted(made, n), epoch)
    to_all = tuple(attach(b"x" * 40, to) for to in range(TERMS.n_members + 1))
    said: list[tuple[int, Any]] = [
        (0, Opening(study.digest, epoch.digest, bytes(32), 1)),
        *((k + 1, Contribution(DIGEST, attach(payloads[k]))) for k in (0, 1)),
        (0, Closing((Contributor(1, DIGEST), Contributor(2, DIGEST)), attach(total))),
        *((k, SetLock(DIGEST)) for k in (1, 2, 3)),
        (1, Partial(DIGEST, DIGEST, to_all)),
        (2, Partial(DIGEST, DIGEST, to_all)),
        (3, Complaint(DIGEST, 1, b"")),
        (1, Statement(DIGEST, 1)),
    ]
    begun = [template(post_of(study.session, who, draft.body)) for who, draft in founding(study)]
    posts = begun + [template(post_of(SESSION, sender, body)) for sender, body in said]
    for post in posts:
        body = post[6]
        if body[0] in ("contribution", "lock", "partial", "complaint"):
            body[1] = b""
        if body[0] == "closing":
            body[1] = [[member, b""] for member, _ in body[1]]
    return posts


@target("audit", "protocol.record.audit.evidence: all checks of a record", limit=12_288)
def whole_audit() -> Case:
    """An input is a list of posts, and files put in the place of those that they give."""

    @QUICK.instead()
    def run(data: bytes) -> None:
        if (found := tree_of(data, tuple[list[Any], dict[str, bytes]])) is None:
            return
        posts, others = found
        files = MemoryFiles(record_of(posts[:_MAX_POSTS]) | others)
        found = audit(files, DIGEST)
        assert [result.number for result in found.results] == [check.number for check in CHECKS]
        assert all(str(result.status) for result in found.results)
        json.dumps([msgspec.to_builtins(result) for result in found.results])

    posts = [template(post_of(*said)) for said in bodies()]
    whole = record_of([])
    changed = [MANIFEST_PATH, TERMS_PATH, head_path(1), "heads/9.msgpack", "entries/x", ""]
    seeds: list[Any] = [[[post], {}] for post in posts]
    seeds += [[[], {path: whole.get(path, b"")}] for path in changed]
    seeds += [[round_posts(), {}], [posts[:5], {}], [posts[5:], {blob_path(DIGEST): bytes(9)}]]
    return Case(run, list(map(encode, seeds)))


@target("fingerprint-words", "participant.words.fingerprint.read_fingerprint")
def fingerprint_words() -> Case:
    def run(data: bytes) -> None:
        with suppress(ValueError):
            found = read_fingerprint(data.decode(errors="ignore"))
            assert 16 <= len(found) <= 32
            assert read_fingerprint(fingerprint(found)) == found[:16]

    words = fingerprint(DIGEST)
    return Case(run, [words.encode(), words.upper().encode(), DIGEST.hex().encode()], None)
