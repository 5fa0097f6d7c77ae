"""A member cheats and then keeps its seed, so that nobody can replay it.

That a party may drop out when what it has seen does not please it is the attack of Gennaro,
Jarecki, Krawczyk, Rabin, EUROCRYPT 1999; here it is shown as silent, and no honest one is named.
"""

import pytest

from protocol.ceremony import judgement
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.messages.ceremony import Abort, Disclosure
from tests.stage.ceremony.adversary import EITHER_WAY, assert_caught
from tests.stage.ceremony.altered import instead
from tests.stage.ceremony.liar import Lies, LyingTable, lying

LIAR = 2
HONEST = (1, 3, 4, 5)


def other_numbers(run: CeremonyRun, step: StepId, said: bytes) -> bytes:
    return bytes([said[0] ^ 1]) + said[1:]


@pytest.mark.parametrize(
    ("step", "named"),
    [
        ("deal", [LIAR]),  # what all see is refused by every honest machine
        ("screen", [LIAR]),
        ("trial", [LIAR]),
        ("moduli", []),  # a wrong share of a sum shows in the sum alone
        ("theta", []),
    ],
)
@EITHER_WAY
def test_who_keeps_its_seed_is_silent_and_named_only_if_the_others_show_why(play, step, named):
    aftermath = play(lying({LIAR: Lies({step: other_numbers}, discloses=False)}))
    assert_caught(aftermath, *named, silent=[LIAR])
    disclosed = {p.post.sender for p in aftermath.entries if isinstance(p.post.body, Disclosure)}
    assert disclosed == set(HONEST)


def test_a_silent_member_that_accuses_an_honest_one_is_not_believed():
    table = LyingTable({LIAR: Lies(discloses=False)})
    table.run(instead(LIAR, "moduli", Abort(3, "deal", "a payload does not open")))
    assert table.named == {3}  # what the liar says
    verdict = table.verdict
    assert (verdict.culprits, verdict.silent) == ({}, (LIAR,))


def test_an_honest_member_that_crashed_is_silent_beside_a_named_culprit():
    crashed = Lies(discloses=False)
    table = LyingTable({LIAR: Lies({"moduli": other_numbers}), 4: crashed}).run()
    verdict = table.verdict
    assert set(verdict.culprits) == {LIAR}
    assert verdict.silent == (4,)


def test_without_the_list_of_the_silent_the_culprit_vanishes(monkeypatch):
    monkeypatch.setattr(judgement, "silent", lambda entries: ())
    table = LyingTable({LIAR: Lies({"moduli": other_numbers}, discloses=False)}).run()
    verdict = table.verdict
    assert (verdict.culprits, verdict.silent) == ({}, ())
