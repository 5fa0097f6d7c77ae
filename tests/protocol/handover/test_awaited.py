"""Whoever is waited for can end the wait: with its word the attempt goes on."""

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.handover import Attempt, HandoverWord, Rosters
from protocol.handover.awaited import handover_awaited

ROSTERS = {
    "refresh": Rosters(5, 3, 4, 4, (1, 2, 3, 4, 5)),
    "succession": Rosters(5, 3, 4, 5, (2, 4, 6, 7)),
    "few deal": Rosters(3, 2, 2, 2, (1, 2, 3), frozenset({1})),
}
WORDS_OF = {
    "consent": {HandoverWord.CONSENT},
    "arrive": {HandoverWord.ARRIVE},
    "freeze": {HandoverWord.FREEZE},
    "commit": {HandoverWord.COMMIT},
    "deal": {HandoverWord.DEAL},
    "show": {HandoverWord.SHOW},
    "release": {HandoverWord.RELEASE},
    "thaw": {HandoverWord.THAW},
    "acknowledge": {HandoverWord.ACKNOWLEDGE},
}
words = st.lists(st.tuples(st.integers(1, 7), st.sampled_from(list(HandoverWord))), max_size=60)


@settings(max_examples=200)
@given(rosters=st.sampled_from(list(ROSTERS.values())), said=words)
def test_the_words_that_are_waited_for_count_and_bring_the_attempt_to_its_end(
    rosters: Rosters, said: list[tuple[int, HandoverWord]]
) -> None:
    attempt = Attempt(rosters)
    for sender, word in said:
        attempt = attempt.after(sender, word)
    steps = list[str]()
    while found := handover_awaited(attempt):
        steps.append(found.step)
        if len(found.members) < found.needed:  # too few have a share that they could deal
            assert found.step == "freeze"
            return
        assert 1 <= found.needed <= len(found.members)
        (word,) = WORDS_OF[found.step]
        for member in found.members[-found.needed :]:
            assert attempt.counts(member, word)
            attempt = attempt.after(member, word)
        if len(steps) > 40:
            raise AssertionError(steps)
    assert attempt.is_thawed or attempt.is_settled


def test_who_has_agreed_is_asked_for_before_who_has_arrived() -> None:
    attempt = Attempt(ROSTERS["succession"])
    found = handover_awaited(attempt)
    assert found == ("consent", (1, 2, 3, 4, 5), 5)
