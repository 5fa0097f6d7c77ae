"""A running agent as people and programs see it: in ``status``, and in what ``serve`` logs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from participant.agent import SetBack
from participant.cli.sentences import (
    Context,
    lines_of,
    round_of,
    step_words,
    waiting_event,
    waiting_line,
)
from participant.cli.views.ceremony import (
    clocks_line,
    full_line,
    indirect_line,
    link_lost,
    moving_line,
    pruned_line,
    set_back_line,
    stalled_line,
    uncopied_line,
)
from participant.cli.views.speaking import sentence_of
from participant.cli.views.terminal import say, say_json
from participant.cli.views.vigil import Vigil
from participant.door import AgentStanding, AgentState, JobWanted, Waits, waiting_of
from participant.errors import DiskError, UnfitNumbers, Unreachable
from participant.network import Notices
from participant.service import TaskAt
from participant.training import Event, plain_value
from protocol.words import shown
from protocol.words.duration import duration

_STATES: Mapping[AgentState, str] = {
    "starting": "starting",
    "passphrase": "waiting for the passphrase. Type it where the agent runs",
    "running": "at work",
    "stopping": "about to end",
}


def show_agent(found: AgentStanding, c: Context) -> None:
    """Print what the agent is at."""
    say(f"Agent: process {found.process}, for {duration(found.up_seconds)}: {_STATES[found.state]}")
    for task in found.tasks:
        waiting = waiting_of(task.waits)
        whom = f", waiting for {c.names(waiting.members)}" if waiting.members else ""
        say(f"  {_task(task.task, task.session)}: {step_words(waiting, c)}{whom}")


def agent_facts(found: AgentStanding, c: Context) -> dict[str, Any]:
    """The same for programs."""
    return {
        "state": found.state,
        "ready": int(found.state == "running"),
        "process": found.process,
        "up_seconds": round(found.up_seconds, 1),
        "tasks": [
            {
                "task": task.task,
                "session": task.session or None,
                "waiting": _waiting_event(task.waits, found.member, c),
            }
            for task in found.tasks
        ],
    }


def _waiting_event(waits: Waits, own: int, c: Context) -> dict[str, Any]:
    there = replace(c, is_statistic=lambda study: waits.is_statistic)
    return waiting_event(waiting_of(waits), 0.0, own, there)


def _task(task: str, session: str) -> str:
    return f"{task} ({shown(session)})" if session else task


class ServiceLog:
    """What ``serve`` logs: a line an event, for people or, as JSON, for programs."""

    def __init__(self, context: Context, as_json: bool) -> None:
        self._context, self._as_json = context, as_json
        self._vigils: dict[str, Vigil] = {}
        self.notices = Notices(
            lost=self._lost,
            moving=lambda card: self._log(
                "moving", moving_line(card), number=card.number, url=card.url
            ),
            found=self._found,
            stalled=lambda reason: self._warn("stalled", stalled_line(reason), reason=reason),
            taken=lambda: self._log("taken", "the aggregator takes what this hospital sends again"),
            clocks_differ=lambda ahead: self._warn("clocks", clocks_line(ahead), ahead=ahead),
            set_back=self._set_back,
            full=self._full,
            room=lambda: self._log("room", "there is room again: going on"),
            uncopied=lambda trouble: self._warn(
                "uncopied", uncopied_line(trouble), path=str(trouble.path), reason=trouble.reason
            ),
            indirect=lambda error: self._log(
                "indirect", indirect_line(error), reason=error.reason if error else None
            ),
            pruned=lambda found: self._log("pruned", pruned_line(found), **found._asdict()),
        )

    def state(self, state: AgentState) -> None:
        """The service is in another state."""
        self._log("state", f"the agent is {_STATES[state]}", state=state)

    def began(self, task: str, session: str) -> None:
        """A task has begun."""
        self._log("began", f"{_task(task, session)}: begun", task=task, session=session or None)

    def ended(self, task: str, session: str, error: Exception | None) -> None:
        """A task is done, or has ended with an error."""
        self._vigils.pop(_task(task, session), None)
        about: dict[str, Any] = {"task": task, "session": session or None}
        if error is None:
            self._log("done", f"{_task(task, session)}: done", **about)
            return
        if isinstance(error, UnfitNumbers):  # which quotes them: it is said to the command alone
            error = UnfitNumbers("what was given", "the command that gave it says why")
        said = sentence_of(error, self._context)
        text = f"{_task(task, session)} has ended: {said.what}. {said.remedy}"
        self._log("failed", text, "error", **about, what=said.what, remedy=said.remedy)

    def apps_run_here(self) -> None:
        """Apps are run as the user of this process."""
        text = (
            "Apps run as this process's user. Its memory is closed to them, and its files are not: "
            "only another user is a boundary (--app-user)"
        )
        self._warn("apps", text)

    def event(self, event: Event) -> None:
        """Something has happened in a round of training."""
        if self._as_json:
            facts = {k: v for k, v in event.items() if k not in ("event", "time", "level")}
            self._log("training", "", what=event["event"], **facts)
            return
        lines = lines_of(event)
        if event["event"] == "evaluated":
            lines = [f"{round_of(event)} is done: loss {event['loss']:.4f}"]
        for text in lines:
            self._log("training", text)

    def printed(self, study: str, line: str, is_error: bool) -> None:
        """The app of a study has printed a line."""
        self._log("printed", f"{study}, app: {line}", study=study, line=line, is_error=is_error)

    def waits(self, own: int, tasks: Sequence[TaskAt]) -> None:
        """What tasks wait for, told now and then."""
        for task in tasks:
            name = _task(task.name, task.session)
            vigil = self._vigils.setdefault(name, Vigil())
            self._wait(vigil, name, task, own)

    def _wait(self, vigil: Vigil, name: str, task: TaskAt, own: int) -> None:
        waiting = task.waiting
        what = (waiting.kind, step_words(waiting, self._context))
        seconds, is_due = vigil.look(what, waiting.members)
        if not is_due:
            return
        about = waiting_event(waiting, seconds, own, self._context)
        text = waiting_line(waiting, seconds, own, self._context)
        facts = {**about, "task": task.name, "session": task.session or None}
        self._log("waiting", f"{name}: {text}", **{k: v for k, v in facts.items() if k != "event"})

    def job(self, wanted: JobWanted, error: BaseException | None, is_over: bool) -> None:
        """A command has come with a job, or its job is over."""
        job = type(wanted.job).__struct_config__.tag
        end = "given up, or failed" if error else "done" if is_over else "asked for by a command"
        self._log("job", f"{job}: {end}", job=str(job), is_over=is_over, is_done=not error)

    def stopped(self, left: Sequence[TaskAt], is_sending: bool) -> None:
        """Nothing is done any more; what is left, the next start goes on with."""
        names = [_task(task.name, task.session) for task in left]
        kept = " What this hospital was sending is kept, and sent then." if is_sending else ""
        went = f" Left, and gone on with at the next start: {', '.join(names)}." if names else ""
        self._log("stopped", f"the agent has ended.{went}{kept}", left=names, is_sending=is_sending)

    def _lost(self, reason: Unreachable) -> None:
        facts = {"url": reason.url, "reason": reason.reason, "remedy": reason.remedy}
        self._warn("link lost", link_lost(reason), **facts)

    def _found(self) -> None:
        self._log("link", "connected to the aggregator")

    def _set_back(self, found: SetBack) -> None:
        self._warn("set back", set_back_line(found), entry=found.entry, head=found.head)

    def _full(self, error: DiskError) -> None:
        self._warn("full", full_line(error), path=str(error.path), reason=error.reason)

    def _warn(self, event: str, text: str, **facts: Any) -> None:
        self._log(event, text, "warning", **facts)

    def _log(self, event: str, text: str, level: str = "info", **facts: Any) -> None:
        if self._as_json:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            say_json({"time": now, "level": level, "event": event, **facts}, default=plain_value)
        else:
            say(f"{time.strftime('%H:%M:%S')} {text}")
