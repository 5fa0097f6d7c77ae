"""Whoever has a record sees what is wrong with it: where, and whose doing."""

from functools import cache

import pytest

from protocol.messages.handover import BareWord
from protocol.record.audit import chain_checks
from protocol.record.audit.checks import CHECKS, Audit, audit
from protocol.record.audit.results import Remark, Status
from tests.stage.record.broken import TAMPERINGS
from tests.stage.record.good import good
from tests.stage.record.handed import REFRESH, handed_over
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import write
from tests.stage.record.tampering import Broken

NONCE = b"n" * 32
HANDOVERS = {"3.10", "3.11", "3.12", "3.13", "3.14"}
CHAIN = {check.number for check in chain_checks.CHECKS}  # see test_chain


@cache
def made(name: str) -> Broken:
    return TAMPERINGS[name](good())


def audited(broken: Broken) -> Audit:
    expected = broken.fingerprint or good().story.federation.terms.federation[:16]
    return audit(MemoryFiles(broken.files), NONCE, expected, broken.since)


def test_a_good_record_holds_in_every_check() -> None:
    files = write(good().story).files
    found = audited(Broken(files, "", 0, ""))
    failed = {r.number: r.failures for r in found.results if r.failures}
    assert not failed
    assert {r.number for r in found.results if r.status is Status.NOT_RUN} == {"2.7"}
    told = {r.number for r in found.results if r.status is Status.FINDING}
    assert told == {"3.7", "5.1", "5.4", "5.5"}
    assert all(r.count for r in found.results if r.number not in {"2.7", *HANDOVERS, *CHAIN})


def test_a_good_record_of_handovers_holds_in_every_check() -> None:
    found = audited(Broken(write(handed_over()).files, "", 0, ""))
    assert found.holds, everything(found)
    assert not everything(found)
    assert all(r.count for r in found.results if r.number in HANDOVERS)


def test_what_came_of_each_handover_is_noted() -> None:
    found = audited(Broken(write(handed_over()).files, "", 0, ""))
    notes = [note for r in found.results if r.number in HANDOVERS for note in r.notes]
    assert [note for note in notes if "joining" in note or "void" in note or "dealt" in note] == [
        "handover/3: H1 proposed, in entry 165, that 3 of 5 have the key of Toy; "
        "joining G1, G2; leaving H4",
        "handover/1 was void in entry 112, and nothing came of it",
        "handover/1: H1 had not dealt by then",
    ]
    assert sum("can still decrypt" in note for note in notes) == 2


def test_who_has_not_released_or_acknowledged_is_noted_and_not_blamed() -> None:
    story = handed_over().until(REFRESH)
    last = [k for k, one in enumerate(story.said) if isinstance(one.body, BareWord)][-5:]
    for k in reversed(last):  # a release, and all that acknowledge
        if story.said[k].sender in (2, 4):
            del story.said[k]
    found = audited(Broken(write(story).files, "", 0, ""))
    (ends,) = [r for r in found.results if r.number == "3.13"]
    assert found.holds
    assert not ends.findings
    assert "handover/2: no release yet from H4" in ends.notes
    assert any("not acknowledged yet by H2, H4." in note for note in ends.notes)


@pytest.mark.parametrize("end", [1, 7, 16, 17, 60, 120, 160, 180, 205, 206, 230, 252, 268])
def test_a_record_that_ends_anywhere_holds(end: int) -> None:
    """The first, before the abort: a broken commitment of which nothing has come is a finding."""
    story = good().story.copy()
    del story.said[end:]
    found = audited(Broken(write(story).files, "", 0, ""))
    assert found.holds, everything(found)
    (search,) = [r for r in found.results if r.number == "3.3"]
    assert {(r.entry, r.party) for r in search.findings} == ({(14, "H2")} if end == 16 else set())


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_is_broken_is_named_with_check_entry_and_party(name: str) -> None:
    broken = made(name)
    found = audited(broken)
    (result,) = [r for r in found.results if r.number == broken.check]
    remarks = result.failures if broken.is_failure else result.findings
    named = {(remark.entry, remark.party) for remark in remarks}
    assert (broken.entry, broken.party) in named, everything(found)
    assert found.holds is not broken.is_failure


def test_every_check_has_a_record_that_breaks_it() -> None:
    broken = {made(name).check for name in TAMPERINGS}
    assert broken | CHAIN == {check.number for check in CHECKS}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("complaint_that_is_false", "is false"),
        ("complaint_that_proves_nothing", "one of the two is wrong"),
    ],
)
def test_what_a_complaint_shows_is_told(name: str, words: str) -> None:
    broken = made(name)
    (result,) = [r for r in audited(broken).results if r.number == "5.4"]
    (remark,) = [r for r in result.findings if (r.entry, r.party) == (broken.entry, broken.party)]
    assert words in remark.reason


@pytest.mark.parametrize("name", ["refusal_with_reason", "refusal_without_reason"])
def test_whether_a_refusal_has_a_reason_is_recomputed(name: str) -> None:
    broken = made(name)
    (result,) = [r for r in audited(broken).results if r.number == "5.5"]
    (remark,) = [r for r in result.findings if (r.entry, r.party) == (broken.entry, broken.party)]
    assert remark.reason.endswith("so by this record") is (name == "refusal_without_reason")


def everything(found: Audit) -> dict[str, tuple[Remark, ...]]:
    return {r.number: (*r.failures, *r.findings) for r in found.results if r.failures or r.findings}
