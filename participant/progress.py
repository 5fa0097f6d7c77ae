"""A ceremony as people watch it: live on a terminal, a line a step elsewhere, or JSON lines.

How long it takes is a matter of luck: candidates are tried until one is good, so the number of
tries is geometric, and having waited long says nothing about how long there is still to wait.
"""

from __future__ import annotations

import json
import math
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import gmpy2
from gmpy2 import mpz
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from keyshare.modulus import expected_tests
from participant.errors import Unreachable
from participant.session import Notices
from protocol.ceremony import CeremonyProgress
from protocol.terms import Terms

CALIBRATION_SECONDS = 0.5


@dataclass(frozen=True)
class CeremonyFacts:
    """What there is to show of a ceremony.

    seconds: since all have joined, or until then since the start. expected_seconds: from the last
    joining to the end, in the mean of all ceremonies.
    """

    step: str
    joined: tuple[str, ...]
    waiting_for: tuple[str, ...]
    candidates: int
    expected_candidates: int
    tests: int
    expected_tests: float
    seconds: float
    expected_seconds: float

    @property
    def luck(self) -> str:
        """How many ceremonies end with at most so many candidates: 1 - exp(-tried/expected)."""
        if not self.candidates:
            return "trying candidates has not begun"
        share = -math.expm1(-self.candidates / self.expected_candidates)
        return f"{share:.0%} of all ceremonies are done after so many candidates"


class View(Protocol):
    """Shows facts, and notices about the link."""

    def __enter__(self) -> View: ...
    def __exit__(self, *error: object) -> None: ...
    def show(self, facts: CeremonyFacts) -> None: ...
    def note(self, text: str) -> None: ...


class Watch:
    """Makes facts of a ceremony's progress, with the time that it takes."""

    def __init__(self, terms: Terms, clock: Callable[[], float] = time.monotonic) -> None:
        self._terms, self._clock, self._started = terms, clock, clock()
        tests = expected_tests(terms.key_bits, terms.n_members)
        self._calibrated = tests * seconds_per_test(terms.key_bits)
        self._all_here = False

    def facts(self, progress: CeremonyProgress) -> CeremonyFacts:
        """What to show now."""
        waiting = progress.waiting_for
        everyone = range(1, self._terms.n_members + 1)
        absent = waiting if progress.step == "join" else ()
        if progress.step != "join" and not self._all_here:
            self._all_here, self._started = True, self._clock()
        seconds = self._clock() - self._started
        measured = seconds / progress.candidates if progress.candidates else 0.0
        return CeremonyFacts(
            progress.step,
            tuple(self._terms.name_of(m) for m in everyone if m not in absent),
            tuple(self._terms.name_of(m) for m in waiting),
            progress.candidates,
            math.ceil(progress.expected_candidates),
            progress.tests,
            progress.expected_tests,
            seconds,
            max(1.0, self._calibrated, measured * progress.expected_candidates),
        )


def seconds_per_test(bits: int, limit: float = CALIBRATION_SECONDS) -> float:
    """What one modular exponentiation of the key's size takes here, measured for ``limit`` s."""
    modulus = mpz(secrets.randbits(bits)) | (mpz(1) << (bits - 1)) | 1
    base, exponent = modulus // 3, modulus >> 2
    count, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < limit or not count:
        gmpy2.powmod(base, exponent, modulus)
        count += 1
    return taken / count


class LiveView:
    """Redrawn in place; the clock runs on between two steps."""

    def __init__(self, terms: Terms, console: Console) -> None:
        self._terms = terms
        self._facts: CeremonyFacts | None = None
        self._shown_at = time.monotonic()
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=2, transient=True
        )

    def __enter__(self) -> View:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show(self, facts: CeremonyFacts) -> None:
        self._facts, self._shown_at = facts, time.monotonic()

    def note(self, text: str) -> None:
        self._live.console.print(Text(text))

    def _render(self) -> RenderableType:
        facts = self._facts
        if facts is None:
            return Text("connecting …")
        members = Table.grid(padding=(0, 2))
        for member in self._terms.members:
            members.add_row(member.name, _state(member.name, facts))
        seconds = facts.seconds + time.monotonic() - self._shown_at
        tried = f"{facts.candidates} tried, about {facts.expected_candidates} expected"
        rows = Table.grid(padding=(0, 2))
        rows.add_row("step", facts.step)
        rows.add_row("candidates", tried)
        rows.add_row("tests", f"{facts.tests} done, about {facts.expected_tests:.0f} expected")
        rows.add_row("time", f"{_clock(seconds)}, about {_clock(facts.expected_seconds)} expected")
        rows.add_row("", facts.luck)
        return Group(Text(f"Key ceremony of {self._terms.name}"), members, rows)


class LineView:
    """One line for each step of each batch, and while members join one for each of them."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._last: tuple[object, ...] | None = None

    def __enter__(self) -> View:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to put back."""

    def show(self, facts: CeremonyFacts) -> None:
        waiting = facts.waiting_for if facts.step == "join" else ()
        if self._last == (now := (facts.step, facts.candidates, waiting)):
            return
        self._last = now
        if facts.step == "join":
            line = f"joined: {_list(facts.joined)}; waiting for {_list(facts.waiting_for)}"
        else:
            line = (
                f"step {facts.step}: {facts.candidates} candidates tried (about "
                f"{facts.expected_candidates} expected), {facts.tests} tests, {facts.luck}"
            )
        expected = _clock(facts.expected_seconds)
        self._write(f"[{_clock(facts.seconds)} of about {expected}] {line}")

    def note(self, text: str) -> None:
        self._write(text)


class JsonView(LineView):
    """The same occasions as a line of JSON each."""

    def show(self, facts: CeremonyFacts) -> None:
        now = (facts.step, facts.candidates, facts.waiting_for)
        if self._last != now:
            self._last = now
            self._say("progress", **{f: getattr(facts, f) for f in facts.__dataclass_fields__})

    def note(self, text: str) -> None:
        self._say("note", text=text)

    def _say(self, event: str, **facts: Any) -> None:
        self._write(json.dumps({"event": event, **facts}))


def view_of(terms: Terms, as_json: bool) -> View:
    """The view that suits where the output goes."""
    console = Console()
    if as_json:
        return JsonView(_print)
    return LiveView(terms, console) if console.is_terminal else LineView(_print)


def link_lost(reason: Unreachable) -> str:
    """What people are told when the aggregator is out of reach."""
    since = time.strftime("%H:%M:%S")
    return (
        f"aggregator at {reason.url} not reachable ({reason.reason}); "
        f"trying again, waiting since {since}"
    )


def link_notices(
    url: str, write: Callable[[str], None], moved: Callable[[], None] = lambda: None
) -> Notices:
    """Notices that tell when the link is lost, and when it is there again."""
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

    return Notices(moved, lost, found)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _state(name: str, facts: CeremonyFacts) -> str:
    if name not in facts.joined:
        return "has not joined yet"
    return "is waited for" if name in facts.waiting_for else "here"


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nobody"


def _clock(seconds: float) -> str:
    """9 s, 1:09 min, 1:01 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
