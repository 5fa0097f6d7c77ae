"""What honest members say stays below half of what the budget allows, at every size of key."""

from collections import Counter

import pytest

from keyshare.ceremony.lanes import lanes
from protocol.board.classes import CandidateLayout
from protocol.board.payload_sizes import batch_bytes, candidate_bytes
from protocol.messages.ceremony import Step
from tests.stage.toy import replace_terms, toy_epoch


@pytest.mark.parametrize(("members", "quorum"), [(3, 2), (5, 3)])
def test_a_whole_ceremony_stays_far_below_its_budget(members: int, quorum: int) -> None:
    toy = toy_epoch(members, quorum)
    size: Counter[tuple[int, int]] = Counter()
    about: Counter[tuple[int, int, int]] = Counter()
    for posted in toy.table.board.entries:
        body, sender = posted.post.body, posted.post.sender
        if isinstance(body, Step):
            spent = sum(attachment.size for attachment in body.attachments)
            if body.step.startswith("winner"):
                about[sender, body.batch, body.candidate] += spent
            else:
                size[sender, body.batch] += spent
    assert max(size.values()) < batch_bytes(toy.federation.terms)
    assert max(about.values()) < candidate_bytes(toy.federation.terms)


@pytest.mark.parametrize("bits", [1024, 2048, 3072])
@pytest.mark.parametrize("members", [3, 5, 16])
def test_shares_of_a_batch_of_a_real_key_fit_with_room_to_spare(bits: int, members: int) -> None:
    terms = toy_epoch(3, 2).federation.terms
    terms = replace_terms(terms, key_bits=bits, members=(terms.members * 6)[:members])
    layout = CandidateLayout(terms)
    row = lanes(layout.shape.field_exponent, layout.class_size).size
    dealers = layout.shape.dealers
    dealt = 2 * (members - 1) * dealers * row  # of p and of q, for each of the others
    leaves = 32 * dealers * layout.class_size
    assert dealt + leaves + members * row < batch_bytes(terms)
