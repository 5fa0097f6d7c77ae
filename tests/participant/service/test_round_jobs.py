"""Numbers and sums through an agent that runs, and a person who takes their time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from participant.errors import SaidByAgent
from participant.hospital import Decrypted
from participant.rounds import Question
from protocol.messages import Partial, SetLock, Statistic
from tests.participant.service.conftest import Served, Serves
from tests.participant.service.test_studies import approved as trained
from tests.participant.service.test_study_jobs import at_work, study_of
from tests.stage.consortium import Consortium


@asynccontextmanager
async def approved(
    serves: Serves, consortium: Consortium, *labels: str, decimals: int = 0
) -> AsyncIterator[list[Served]]:
    """Three hospitals' agents with a key, and a statistic that all have approved."""
    study = consortium.planned("age", Statistic(len(labels) or 1, decimals, "age", labels))
    async with at_work(serves, 1, 2, 3) as all_served:
        for served in all_served:
            await served.until(partial(has_made_key, served))
        await all_served[0].hospital.propose(study)
        for served in all_served:
            await served.hospital.study("age").approve(plan=study.digest)
        yield all_served


def has_made_key(served: Served) -> bool:
    return ("ceremony", "ceremony/1", None) in served.log.ends


async def give(served: Served, text: str) -> None:
    """A hospital contributes numbers."""
    path = served.consortium.folder / f"{served.folder.parent.name}.csv"
    path.write_text(text)
    found = await served.hospital.study("age").contribute(path, timeout=60)
    assert found.is_new


def yes(question: Question) -> bool:
    return True


def spoken(consortium: Consortium, number: int, *kinds: type) -> list[object]:
    """What a member has said of these kinds."""
    entries = consortium.relay.core.board.session("study/age/1")
    return [
        p.post.body for p in entries if p.post.sender == number and isinstance(p.post.body, kinds)
    ]


class Thinker:
    """A person who is asked, and answers when the test says so."""

    def __init__(self) -> None:
        self.asked = list[Question]()
        self.is_asked, self.answer = asyncio.Event(), asyncio.Event()
        self.agrees = True
        self._loop = asyncio.get_running_loop()

    def __call__(self, question: Question) -> bool:
        self.asked.append(question)
        self._loop.call_soon_threadsafe(self.is_asked.set)
        asyncio.run_coroutine_threadsafe(self.answer.wait(), self._loop).result(60)
        return self.agrees


@asynccontextmanager
async def asked(
    serves: Serves, consortium: Consortium
) -> AsyncIterator[tuple[list[Served], Thinker, "asyncio.Task[Decrypted]"]]:
    """A person at the first hospital is asked about a sum."""
    async with approved(serves, consortium) as all_served:
        first, second, third = all_served
        await give(first, "10\n")
        await give(second, "20\n")
        person = Thinker()
        hospital = first.hospital
        course = hospital.study("age").decrypt(approve=person, timeout=60)
        work = asyncio.create_task(course)
        await first.until(lambda: hospital.round_is_open)
        await give(third, "30\n")
        async with asyncio.timeout(60):
            await person.is_asked.wait()
        try:
            yield all_served, person, work
        finally:
            person.answer.set()
            work.cancel()
            await asyncio.wait([work])


async def test_numbers_are_contributed_and_their_sums_are_read_by_commands(
    serves: Serves, consortium: Consortium
) -> None:
    async with approved(serves, consortium, "men", "women", decimals=2) as all_served:
        for k, served in enumerate(all_served):
            await give(served, f"label,number\nmen,{k}.25\nwomen,{10 * k}\n")
        for served in all_served:
            found = await served.hospital.study("age").decrypt(approve=yes, timeout=60)
            assert found.round == "age/1"
            assert found.contributors == ("H1", "H2", "H3")
            assert found.labels == ("men", "women")
            assert found.sums == (Decimal("3.75"), Decimal("30.00"))
        again = await all_served[0].hospital.study("age").contribute(consortium.folder / "h1.csv")
        assert not again.is_new
        assert (again.numbers, again.decimals) == (2, 2)


async def test_what_is_asked_is_what_is_opened(serves: Serves, consortium: Consortium) -> None:
    async with asked(serves, consortium) as (_, person, work):
        (question,) = person.asked
        assert question.round_name == "age/1"
        assert question.contributors == ("H1", "H2", "H3")
        assert question.kind == "statistic"
        assert not spoken(consortium, 1, SetLock, Partial)
        person.answer.set()
        found = await work
    assert found.sums == (Decimal(60),)
    assert spoken(consortium, 1, SetLock)


async def test_while_a_person_thinks_the_agent_does_all_else(
    serves: Serves, consortium: Consortium
) -> None:
    async with asked(serves, consortium) as (all_served, person, work):
        first, second, _ = all_served
        other = study_of(consortium, "other")
        await first.hospital.propose(other)
        await first.hospital.study("other").approve(plan=other.digest)
        _, checked = await second.hospital.check_key(True, timeout=60)
        assert checked is not None
        assert 1 in checked.good
        await second.until(lambda: ("decryption", "study/age/1", None) in second.log.ends)
        assert not work.done()
        assert not spoken(consortium, 1, SetLock, Partial)  # also where the others have opened it
        tasks = (await first.hospital.standing()).tasks
        assert ("decryption", "study/age/1") in [(t.task, t.session) for t in tasks]
        person.answer.set()
        assert (await work).sums == (Decimal(60),)


async def test_what_a_person_does_not_agree_to_is_not_done_without_them(
    serves: Serves, consortium: Consortium
) -> None:
    async with asked(serves, consortium) as (all_served, person, work):
        person.agrees = False
        person.answer.set()
        with pytest.raises(SaidByAgent) as caught:
            await work
        assert caught.value.what == "not agreed: to decrypt round age/1"
        assert caught.value.remedy == "nothing was sent"
        first = all_served[0]
        other = study_of(consortium, "other")
        await first.hospital.propose(other)  # the board goes on, and the agent looks at it
        await asyncio.sleep(0.5)
        assert not spoken(consortium, 1, SetLock, Partial)
        assert ("decryption", "study/age/1") not in first.log.begun


async def test_a_command_that_goes_away_lets_go_of_its_task(
    serves: Serves, consortium: Consortium
) -> None:
    async with asked(serves, consortium) as (all_served, person, work):
        first = all_served[0]
        assert not spoken(consortium, 1, SetLock, Partial)
        work.cancel()
        await asyncio.wait([work])
        # The approval of the study stands: the agent helps as if nobody had looked.
        await first.until(lambda: ("decryption", "study/age/1", None) in first.log.ends)
        assert ("decryption", "study/age/1") in first.log.begun
        assert len(person.asked) == 1


async def test_a_second_command_in_the_same_round_is_told(
    serves: Serves, consortium: Consortium
) -> None:
    async with asked(serves, consortium) as (all_served, person, work):
        first = all_served[0]
        with pytest.raises(SaidByAgent, match="study/age/1"):
            await first.hospital.study("age").decrypt(approve=yes, timeout=60)
        with pytest.raises(SaidByAgent, match="study/age/1"):
            await give(first, "11\n")
        person.answer.set()
        assert (await work).sums == (Decimal(60),)


async def test_who_waits_too_long_is_told_for_whom_and_what_they_type(
    serves: Serves, consortium: Consortium
) -> None:
    async with approved(serves, consortium) as all_served:
        for served in all_served[:2]:
            await give(served, "1\n")
        person = Thinker()
        with pytest.raises(SaidByAgent, match="H3 types: quorate-participant contribute NUMBERS"):
            await all_served[0].hospital.study("age").decrypt(approve=person, timeout=4.0)
        assert not person.asked


# ── numbers ──


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("4.5\n", "n.csv cannot be contributed: line 1: it needs 1 decimals"),
        ("1\n2\n", "n.csv cannot be contributed: it has 2 numbers, study age has 1"),
        ("mine\n", "n.csv cannot be contributed: line 1: 'mine' is not a number"),
    ],
)
async def test_numbers_that_do_not_fit_are_named_to_the_command_and_to_nobody_else(
    serves: Serves, consortium: Consortium, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.chdir(consortium.folder)
    Path("n.csv").write_text(text)
    async with approved(serves, consortium) as (first, *_):
        with pytest.raises(SaidByAgent) as caught:
            await first.hospital.study("age").contribute("n.csv", timeout=60)
        assert said in caught.value.what
        assert not first.course.done()


async def test_a_study_that_is_trained_takes_no_numbers(
    serves: Serves, consortium: Consortium
) -> None:
    path = consortium.folder / "n.csv"
    path.write_text("1\n")
    async with approved(serves, consortium) as (first, *_):
        with pytest.raises(SaidByAgent, match="nobody has proposed a study gone"):
            await first.hospital.study("gone").contribute(path, timeout=60)
        with pytest.raises(SaidByAgent, match="nobody has proposed a study gone"):
            await first.hospital.study("gone").decrypt(approve=yes, timeout=60)


def test_a_sum_of_a_study_that_the_agent_trains_is_its_own_to_open(
    keyed: Consortium, serves: Serves
) -> None:
    trained(keyed, "cardio", 1)
    waits = keyed.folder / "wait1"
    waits.touch()

    async def run() -> None:
        async with at_work(serves, 1) as (served,):
            await served.until(lambda: ("training", "study/cardio") in served.log.begun)
            with pytest.raises(SaidByAgent) as caught:
                await served.hospital.study("cardio").decrypt(approve=yes, timeout=60)
            assert "study/cardio" in caught.value.what
            assert [end for end in served.log.ends if end[0] == "training"] == []
            waits.unlink()

    asyncio.run(run())
