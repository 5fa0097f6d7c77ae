"""What is said of studies: of plans, of apps, and of what this hospital has not approved."""

from pathlib import Path

from participant import errors
from participant.cli.sentences.sentence import COMMAND, REFUSED, Context, Said, Sentence, plain
from protocol.errors import BadPlan
from protocol.words import pasted, shown

_MOST = 10  # names of studies in a sentence
_STUDY = f"{COMMAND} study"


def _bad_plan(e: BadPlan, c: Context) -> Sentence:
    if option := c.option_of(e.field):
        return Sentence(f"{option} ({e.field}): {e.reason}", "give another. Nothing was written")
    where = f"{c.plan}: " if c.plan else ""
    return Sentence(
        f"{where}{e.field}: {e.reason}", "correct it in the plan's file. Nothing was sent"
    )


def _unknown(e: errors.UnknownStudy, c: Context) -> Sentence:
    known = [shown(name) for name in e.known[:_MOST]]
    more = len(e.known) - len(known)
    names = ", ".join([*known, f"{more} more"] if more else known)
    there = f"There are {names}" if known else "There is none yet"
    return Sentence(
        f"nobody has proposed a study {shown(e.study)}. {there}",
        f"see how they stand: {_STUDY} list {c.here}",
    )


def _other_kind(e: errors.OtherKind, c: Context) -> Sentence:
    if e.kind == "training":
        what = f"{e.study} trains a model, and takes no numbers"
        command = f"{COMMAND} train {c.here} --study {e.study} --app APP.py"
    else:
        what = f"{e.study} is a statistic, and runs no app"
        command = f"{COMMAND} contribute NUMBERS.csv --federation {c.here} --study {e.study}"
    return Sentence(what, f"take part in it: {command}")


def _other_plan(e: errors.OtherPlan, c: Context) -> Sentence:
    return Sentence(
        f"the plan of {e.study} on the board has the digest {e.found.hex()}, not "
        f"{e.expected.hex()}, of the plan that was looked at",
        f"nothing was approved. Look at the plan on the board: {_STUDY} show {e.study} {c.here}",
        REFUSED,
    )


def _not_in(e: errors.NotInStudy, c: Context) -> Sentence:
    return Sentence(
        f"{e.name} is not among the members of {e.study}, so it cannot contribute to it",
        f"it may help to open its sums: {_STUDY} approve {e.study} {c.here} --only open",
    )


def _not_approved(e: errors.NotApproved, c: Context) -> Sentence:
    what = "contribute to" if e.what == "contribute" else "open the sums of"
    has = "has withdrawn its approval" if e.withdrawn else "has not approved"
    return Sentence(
        f"this hospital {has} to {what} {e.study}, so it does not",
        f"look at it: {_STUDY} show {e.study} {c.here}. If the hospital agrees: "
        f"{_STUDY} approve {e.study} {c.here}",
        REFUSED,
    )


def _ended(e: errors.StudyEnded, c: Context) -> Sentence:
    kept = f". Its results up to round {e.finished} are kept" if e.finished else ""
    return Sentence(
        f"{e.study} was ended by the votes of {', '.join(e.by)}{kept}",
        f"what is to go on is another study: {_STUDY} new FILE {c.pasted}",
    )


def _lost(e: errors.LostRound, c: Context) -> Sentence:
    return Sentence(
        f"{e.round_name} is lost: the key was handed over before its sum was opened, and nobody "
        "opens it any more",
        f"a study that trains goes on by itself from the model before. A statistic does not: "
        f"propose it anew under another name, and end this one: {_STUDY} end {e.study} {c.here}",
    )


def _other_app(e: errors.OtherApp, c: Context) -> Sentence:
    if e.by == "command":
        return Sentence(
            f"the agent that runs finds another app at {e.app}: its SHA-256 is {e.found.hex()}, "
            f"and this command has read {e.expected.hex()}",
            "put the app where both see the same files. Nothing was approved or run",
            REFUSED,
        )
    by = "the plan says" if e.by == "plan" else "the one that was approved here has"
    found = f"its SHA-256 is {e.found.hex()}" if e.found else "it is no file"
    remedy = "give the app that the proposer handed out with the plan"
    if e.by == "approval":
        remedy = f"give that one, or approve this one: {_STUDY} approve {e.study} {c.here} "
        remedy += f"--unpinned --app {pasted(Path(e.app))}"
    return Sentence(
        f"{e.app} is not the app of {e.study}: {found}, and {by} {e.expected.hex() or 'none'}",
        f"{remedy}. Nothing of it was run",
        REFUSED,
    )


def _no_start(e: errors.NoStart, c: Context) -> Sentence:
    return Sentence(
        f"{e.study} starts from the model of {e.start}, which cannot be had here: {e.reason}",
        "copy that model from the data folder of a hospital that has it. It is the same "
        f"everywhere. Its place here: {c.placed(e.place)}",
    )


STUDIES: Said = {
    BadPlan: _bad_plan,
    errors.UnknownStudy: _unknown,
    errors.OtherKind: _other_kind,
    errors.StudyTaken: plain(
        "the name {e.study} is taken: {e.proposer} has proposed another plan under it",
        "no name is used twice in a federation. Give the plan another name. Nothing was sent",
    ),
    errors.OtherPlan: _other_plan,
    errors.NotInStudy: _not_in,
    errors.NotApproved: _not_approved,
    errors.ApprovedLate: plain(
        "{e.round_name} was opened before this hospital had approved it, and it is the only round "
        "of {e.study}",
        "the sum goes on without this hospital. Ask for another study. No number was sent",
    ),
    errors.StudyEnded: _ended,
    errors.LostRound: _lost,
    errors.UnpinnedApp: plain(
        "the plan of {e.study} does not say which app is run, so that each hospital runs what it "
        "has",
        "ask the proposer for a plan that pins it (study new --app). Or approve it as it is, with "
        "--unpinned",
        REFUSED,
    ),
    errors.OtherApp: _other_app,
    errors.AppOutOfReach: plain(
        "the agent that runs cannot read the app {e.app}: {e.reason}",
        "put it where the agent's user, under its service's rules, may read it. Nothing was "
        "approved or run",
    ),
    errors.MissingApp: plain(
        "{e.study} trains, and no app was given or approved here", "give it: --app APP.py"
    ),
    errors.OtherTraining: plain(
        "the agent trains in {e.study} already, with another app",
        "leave --app out, to follow that. Or approve this app with study approve, and start the "
        "agent again",
    ),
    errors.NoStart: _no_start,
}
