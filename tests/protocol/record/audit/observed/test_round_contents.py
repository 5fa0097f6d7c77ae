"""Proofs of contributions are checked together, and whose does not hold is named all the same."""

from typing import Any
from unittest.mock import patch

import pytest

from keyshare.proofs import plaintext_batch
from protocol.messages.rounds import Contribution
from protocol.record.audit.checks import audit
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed import judged_round, round_contents
from protocol.record.audit.results import Remark
from tests.stage.record.broken import TAMPERINGS
from tests.stage.record.good import good
from tests.stage.record.handed import handed_over
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import write

NONCE = b"n" * 32
WRONG_PROOFS = [
    "proof_left_out",
    "proof_of_another_member",
    "proof_of_another_round",
    "vector_exchanged_after_the_proof",
]


def remarks(files: MemoryFiles) -> list[Remark]:
    """On the proofs, by check 4.3."""
    found = next(r for r in audit(files, NONCE).results if r.number == "4.3")
    return [*found.failures, *found.findings]


@pytest.fixture(autouse=True)
def even_few_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plaintext_batch, "MANY", 1)


@pytest.mark.parametrize("name", WRONG_PROOFS)
def test_whose_proof_is_wrong_is_named(name: str) -> None:
    broken = TAMPERINGS[name](good())
    with patch.object(round_contents, "all_hold", return_value=False):
        alone = remarks(MemoryFiles(broken.files))
    assert alone
    assert remarks(MemoryFiles(broken.files)) == alone


@pytest.mark.parametrize("name", ["proof_of_another_member", "proof_of_another_round"])
def test_did_all_hold_whatever_they_say_nobody_would_be_named(name: str) -> None:
    broken = TAMPERINGS[name](good())
    with patch.object(round_contents, "all_hold", return_value=True):
        assert not remarks(MemoryFiles(broken.files))


def test_proofs_under_each_key_are_checked_together() -> None:
    """Under another key none would hold, and each would be checked by itself."""
    found = list[bool]()

    def answer(*asked: Any) -> bool:
        found.append(plaintext_batch.all_hold(*asked))
        return found[-1]

    with patch.object(round_contents, "all_hold", side_effect=answer):
        assert audit(MemoryFiles(write(handed_over()).files), NONCE).holds
    assert len(found) > 1
    assert all(found)


def test_no_more_rounds_are_held_at_one_time_than_have_so_many_bytes() -> None:
    files = MemoryFiles(write(good().story).files)
    whole = audit(files, NONCE)
    for most, held in ((1, 1), (1 << 22, 2)):
        with (
            patch.object(judged_round, "_TOGETHER_BYTES", most),
            patch.object(
                judged_round, "check_together", side_effect=round_contents.check_together
            ) as checked,
        ):
            assert audit(files, NONCE) == whole
        assert (max(len(call.args[0]) for call in checked.call_args_list) > 1) == (held > 1)


def test_what_answers_no_opening_is_not_asked_about() -> None:
    """Else it would have the proofs of all others checked one by one."""
    broken = TAMPERINGS["contribution_to_another_opening"](good())
    evidence, others = Evidence(MemoryFiles(broken.files), None, None, NONCE), 0
    for one in evidence.rounds:
        said = one.view.contributions
        opening = one.view.opening.digest if one.view.opening else b""
        due = {m for m, posted in said.items() if posted.post.body.opening == opening}
        assert one.to_judge.contents(evidence.payload).proved().keys() == due
        others += len(said) - len(due)
    assert others == 1


def test_what_is_known_of_a_contribution_is_said_of_no_other() -> None:
    """Of the same member to another round, or of another member to the same one."""
    evidence = Evidence(MemoryFiles(write(good().story).files), None, None, NONCE)
    first, second = [one for one in evidence.rounds if len(one.view.contributions) > 1][:2]
    contents = first.to_judge.contents(evidence.payload)
    contents.believe(contents)
    member, other = list(contents)[:2]
    opening, key = first.opening, contents.key
    assert opening is not None
    assert key is not None
    found = contents.read(contents[member], opening, first.study, key.encryptor.n)

    def check(body: Contribution) -> None:
        contents.check(found, body, first.session, member, key)

    check(first.view.contributions[member].post.body)
    for body in (first.view.contributions[other], second.view.contributions[member]):
        with pytest.raises(AssertionError):
            check(body.post.body)
