"""What an audit keeps of an entry says the same, without what nobody can read there."""

from msgspec.structs import replace

from protocol.board.board import Board
from protocol.messages.bodies import Partial, SetLock, Statement
from protocol.record.audit.evidence import Evidence
from tests.stage.record.good import good
from tests.stage.record.story import write


def test_all_but_sealed_keys_and_names_that_nobody_says_is_kept() -> None:
    written = write(good().story)
    evidence = Evidence(written.files, None, None, bytes(32))
    whole = Board(evidence.terms)
    for entry in written.entries:
        whole.append(entry)
    parts = 0
    for kept, posted in zip(evidence.entries, whole.entries, strict=True):
        post, body = posted.post, posted.post.body
        if isinstance(body, Partial):
            public = tuple(a for a in body.attachments if a.to == 0)
            assert len(public) == 1 < len(body.attachments)
            post, parts = replace(post, body=replace(body, attachments=public)), parts + 1
        name = b"" if isinstance(body, SetLock | Partial | Statement) else posted.digest
        assert kept == posted._replace(post=post, digest=name)
    assert parts


def test_what_entries_have_in_common_is_there_once() -> None:
    evidence = Evidence(write(good().story).files, None, None, bytes(32))
    posts = [posted.post for posted in evidence.entries]
    assert len({id(post.federation) for post in posts}) == 1
    assert len({id(post.session) for post in posts}) == len({post.session for post in posts})
    hashes = {id(posted.hash) for posted in evidence.entries}
    assert all(id(post.seen) in hashes for post in posts if post.seen_position)
