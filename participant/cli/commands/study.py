"""``study``: what is computed, proposed by one hospital and approved by each for itself."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from participant.cli.commands.new_study import NewStudy, option_of
from participant.cli.sentences import Context
from participant.cli.views import (
    agrees,
    list_lines,
    plan_lines,
    say,
    say_json,
    sentence_of,
    study_facts,
    study_lines,
)
from participant.cli.work import (
    FEDERATION,
    FederationFile,
    Given,
    Json,
    Timeout,
    Worker,
    Yes,
    context_of,
    run,
    spread,
    study_name,
    telling,
    terms_in,
    worker_of,
)
from participant.disk import check_new
from participant.errors import NotAgreed, UnpinnedApp
from participant.study import (
    StudyStanding,
    Surroundings,
    check_app,
    given_app,
    read_plan,
    write_plan,
)
from participant.training import lacking_start
from protocol.board import Study
from protocol.words import pasted
from protocol.words.counted import counted

study_app = typer.Typer(help="What is computed: proposed by one hospital, approved by each.")

PlanFile = Annotated[Path, typer.Argument(help="The file of the plan.", metavar="FILE")]
Name = Annotated[str, typer.Argument(help="The study's name.", metavar="NAME", callback=study_name)]
_STUDY = "quorate-participant study"


@study_app.command("new")
@spread
def new(
    ctx: typer.Context, given: NewStudy, file: PlanFile, federation: FederationFile = FEDERATION
) -> None:
    """Write the plan of a new study, for people to read, edit and propose."""
    context = context_of(ctx)
    check_new(file)
    terms = terms_in(ctx, federation, signed=False).terms
    context.plan, context.option_of = file, option_of
    study = given.study(file, terms)
    write_plan(file, study)
    say(f"Plan of {study.name}: {file}. Nothing is sent yet. As it stands:")
    say()
    _show_plan(study)
    say()
    say("Read and edit it. Then propose it to the others, who each approve it or not:")
    say(f"{_STUDY} propose {pasted(file)} {context.pasted}")


@study_app.command("propose")
@spread
def propose(given: Given, plan: PlanFile, timeout: Timeout = None) -> None:
    """Post a plan on the board; nothing is approved by that, and nothing in it changes any more."""
    context = given.context
    context.plan = plan
    study = read_plan(plan, given.terms(signed=True).terms)
    worker = worker_of(given)
    notices = telling(worker, context)
    run(partial(worker.propose, study, timeout=timeout, notices=notices), worker)
    say(f"Proposed: {study.name} of {worker.terms.name}. The name is taken for good.")
    say("Next, each hospital for itself, this one too:")
    say(f"{_STUDY} approve {study.name} {context.pasted}")


@study_app.command("show")
@spread
def show(
    given: Given,
    what: Annotated[
        str, typer.Argument(help="A study's name, or a plan's file (.toml).", metavar="NAME|FILE")
    ],
    timeout: Timeout = None,
) -> None:
    """Say in words what is computed, by whom, what is sent, what comes out, and what guards it."""
    if what.endswith(".toml") or "/" in what:
        given.context.plan = Path(what)
        _show_plan(read_plan(Path(what), given.terms(signed=False).terms))
        return
    worker = worker_of(given)
    found = _standing(worker, study_name(what), given.context, timeout)
    for line in study_lines(found, worker.name):
        say(line)


@study_app.command("approve")
@spread
def approve(
    given: Given,
    name: Name,
    app: Annotated[
        Path | None, typer.Option(help="The app that is run here: its SHA-256 must be the plan's.")
    ] = None,
    only: Annotated[
        Literal["contribute", "open"] | None,
        typer.Option(help="Only contribute, or only help to open the sums. Else both."),
    ] = None,
    unpinned: Annotated[
        bool, typer.Option("--unpinned", help="Approve a plan that says nothing of the app.")
    ] = False,
    yes: Yes = False,
    timeout: Timeout = None,
) -> None:
    """Approve a study, after a look at all of it. It acts from its next round on."""
    worker = worker_of(given)
    found = _standing(worker, name, given.context, timeout)
    study, own = found.study, worker.name
    if app is not None and study.is_training:
        check_app(study, None, given_app(app, Surroundings(worker.folder / "errors")))
    if study.is_training and not study.training.app and not unpinned:
        raise UnpinnedApp(name)
    for line in study_lines(found, own):
        say(line)
    say()
    contributes = only != "open" and worker.index in study.members
    what = _what(contributes or only == "contribute", only != "contribute")
    if not (yes or agrees(f"Approve {name} as {own}, {what}?")):
        raise NotAgreed(f"to approve {name}")
    course = partial(
        worker.study(name).approve,
        app,
        plan=study.digest,
        contribute=None if only is None else only == "contribute",
        opens=only != "contribute",
        unpinned=unpinned,
        timeout=timeout,
        notices=telling(worker, given.context),
    )
    run(course, worker)
    say(f"Approved by {own}: {name}, {what}. It acts from the next round on.")
    if not contributes:
        return
    if study.is_training and (lack := lacking_start(study, worker.folder)):
        said = sentence_of(lack, given.context)
        say(f"Before it can train: {said.what}. {said.remedy}")
    say(f"Next: {_next(study, given.context.here, app)}")


@study_app.command("withdraw")
@spread
def withdraw(given: Given, name: Name, timeout: Timeout = None) -> None:
    """Take this hospital's approval back. It acts from the study's next round on."""
    worker = worker_of(given)
    notices = telling(worker, given.context)
    run(partial(worker.study(name).withdraw, timeout=timeout, notices=notices), worker)
    own = worker.name
    say(f"Withdrawn by {own}: {name}. No set that is closed from now on has this hospital in it.")
    say("What was opened before stays open. Its part of a sum that it has agreed to is still sent.")


@study_app.command("end")
@spread
def end(given: Given, name: Name, yes: Yes = False, timeout: Timeout = None) -> None:
    """Vote to end a study for all; it ends once enough members have voted."""
    worker = worker_of(given)
    needed = worker.terms.lock_threshold
    if not (yes or agrees(f"Vote to end {name}, for all hospitals and for good?")):
        raise NotAgreed(f"to end {name}")
    notices = telling(worker, given.context)
    found = run(partial(worker.study(name).end, timeout=timeout, notices=notices), worker)
    if found.phase == "ended":
        say(f"{name} has ended, by the votes of {', '.join(found.votes)}.")
        return
    say(f"{worker.name} votes to end {name}. It takes {counted(needed, 'vote')}.")
    say(f"How it stands: {_STUDY} show {name} {given.context.here}")


@study_app.command("list")
@spread
def list_all(given: Given, timeout: Timeout = None, as_json: Json = False) -> None:
    """List all studies, with the state of each."""
    worker = worker_of(given)
    notices = telling(worker, given.context, as_json)
    found = run(partial(worker.studies, timeout=timeout, notices=notices), worker)
    if as_json:
        say_json({"event": "studies", "studies": [study_facts(one) for one in found.values()]})
        return
    for line in list_lines(found):
        say(line)
    if not found:
        say(f"No study of {worker.terms.name} has been proposed yet. A plan is written by:")
        say(f"{_STUDY} new FILE {given.context.pasted}")


def _show_plan(study: Study) -> None:
    for line in plan_lines(study):
        say(line)


def _standing(worker: Worker, name: str, context: Context, timeout: float | None) -> StudyStanding:
    notices = telling(worker, context)
    return run(partial(worker.study(name).standing, timeout=timeout, notices=notices), worker)


def _what(contributes: bool, opens: bool) -> str:
    both = [*["to contribute"] * contributes, *["to help to open its sums"] * opens]
    return " and ".join(both)


def _next(study: Study, here: str, app: Path | None) -> str:
    if study.is_training:
        needed = "" if app else " --app APP.py"  # the approved one is run
        return f"quorate-participant train {here} --study {study.name}{needed}"
    command = "quorate-participant contribute NUMBERS.csv --federation"
    return f"{command} {here} --study {study.name}"
