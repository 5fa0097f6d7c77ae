"""Commands, agents that stay, and programs keep as many models as their people have said."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from participant import Hospital, Notices
from participant.cli import app
from participant.cli.views.agent import ServiceLog
from participant.cli.views.ceremony import link_notices, pruned_line
from participant.home.membership import Membership
from participant.network import local_facts
from participant.pruning import Pruned
from tests.participant.service.conftest import Serves, cheap, consortium, keyed, serves
from tests.participant.service.test_serve import running, serving
from tests.participant.service.test_studies import approved, scored
from tests.stage.consortium import PASSPHRASE, Consortium

FIXTURES = (cheap, consortium, keyed, serves)
ROUNDS = 4


def models(made: Consortium, index: int) -> list[int]:
    folder = made.member(index).folder / "studies" / "cardio"
    return sorted(int(path.name[6:].split(".")[0]) for path in folder.glob("model-*"))


def samples(made: Consortium, index: int) -> list[int]:
    folder = made.member(index).folder / "studies" / "cardio"
    return sorted(int(path.name[7:]) for path in folder.glob("sample-*"))


def test_an_agent_that_stays_keeps_the_newest(keyed: Consortium, serves: Serves) -> None:
    approved(keyed, "cardio", ROUNDS)

    async def run() -> None:
        async with serves(1, 2, 3, keep_models=2) as served:
            for one in served:
                await one.until(lambda one=one: scored(one, "cardio") == [1, 2, 3, 4])
                index = served.index(one) + 1
                await one.until(lambda index=index: models(keyed, index) == [3, 4])
                assert samples(keyed, index) == [0, 1, 2]
                assert [error for *_, error in one.log.ends if error] == []

    asyncio.run(run())


def test_what_was_kept_before_goes_when_the_agent_starts(keyed: Consortium, serves: Serves) -> None:
    approved(keyed, "cardio", ROUNDS)

    async def train() -> None:
        async with serves(1, 2, 3) as served:
            for one in served:
                await one.until(lambda one=one: scored(one, "cardio") == [1, 2, 3, 4])

    async def stay() -> None:
        async with serves(1, keep_models=3) as (one,):
            await one.until(lambda: models(keyed, 1) == [2, 3, 4])

    asyncio.run(train())
    assert models(keyed, 1) == models(keyed, 2) == [0, 1, 2, 3, 4]
    asyncio.run(stay())
    assert samples(keyed, 1) == [0, 1]
    here = local_facts(keyed.member(1))
    assert (here["models"], here["models_kept"]) == ({"cardio": 4}, {"cardio": 3})
    said, _ = keyed.typed(1, "status")
    assert "last models         cardio/4 (3 kept)" in said
    assert models(keyed, 2) == [0, 1, 2, 3, 4]


def test_a_program_says_how_many_and_is_told(keyed: Consortium) -> None:
    approved(keyed, "cardio", ROUNDS)
    told = list[Pruned]()
    notices = Notices(pruned=told.append)

    async def train(index: int, keep: int | None) -> list[Any]:
        home = keyed.folder / f"h{index}"
        about = {"passphrase": PASSPHRASE.text, "home": home, "keep_models": keep}
        hospital = Hospital.open(keyed.file, **about)  # type: ignore[arg-type]
        done = hospital.study("cardio").train(notices=notices)
        return [one.number async for one in done]

    async def run() -> list[Any]:
        return await asyncio.gather(train(1, 2), train(2, None), train(3, 9))

    assert asyncio.run(run()) == [[1, 2, 3, 4]] * 3
    assert models(keyed, 1)[-2:] == [3, 4]
    assert models(keyed, 1)[0] > 0
    assert models(keyed, 2) == models(keyed, 3) == [0, 1, 2, 3, 4]
    assert [(one.study, one.keep) for one in told] == [("cardio", 2)]


# ── what is typed ──


def typed(made: Consortium, *words: str, **variables: str) -> tuple[int, str]:
    given = ["train", str(made.file), "--study", "cardio", "--timeout", "0.2", *words]
    environment = {**made.environment(1), **variables, "COLUMNS": "1000"}
    found = CliRunner().invoke(app, given, env=environment)
    return found.exit_code, " ".join(found.output.split())


@pytest.mark.parametrize("wrong", ["1", "0", "-3", "all"])
def test_fewer_than_two_is_wrong_usage(keyed: Consortium, wrong: str) -> None:
    code, said = typed(keyed, "--keep-models", wrong)
    assert code == 2
    assert "--keep-models" in said
    code, said = typed(keyed, QUORATE_KEEP_MODELS=wrong)
    assert code == 2
    assert "QUORATE_KEEP_MODELS" in said


def test_where_an_agent_runs_its_own_number_counts_and_train_says_so(keyed: Consortium) -> None:
    approved(keyed, "cardio", 1)
    with serving(keyed, 1, "--json", "--keep-models", "3") as process:
        running(process)
        code, said = typed(keyed, "--keep-models", "3")
        assert code == 2
        assert "an agent runs, which does as it was told at its start" in said
        assert "give --keep-models to serve" in said
        code, said = typed(keyed, QUORATE_KEEP_MODELS="3")
        assert (code, "--keep-models" in said) == (1, False)  # its time is over


def test_both_ways_to_say_it_reach_the_hospital(
    keyed: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, stores = list[int | None](), list[str | None]()

    def made(member: Membership, steps: Any, keep: int | None, direct: Any) -> Hospital:
        found.append(keep)
        stores.append(direct and direct.client._source.path)
        return Hospital(member, steps, keep, direct)

    monkeypatch.setattr("participant.cli.work.working.Hospital", made)
    typed(keyed)
    typed(keyed, "--keep-models", "7")
    typed(keyed, QUORATE_KEEP_MODELS="8")
    typed(keyed, "--blobs-from", "https://s3.example.org/one/")
    typed(keyed, QUORATE_BLOBS_FROM="https://s3.example.org/two")
    assert found == [None, 7, 8, None, None]
    assert stores == [None, None, None, "/one", "/two"]


# ── what is said ──

SOME = Pruned("cardio", 10, (0, 1, 2), ())


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (SOME, "It has deleted 3 older ones, up to now."),
        (SOME._replace(gone=(0,)), "It has deleted 1 older one, up to now."),
        (
            SOME._replace(left=(4, 5)),
            "up to now. Left where they are, since they cannot be read or deleted, or are not the "
            "models of before: those after rounds 4, 5.",
        ),
        (
            SOME._replace(gone=(), left=tuple(range(11))),
            "of cardio. Left where they are, since they cannot be read or deleted, or are not the "
            "models of before: those after rounds 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ….",
        ),
    ],
)
def test_people_read_what_was_deleted(found: Pruned, line: str) -> None:
    assert pruned_line(found).startswith("This hospital keeps the newest 10 models of cardio")
    assert pruned_line(found).endswith(line)


def test_it_is_told_aside_and_in_the_log(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    link_notices("https://a", lambda text: None, lambda: None).pruned(SOME)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", pruned_line(SOME) + "\n")
    ServiceLog(None, True).notices.pruned(SOME)  # type: ignore[arg-type]
    logged = capsys.readouterr().out
    assert '"event": "pruned"' in logged
    assert '"keep": 10' in logged
    assert '"gone": [0, 1, 2]' in logged
