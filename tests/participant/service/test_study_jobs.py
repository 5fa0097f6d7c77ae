"""What commands ask of an agent that runs about studies: as by themselves, and no more."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from participant import Hospital
from participant.cli.views import study_facts, study_lines
from participant.door.study_messages import ApproveStudy
from participant.errors import SaidByAgent
from participant.network import Notices
from participant.study import kept_approval
from protocol.board import Study
from protocol.messages import Plan, Statistic, Training
from protocol.messages.bodies import Approval
from tests.participant.service.conftest import Served, Serves
from tests.stage.consortium import PASSPHRASE, Consortium

APP = "def fit(*args): ...\n"


@asynccontextmanager
async def at_work(serves: Serves, *numbers: int) -> AsyncIterator[list[Served]]:
    """Hospitals' services, once they take jobs."""
    async with serves(*numbers) as all_served:
        for served in all_served:
            await served.until(lambda s=served: s.service.state == "running")
        yield all_served


def study_of(consortium: Consortium, name: str, *labels: str) -> Study:
    return consortium.planned(name, Statistic(len(labels) or 1, 0, name, labels))


async def test_a_study_goes_from_its_proposal_to_its_end(
    serves: Serves, consortium: Consortium
) -> None:
    study = study_of(consortium, "visits", "men", "women")
    async with at_work(serves, 1, 2, 3) as all_served:
        first = all_served[0].hospital
        assert (await first.propose(study)).name == "visits"
        assert first.name == "H1"
        assert (await first.study("visits").standing()).phase == "proposed"
        for served in all_served:
            found = await served.hospital.study("visits").approve(plan=study.digest, opens=True)
            assert (found.contributes, found.opens) == (True, True)
        (listed,) = (await first.studies()).values()
        assert listed.phase == "open"
        assert listed.study == study
        assert listed.study.digest == study.digest
        assert listed.contributors == ("H1", "H2", "H3")
        found = await first.study("visits").withdraw()
        assert found.withdrawn
        assert (await all_served[1].hospital.study("visits").end()).phase == "proposed"
        found = await all_served[2].hospital.study("visits").end()
        assert (found.phase, found.votes) == ("ended", ("H2", "H3"))


async def test_what_is_shown_is_what_is_shown_without_an_agent(
    serves: Serves, consortium: Consortium
) -> None:
    pin = hashlib.sha256(APP.encode()).digest()
    plans = [
        study_of(consortium, "visits", "men", "Fälle"),
        consortium.planned("cardio", Training(2, 8.0, 24, 1_000, app=pin)),
    ]
    async with at_work(serves, 1) as (served,):
        for study in plans:
            await served.hospital.propose(study)
        await served.hospital.study("visits").approve(plan=plans[0].digest, contribute=False)
        there = await served.hospital.studies()
        one = await served.hospital.study("cardio").standing()
    home = consortium.folder / "h1"
    hospital = Hospital.open(consortium.file, passphrase=PASSPHRASE.text, home=home)
    here = await hospital.studies()
    assert there == here
    assert list(there) == list(here) == ["visits", "cardio"]
    assert one == here["cardio"]
    assert [study_facts(found) for found in there.values()] == [
        study_facts(found) for found in here.values()
    ]
    for name, found in there.items():
        assert list(study_lines(found, "H1")) == list(study_lines(here[name], "H1"))


async def test_more_studies_are_listed_than_a_frame_holds(
    serves: Serves, consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("participant.door.server.MAX_PART_BYTES", 100)
    plans = [study_of(consortium, f"n{k}") for k in range(3)]
    async with at_work(serves, 1) as (served,):
        for study in plans:
            await served.hospital.propose(study)
        found = await served.hospital.studies()
    assert [one.study for one in found.values()] == plans


async def test_another_plan_than_was_shown_is_not_approved(
    serves: Serves, consortium: Consortium
) -> None:
    study = study_of(consortium, "visits")
    shown = Study(study.terms, "visits", Plan("another", (1, 2, 3), 3, 30, study.plan.work))
    async with at_work(serves, 1) as (served,):
        await served.hospital.propose(study)
        with pytest.raises(SaidByAgent) as caught:
            await served.hospital.study("visits").approve(plan=shown.digest)
        assert study.digest.hex() in caught.value.what
        assert caught.value.exit_code == 3
        assert not approvals(consortium)
        assert kept(consortium, 1, "visits") is None


def approvals(consortium: Consortium) -> list[int]:
    entries = consortium.relay.core.board.entries
    return [p.post.sender for p in entries if isinstance(p.post.body, Approval)]


def kept(consortium: Consortium, number: int, study: str) -> object:
    return kept_approval(consortium.member(number).storage, study)


# ── the app ──


async def proposed(consortium: Consortium, served: Served, pin: bytes = b"") -> Study:
    study = consortium.planned("cardio", Training(2, 8.0, 24, 1_000, app=pin))
    await served.hospital.propose(study)
    return study


async def test_a_relative_app_is_kept_by_its_absolute_path_and_hash(
    serves: Serves, consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    (consortium.folder / "app.py").write_text(APP)
    monkeypatch.chdir(consortium.folder)
    pin = hashlib.sha256(APP.encode()).digest()
    async with at_work(serves, 1) as (served,):
        study = await proposed(consortium, served, pin)
        await served.hospital.study("cardio").approve("app.py", plan=study.digest)
        found = kept_approval(consortium.member(1).storage, "cardio")
    assert found is not None
    assert (found.app, found.app_digest) == (str(consortium.folder / "app.py"), pin)


@pytest.mark.parametrize(
    ("name", "digest", "said"),
    [
        ("gone.py", hashlib.sha256(APP.encode()).digest(), "cannot read the app"),
        ("app.py", bytes(32), "finds another app at"),
        ("app.py", b"", "finds another app at"),
    ],
    ids=["gone", "another", "unread"],
)
async def test_an_app_that_the_agent_does_not_find_as_the_command_did_is_not_approved(
    serves: Serves, consortium: Consortium, name: str, digest: bytes, said: str
) -> None:
    (consortium.folder / "app.py").write_text(APP)
    pin = hashlib.sha256(APP.encode()).digest()
    async with at_work(serves, 1) as (served,):
        study = await proposed(consortium, served, pin)
        app = str(consortium.folder / name)
        job = ApproveStudy("cardio", study.digest, None, True, app, digest, False, None)
        with pytest.raises(SaidByAgent, match=said):
            await served.hospital._do(job, Notices())
        assert not approvals(consortium)


async def test_an_app_that_the_agent_may_not_read_is_named(
    serves: Serves, consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = consortium.folder / "app.py"
    app.write_text(APP)
    async with at_work(serves, 1) as (served,):
        study = await proposed(consortium, served)

        def refused(path: Path, *around: object) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("participant.app.pin._of_file", refused)
        job = ApproveStudy("cardio", study.digest, None, True, str(app), bytes(32), True, None)
        with pytest.raises(SaidByAgent) as caught:
            await served.hospital._do(job, Notices())
    assert f"cannot read the app {app}: Permission denied" in caught.value.what


async def test_an_app_that_is_open_is_approved_knowingly_or_not_at_all(
    serves: Serves, consortium: Consortium
) -> None:
    async with at_work(serves, 1) as (served,):
        study = await proposed(consortium, served)
        with pytest.raises(SaidByAgent, match="does not say which app is run"):
            await served.hospital.study("cardio").approve(plan=study.digest)
        assert not approvals(consortium)
        await served.hospital.study("cardio").approve(plan=study.digest, unpinned=True)
        assert approvals(consortium) == [1]


# ── what goes wrong ──


async def test_what_goes_wrong_is_said_in_the_words_of_the_command(
    serves: Serves, consortium: Consortium
) -> None:
    study = study_of(consortium, "visits")
    other = Study(study.terms, "visits", Plan("x", (1, 2, 3), 3, 30, Statistic(2, 0, "visits")))
    async with at_work(serves, 1) as (served,):
        hospital = served.hospital
        with pytest.raises(SaidByAgent, match="nobody has proposed a study visits"):
            await hospital.study("visits").standing()
        with pytest.raises(SaidByAgent, match="nobody has proposed a study visits"):
            await hospital.study("visits").end()
        await hospital.propose(study)
        await hospital.propose(study)  # the very same: nothing to do
        with pytest.raises(SaidByAgent, match="the name visits is taken: H1"):
            await hospital.propose(other)
        with pytest.raises(SaidByAgent, match="has not approved"):
            await hospital.study("visits").withdraw()
        assert not served.course.done()


async def test_the_file_of_a_plan_is_named_where_the_board_does_not_take_it(
    serves: Serves, consortium: Consortium
) -> None:
    start = Training(1, 8.0, 24, 1_000, start_study="gone", start_round=1)
    plan = Plan("to try it", (1, 2, 3), 3, 30, start)
    async with at_work(serves, 1) as (served,):
        with pytest.raises(SaidByAgent, match="there is no study gone that trains"):
            await served.hospital.propose(Study(consortium.terms, "next", plan))


async def test_a_plan_that_no_study_can_have_is_not_proposed_for_a_command_that_reads_none(
    serves: Serves, consortium: Consortium
) -> None:
    alone = Study(consortium.terms, "alone", Plan("x", (1,), 1, 30, Statistic(1, 0, "alone")))
    async with at_work(serves, 1) as (served,):
        with pytest.raises(SaidByAgent, match="the federation asks for 3 or more"):
            await served.hospital.propose(alone)
        assert not consortium.relay.core.board.studies
