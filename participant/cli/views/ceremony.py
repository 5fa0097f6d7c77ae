"""A ceremony as people watch it: live on a terminal, a line a step elsewhere, or JSON lines.

How long it takes is a matter of luck, so nothing here is a bar that fills: what is shown is how
many of all ceremonies are done by now, and what is still to go in the mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, astuple
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from participant.agent import SetBack
from participant.ceremony import CeremonyOutlook, Expectation
from participant.cli.views.terminal import new_console, say, say_json
from participant.errors import DamagedFile, DiskError, StoreRefuses, Unreachable
from participant.network import Notices
from participant.pruning import Pruned
from protocol.terms import AddressCard, Terms
from protocol.words import line, shown
from protocol.words.counted import counted
from protocol.words.duration import duration

_MOST_LEFT = 10  # rounds that a line names


class View(Protocol):
    """Shows what is expected, facts, and notices about the link."""

    def __enter__(self) -> View:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to put back."""
        return None

    def expect(self, expectation: Expectation) -> None: ...
    def show(self, facts: CeremonyOutlook) -> None: ...
    def note(self, text: str) -> None: ...


class LiveView:
    """Redrawn in place; the clock runs on between two steps."""

    def __init__(
        self, terms: Terms, console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._terms, self._clock = terms, clock
        self._facts: CeremonyOutlook | None = None
        self._shown_at = clock()
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=2, transient=True
        )

    def __enter__(self) -> View:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def expect(self, expectation: Expectation) -> None:
        self.note(_expected(expectation))

    def show(self, facts: CeremonyOutlook) -> None:
        self._facts, self._shown_at = facts, self._clock()

    def note(self, text: str) -> None:
        self._live.console.print(Text(line(text)))

    def _render(self) -> RenderableType:
        facts = self._facts
        if facts is None:
            return Text("connecting …")
        members = Table.grid(padding=(0, 2))
        for member in self._terms.members:
            members.add_row(Text(shown(member.name)), _state(member.name, facts))
        if _is_long(facts):
            members.add_row("", Text(line(_long_wait(facts))))
        rows = Table.grid(padding=(0, 2))
        rows.add_row("step", Text(shown(_step(facts.step))))
        if facts.step != "join":
            tried = f"{facts.candidates} tried, about {facts.expected_candidates} expected"
            rows.add_row("candidates", tried)
            tests = f"{facts.tests} done, about {facts.expected_tests:.0f} expected"
            rows.add_row("tests", tests)
            rows.add_row("luck", _luck(facts))
        rows.add_row("time", self._time(facts))
        return Group(Text(line(f"Key ceremony of {self._terms.name}")), members, rows)

    def _time(self, facts: CeremonyOutlook) -> str:
        since = self._clock() - self._shown_at
        # What is to be done once a candidate is found is known; the wait for one is not shorter
        # for having waited.
        left = max(0.0, facts.remaining_seconds - (since if facts.is_found else 0.0))
        return f"{duration(facts.elapsed_seconds + since)}; {_to_go(facts, left)}"


class LineView(View):
    """One line for each step of each batch, and while members join one for each of them."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._last: tuple[object, ...] | None = None

    def expect(self, expectation: Expectation) -> None:
        self._write(_expected(expectation))

    def show(self, facts: CeremonyOutlook) -> None:
        is_long = _is_long(facts)
        waiting = facts.waiting_for if facts.step == "join" or is_long else ()
        if self._last == (now := (_step(facts.step), facts.candidates, waiting)):
            return
        self._last = now
        if facts.step == "join":
            said = f"joined: {_list(facts.joined)}; waiting for {_list(facts.waiting_for)}"
        elif is_long:
            said = f"step {_step(facts.step)}: {_long_wait(facts)}"
        else:
            said = (
                f"step {_step(facts.step)}: {counted(facts.candidates, 'candidate')} tried "
                f"(about {facts.expected_candidates} expected), {counted(facts.tests, 'test')}; "
                f"{_luck(facts)}"
            )
        to_go = _to_go(facts, facts.remaining_seconds)
        self._write(f"[{duration(facts.elapsed_seconds)}] {said}; {to_go}")

    def note(self, text: str) -> None:
        self._write(text)


class JsonView(View):
    """An event whenever a step, the candidates tried or those waited for are others."""

    def __init__(self, write: Callable[[object], None]) -> None:
        self._write = write
        self._last: tuple[object, ...] | None = None

    def expect(self, expectation: Expectation) -> None:
        self._say("expected", **asdict(expectation))

    def show(self, facts: CeremonyOutlook) -> None:
        now = (facts.step, facts.candidates, facts.waiting_for, _is_long(facts))
        if self._last != now:
            self._last = now
            self._say("progress", **asdict(facts))

    def note(self, text: str) -> None:
        self._say("note", text=text)

    def _say(self, event: str, **facts: Any) -> None:
        rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in facts.items()}
        self._write({"event": event, **rounded})


def view_of(terms: Terms, as_json: bool) -> View:
    """The view that suits where the output goes."""
    console = new_console()
    if as_json:
        return JsonView(say_json)
    return LiveView(terms, console) if console.is_terminal else LineView(say)


def link_lost(reason: Unreachable) -> str:
    """What people are told when the aggregator is out of reach."""
    since = time.strftime("%H:%M:%S")
    remedy = f". {reason.remedy}" if reason.remedy else ""
    return (
        f"aggregator at {reason.url} not reachable ({reason.reason}); "
        f"trying again, waiting since {since}{remedy}"
    )


def stalled_line(reason: str) -> str:
    """What people are told while the aggregator takes nothing that is sent to it."""
    return (
        f"The aggregator does not take what this hospital sends: {reason}. It is kept here and "
        "sent again until it is taken, waiting since "
        f"{time.strftime('%H:%M:%S')}. Tell its operator"
    )


def clocks_line(ahead: float) -> str:
    """What people are told where this machine's clock and the aggregator's differ."""
    way = "behind" if ahead > 0 else "ahead of"
    return (
        f"This machine's clock is {duration(abs(ahead))} {way} the aggregator's: one of them is "
        "wrong. Nothing is opened, closed or given up by this machine's clock, but key check "
        "--together finds nobody until it is set right."
    )


def set_back_line(found: SetBack) -> str:
    """What people are told when the data folder is older than what the hospital has said."""
    return (
        f"This data folder has gone back in time: it does not know entry {found.entry} of the "
        "board, which this hospital signed. A snapshot or a backup was put back, or another copy "
        "of the folder is at work (then stop it). This hospital helps to decrypt no round that "
        f"was opened up to entry {found.head}. With later ones it helps again."
    )


def moving_line(card: AddressCard) -> str:
    """What people are told of a newer card of the aggregator."""
    trust = "public certificate authorities" if card.is_public else "a pinned key"
    return (
        f"The aggregator has a newer card, number {card.number}: {card.url}, with {trust}. "
        "From the next connection on it is looked for there"
    )


def full_line(error: DiskError) -> str:
    """What people are told when nothing can be stored."""
    return (
        f"This hospital cannot store anything: {error.path}: {error.reason}. Nothing is lost. It "
        f"goes on by itself once there is room, waiting since {time.strftime('%H:%M:%S')}"
    )


def uncopied_line(trouble: DiskError | DamagedFile) -> str:
    """What people are told when this hospital's own copy of the board is of no use."""
    why = f"{trouble.path}: {trouble.reason}"
    if isinstance(trouble, DiskError):
        return (
            f"This hospital keeps no copy of the board at the moment: {why}. Nothing is lost: what "
            "is not kept is read from the aggregator again"
        )
    return (
        f"This hospital's copy of the board is not as it was: {why}. What is damaged is removed, "
        "and read from the aggregator again. If nobody has changed the data folder, check the disk"
    )


def indirect_line(error: StoreRefuses | None) -> str:
    """What people are told when large blobs go through the aggregator, or no longer."""
    if error is None:
        return "Large blobs go by the object store again."
    return (
        f"The object store at {error.url} does not serve this hospital: {error.reason}. Large "
        "blobs go through the aggregator meanwhile. Compare --blobs-from with what the "
        "aggregator's log says it is"
    )


def pruned_line(found: Pruned) -> str:
    """What people are told when models of a study are deleted, or cannot be."""
    newest = f"This hospital keeps the newest {found.keep} models of {found.study}"
    said = f"{newest}. It has deleted {counted(len(found.gone), 'older one')}, up to now"
    if not found.gone:
        said = newest
    if found.left:
        rounds = ", ".join(map(str, found.left[:_MOST_LEFT]))
        more = ", …" if len(found.left) > _MOST_LEFT else ""
        said += (
            ". Left where they are, since they cannot be read or deleted, or are not the models of "
        )
        said += f"before: those after rounds {rounds}{more}"
    return f"{said}."


def link_notices(
    url: str, write: Callable[[str], None], moved: Callable[[], None] = lambda: None
) -> Notices:
    """Notices that tell when something hinders the work, and when it does no more."""
    is_lost = False

    def lost(reason: Unreachable) -> None:
        nonlocal is_lost
        is_lost = True
        write(link_lost(reason))

    def found() -> None:
        nonlocal is_lost
        if is_lost:
            is_lost = False
            write(f"connected again to {url}")

    return Notices(
        moved,
        lost,
        moving=lambda card: write(moving_line(card)),
        found=found,
        stalled=lambda reason: write(stalled_line(reason)),
        taken=lambda: write("The aggregator takes what this hospital sends again."),
        clocks_differ=lambda ahead: write(clocks_line(ahead)),
        set_back=lambda found: say(set_back_line(found), err=True),
        full=lambda error: say(full_line(error), err=True),
        room=lambda: say("There is room again: going on.", err=True),
        uncopied=lambda trouble: say(uncopied_line(trouble), err=True),
        indirect=lambda error: write(indirect_line(error)),
        pruned=lambda found: say(pruned_line(found), err=True),
    )


def _expected(expectation: Expectation) -> str:
    """What a hospital is told before the ceremony starts."""
    mean, half, most = (duration(max(1.0, seconds)) for seconds in astuple(expectation))
    return (
        f"Once all have joined, the ceremony will probably take about {mean}: half of all are done "
        f"within {half}, 19 of 20 within {most}."
    )


def _step(name: str) -> str:
    """A step as people see it: to commit to something and to open it is one for them."""
    return name.removesuffix("-commit")


def _luck(facts: CeremonyOutlook) -> str:
    if facts.is_found:
        return "a good candidate is found"
    if not facts.candidates:
        return "the first batch of candidates is in work"
    return f"{facts.share_done_by_now:.0%} of all ceremonies are done by now"


def _to_go(facts: CeremonyOutlook, seconds: float) -> str:
    if facts.step == "done":
        return "nothing to go"
    if facts.step == "join":
        return f"about {duration(seconds)} once all have joined"
    if facts.is_found:
        return f"about {duration(seconds)} to go"
    return f"about {duration(seconds)} to go in the mean, however long it has taken"


_LONG_SECONDS = 60.0  # a step takes no longer, as a rule, where all are there


def _is_long(facts: CeremonyOutlook) -> bool:
    """Whether people should be told for whom all wait, and how that ends."""
    return bool(facts.waiting_for) and facts.waited_seconds >= _LONG_SECONDS


def _long_wait(facts: CeremonyOutlook) -> str:
    return (
        f"waiting for {_list(facts.waiting_for)} for {duration(facts.waited_seconds)}. The "
        f"ceremony is given up when a step has lasted {duration(facts.step_seconds)}"
    )


def _state(name: str, facts: CeremonyOutlook) -> str:
    if name not in facts.joined:
        return "has not joined yet"
    return "is waited for" if name in facts.waiting_for else "here"


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nobody"
