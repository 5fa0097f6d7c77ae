"""What sums show beside others is asked of all rounds at one go, and a proof is checked once."""

import random
from unittest.mock import patch

import pytest

from keyshare.proofs import all_hold
from protocol.record.audit.checks import audit
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed import round_contents
from protocol.rounds.history import OpenedSets
from tests.stage.record.good import good, once_more
from tests.stage.record.story import Story, write

NONCE = bytes(32)


@pytest.fixture(scope="module")
def singling_out() -> Story:
    """The fourth round's sum, less the third, shows one hospital's update."""
    return once_more(good(), remembering=False)


def evidence_of(story: Story) -> Evidence:
    return Evidence(write(story).files, None, None, NONCE)


def test_the_answer_is_that_of_the_board_up_to_the_entry_whatever_else_is_asked(
    singling_out: Story,
) -> None:
    evidence = evidence_of(singling_out)
    asked = [
        (position, found)
        for found in evidence.rounds
        for position in range(0, len(evidence.entries) + 1, 7)
    ]
    random.Random(3).shuffle(asked)
    answers = evidence.open_sums.differences(asked)
    for position, found in asked:
        alone = evidence.open_sums.none()
        for posted in evidence.entries[:position]:
            alone.receive(posted)
        assert answers[position, found.session] == alone.difference(found.view)
    assert None in answers.values()
    assert any(answers.values())


def test_the_board_is_read_once_for_all_rounds(singling_out: Story) -> None:
    evidence = evidence_of(singling_out)
    asked = [(len(evidence.entries), found) for found in evidence.rounds]
    with patch.object(OpenedSets, "receive", autospec=True) as receive:
        evidence.open_sums.differences(asked * 3)
    assert receive.call_count == len(evidence.entries)


def test_an_audit_reads_the_board_for_sums_as_often_however_many_rounds_it_has() -> None:
    passes = []
    for sessions in (1, 3):
        story = good().story.until(f"study/cardio/{sessions}")
        with patch.object(OpenedSets, "receive", autospec=True) as receive:
            found = audit(write(story).files, NONCE)
        assert len([r for r in found.results if r.number == "6.3" and r.count]) == 1
        passes.append(receive.call_count / len(story.said))
    assert passes[0] == pytest.approx(passes[1], abs=0.2)


def test_a_proof_is_checked_once_though_it_is_asked_for_alone_and_in_the_sum() -> None:
    files = write(good().story).files
    contributions = sum(
        len(r.view.contributions) for r in Evidence(files, None, None, NONCE).rounds
    )
    with (
        patch.object(round_contents, "all_hold", side_effect=all_hold) as together,
        patch.object(round_contents, "check_proof") as alone,
    ):
        assert audit(files, NONCE).holds
    assert sum(len(call.args[0]) for call in together.call_args_list) == contributions
    assert not alone.called
