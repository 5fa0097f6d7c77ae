"""Notices about the work of an agent, as they cross its door."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from participant.agent import SetBack
from participant.door.messages import Noticed, NoticeKind, facts_of, read_facts
from participant.errors import DiskError, Unreachable
from participant.network import Notices
from protocol.errors import BadTerms, Malformed
from protocol.terms import parse_card, render_card

FOLLOWED = ("training", "printed")  # notices for who follows a training


@dataclass(frozen=True)
class Follower:
    """Who follows a training: its events, as its journal has them, and what its app prints."""

    event: Callable[[dict[str, Any]], None]
    printed: Callable[[str, bool], None]

    def hear(self, noticed: Noticed) -> None:
        """Take what was received; raises Malformed for other facts."""
        facts = read_facts(noticed.facts)
        try:
            if noticed.kind == "printed":
                self.printed(str(facts["line"]), bool(facts["is_error"]))
            elif facts:  # else they were too long to be shown
                self.event({**facts, "event": str(facts["event"]), "round": int(facts["round"])})
        except (KeyError, TypeError, ValueError, OverflowError):
            raise Malformed("answer", f"the facts of {noticed.kind!r} are others") from None


def telling_all(tell: Callable[[Noticed], object], moved: Callable[[], None]) -> Notices:
    """Notices that are sent, each as it comes."""

    def told(kind: NoticeKind, **facts: Any) -> None:
        tell(Noticed(kind, facts_of(facts)))

    return Notices(
        moved,
        lost=lambda r: told("lost", url=r.url, reason=r.reason, remedy=r.remedy),
        moving=lambda card: told("moving", card=render_card(card)),
        found=lambda: told("found"),
        stalled=lambda reason: told("stalled", reason=reason),
        taken=lambda: told("taken"),
        clocks_differ=lambda ahead: told("clocks", ahead=ahead),
        set_back=lambda found: told("set back", entry=found.entry, head=found.head),
        full=lambda e: told("full", path=str(e.path), reason=e.reason, number=e.number),
        room=lambda: told("room"),
    )


def hear(noticed: Noticed, notices: Notices) -> None:
    """Give a notice that was received to who is to be told; raises Malformed for other facts."""
    facts = read_facts(noticed.facts)
    try:
        if noticed.kind == "lost":
            notices.lost(Unreachable(*(str(facts[k]) for k in ("url", "reason", "remedy"))))
        elif noticed.kind == "moving":
            notices.moving(parse_card(str(facts["card"])))
        elif noticed.kind == "found":
            notices.found()
        elif noticed.kind == "stalled":
            notices.stalled(str(facts["reason"]))
        elif noticed.kind == "taken":
            notices.taken()
        elif noticed.kind == "clocks":
            notices.clocks_differ(float(facts["ahead"]))
        elif noticed.kind == "set back":
            notices.set_back(SetBack(int(facts["entry"]), int(facts["head"])))
        elif noticed.kind == "full":
            path, number = Path(str(facts["path"])), int(facts["number"])
            notices.full(DiskError(path, str(facts["reason"]), number))
        elif noticed.kind == "room":
            notices.room()
    except (KeyError, TypeError, ValueError, OverflowError, BadTerms):
        raise Malformed("answer", f"the facts of {noticed.kind!r} are others") from None
