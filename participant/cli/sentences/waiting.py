"""What people are told while a command waits: for whom, since when, why, and what to type."""

from collections.abc import Mapping, Sequence
from typing import Any

from participant.cli.sentences.handover import STEPS as HANDOVER_STEPS
from participant.cli.sentences.handover import command_of, free_folder, held_folder
from participant.cli.sentences.model import disagreement
from participant.cli.sentences.omissions import held_back
from participant.cli.sentences.sentence import COMMAND, Context
from participant.waiting import Waiting
from protocol.messages import read_session
from protocol.terms import AGGREGATOR
from protocol.words import barred_by, due, number_of, pasted, round_name, shown, ways_out
from protocol.words.duration import duration

_WHY = {
    "link": "The connection is tried again and again.",
    "stalled": "What this hospital sends is kept here, and sent again until it is taken.",
    "board": "Nothing is missing but what is on its way from there.",
    "upload": "The others wait for this hospital until it is there.",
    "vector": "Nothing is missing but what is on its way from there.",
    "join": "All members take part in a key ceremony, and none begins before all have joined.",
    "ceremony": "A step needs the message of every member.",
    "seeds": "Until they disclose their seeds, nothing is known about them.",
    "statements": "They have not said at which model they stand.",
    "opening": "All that the round needs is there.",
    "contributions": "They have not contributed. They may be at work, or have no examples.",
    "sum": "All have contributed, and the sum is being made.",
    "locks": "They have not said whether they agree to the sum.",
    "checksums": "With the checksums in their messages nobody has to read all vectors.",
    "parts": "Their part of the decryption is not there.",
    "approvals": "A round opens once enough approve the study.",
    "other-rounds": "They begin where this one begins. Only one after the other can be added.",
    "inheritance": "The key counts here once enough members have said the same of it.",
    "check": "Their part of the check is not there.",
    "handover": "The key is handed over when all that is due has been said.",
    "folder": "Once that has ended, this one goes on by itself.",
    "app": "The app begins, trains, or scores a model. The others may wait for it.",
}
_STEPS = {  # in words, with the facts, the round's ``name`` and its ``study``
    "stalled": "the aggregator does not take what is sent to it ({reason})",
    "join": "{session}, step {step}",
    "ceremony": "{session}, step {step}",
    "seeds": "seeds disclosed after the abort of {session}",
    "approvals": "approvals of {study}",
    "other-rounds": "the end of {listed}",
    "statements": "the opening of {name}",
    "agreement": "the same model at enough hospitals after {name}",
    "opening": "the opening of {name}",
    "contributions": "contributions to {name}",
    "held-back": "{name}, which is held back",
    "sum": "the sum of {name}",
    "locks": "agreement on the sum of {name}",
    "checksums": "the checksums of {name}",
    "parts": "partial decryptions of {name}",
    "inheritance": "word that they have the key of the federation before",
    "record": "the board and its payloads",
    "app": "its app, at work on {name}",
    "task": "its task",
}
_BY_ITSELF = "There is nothing to do: it goes on by itself."
_ONCE_THERE_ARE = (
    "If it had no examples: once it has some, stop this command and type the same again."
)
_TOO_FEW = "Too few are left to open the sum."
_OPERATOR = "It goes on by itself. If it lasts, ask the aggregator's operator."
_REMEDIES = {
    "link": "Ask the aggregator's operator whether it runs: quorate-aggregator serve",
    "stalled": "Tell the aggregator's operator.",
    "board": _BY_ITSELF,
    "upload": _BY_ITSELF,
    "vector": _BY_ITSELF,
    "opening": _OPERATOR,
    "sum": _OPERATOR,
    "checksums": _BY_ITSELF,
    "app": "It goes on by itself. Where it is a program of your own, see that that runs.",
}


_MANY = 100  # names of a report


def waiting_line(waiting: Waiting, seconds: float, own: int, c: Context) -> str:
    """All of it on one line; ``own``: this hospital's number."""
    why, remedy = why_and_remedy(waiting, own, c)
    names, step = _whom(waiting, own, c), step_words(waiting, c)
    whom = f"Waiting for {names}" if names else "Waiting"
    return " ".join(filter(None, [f"{whom} for {duration(seconds)}: {step}.", why, remedy]))


def waiting_event(waiting: Waiting, seconds: float, own: int, c: Context) -> dict[str, Any]:
    """The same for programs."""
    why, remedy = why_and_remedy(waiting, own, c)
    return {
        "event": "waiting",
        "kind": waiting.kind,
        "step": step_words(waiting, c),
        "for": [_name(waiting, m, c) for m in waiting.members],
        "is_for_this_hospital": own in waiting.members,
        "seconds": round(seconds, 1),
        "why": why,
        "remedy": remedy,
    }


def step_words(waiting: Waiting, c: Context) -> str:
    """What is waited for: a step, in words."""
    facts, kind = waiting.facts, waiting.kind
    session = facts.get("session")
    if kind == "link":
        where = facts.get("url", "the aggregator")
        return f"no link to {where} ({facts['reason']})" if "reason" in facts else "connecting"
    if kind == "upload":
        done, total = facts["done"] / 1e6, facts["total"] / 1e6
        return f"sending what this hospital has to say, {done:.1f} of {total:.1f} MB"
    if kind == "board":
        return f"reading {session or 'the board'}"
    if kind == "handover":
        return HANDOVER_STEPS[facts["step"]].format(session=session)
    if kind == "folder":
        return held_folder(facts)
    if kind == "check":
        return f"{session or 'a check of key shares'}, parts of a quorum"
    if kind == "vector":
        if "whose" not in facts:
            return "this hospital's own vector, for its checksum"
        if facts["whose"] == AGGREGATOR:
            return "the sum's vector"
        return f"the vector of {c.name(facts['whose'])}, to check the sum"
    listed = ", ".join(facts.get("rounds", ()))
    words = {**facts, "name": _round_of(waiting), "study": waiting.study, "listed": listed}
    return _STEPS[kind].format_map(words)


def why_and_remedy(waiting: Waiting, own: int, c: Context) -> tuple[str, str]:
    """Which message is missing, or what differs; and what to type or to do."""
    facts, kind = waiting.facts, waiting.kind
    if kind in ("agreement", "held-back"):
        event = {**facts, "study": waiting.study}
        is_held = kind == "held-back"
        words = held_back(event) if is_held else disagreement(_round_of(waiting), event)
        differing = () if is_held else facts["members"]
        silent = [m for m in waiting.members if m != AGGREGATOR and c.name(m) not in differing]
        return words, _typed(waiting, own, c) if silent else ""
    said = [_why(waiting, own)]
    if facts.get("abstains"):
        said.append("This hospital adds nothing to the round, and helps to decrypt its sum.")
    if refused := facts.get("refused"):
        said.append(f"{c.names(refused)} {_will_not(kind)}.")
    if votes := facts.get("votes"):
        return " ".join([*said[1:], _TOO_FEW]), " ".join(ways_out((), votes, waiting.study))
    remedy = facts.get("remedy") or _REMEDIES.get(kind) or _typed(waiting, own, c)
    return " ".join(filter(None, said)), f"{remedy} {_otherwise(waiting)}".strip()


def _will_not(step: str) -> str:
    return "approved less or withdrew" if step == "approvals" else "refused, and will not help"


def _round_of(waiting: Waiting) -> str:
    """The round that a wait is about, as people say it: ``cardio/7``."""
    facts = waiting.facts
    if "round" in facts:
        return f"{waiting.study}/{facts['round']}"
    return read_session(facts["session"]).name if "session" in facts else ""


def _why(waiting: Waiting, own: int) -> str:
    """Which message is missing, of whom."""
    kind, members = waiting.kind, waiting.members
    if waiting.facts.get("step") == "void":
        return "Others have proposed it. It ends once enough old members are for giving it up."
    if own in members and kind in ("locks", "parts"):
        return "This hospital does not help with it, since its data folder was put back."
    if waiting.facts.get("abstains") and kind == "contributions":
        if own in members:
            return "Without this hospital too few contribute."
        if AGGREGATOR in members:
            return "All others have contributed."
    return _WHY.get(kind, "")


def _whom(waiting: Waiting, own: int, c: Context) -> str:
    names = ", ".join(
        "this hospital" if m == own else _name(waiting, m, c) for m in waiting.members
    )
    needed = waiting.facts.get("needed", 0)
    if 0 < needed < len(waiting.members):
        return f"{needed} of {names}"
    return names


def names_of(waiting: Waiting, c: Context) -> str:
    """For whom it is waited, by name."""
    return ", ".join(_name(waiting, member, c) for member in waiting.members)


def _name(waiting: Waiting, member: int, c: Context) -> str:
    """A member's name; of a guest of a handover, the terms do not have it."""
    names = dict(zip(waiting.members, waiting.facts.get("names", ()), strict=False))
    return str(names.get(member) or c.name(member))


def _typed(waiting: Waiting, own: int, c: Context) -> str:
    """What those who are waited for type, or this hospital itself."""
    if waiting.facts.get("abstains") and own in waiting.members:
        return _ONCE_THERE_ARE
    if waiting.kind == "folder":
        return free_folder(waiting.facts, c)
    study = waiting.study
    if waiting.kind == "handover":
        command = command_of(waiting.facts, c)
    else:
        command = _command_for(waiting.kind, study, c, c.is_statistic(study))
    if waiting.members == (own,):
        return f"Type: {command}"
    if AGGREGATOR in waiting.members or not waiting.members:
        return _OPERATOR
    if waiting.facts.get("step") == "propose":
        return f"One of them types: {command}"
    others = [_name(waiting, m, c) for m in waiting.members if m != own]
    who = others[0] if len(others) == 1 else "each of them"
    return f"If the agent does not run there, {who} types: {command}"


def _command_for(kind: str, study: str, c: Context, is_statistic: bool = False) -> str:
    name = pasted(shown(study))
    if kind in ("join", "ceremony", "seeds"):
        return f"{COMMAND} ceremony {c.pasted}"
    if kind in ("check", "inheritance"):
        return f"{COMMAND} key check --together {c.pasted}"
    if kind == "approvals":
        return f"{COMMAND} study approve {name} {c.pasted}"
    if not is_statistic:
        return f"{COMMAND} train {c.pasted} --study {name}"
    if kind in ("contributions", "held-back"):
        return f"{COMMAND} contribute NUMBERS.csv --federation {c.pasted} --study {name}"
    return f"{COMMAND} decrypt {c.pasted} --study {name}"


def _otherwise(waiting: Waiting) -> str:
    """How it ends without them."""
    facts = waiting.facts
    if waiting.kind == "ceremony" and "step_seconds" in facts:
        return (
            f"(the ceremony is given up once a step has lasted {duration(facts['step_seconds'])})"
        )
    if (until := facts.get("until_seconds")) and AGGREGATOR in waiting.members:
        return f"(it waits for this hospital until the wait has lasted {duration(until)})"
    if until:
        return f"(else it goes on without them once the wait has lasted {duration(until)})"
    return ""


def round_waiting(found: Mapping[str, Any], own: str, c: Context) -> str:
    """A wait of an aggregator's report, which may hold anything; ``own``: this hospital's name."""
    names = [shown(name) for name in _listed(found.get("for"))]
    name, step = round_name(found.get("session")), str(found.get("step"))
    since = f" since {shown(found['since'])}" if found.get("since") else ""
    said = [f"waiting for {', '.join(names) or 'nobody'}{since}, {due(step, name)}."]
    needed = found.get("needed")
    if isinstance(needed, int) and 0 < needed < len(names):
        said.append(f"{needed} of them {number_of(needed, 'is', 'are')} enough.")
    if found.get("until"):
        said.append(f"It goes on without them at {shown(found['until'])}.")
    if handover := found.get("handover"):
        said.append(barred_by(handover, step))
    if refused := [shown(name) for name in _listed(found.get("refused"))]:
        said.append(f"{', '.join(refused)} {_will_not(step)}.")
    votes = found.get("votes_needed")
    if isinstance(votes, int) and votes > 0:
        return " ".join([*said, _TOO_FEW, *ways_out((), votes, found.get("study"))])
    is_statistic = found.get("kind") == "statistic"
    command = _command_for(step, str(found.get("study")), c, is_statistic)
    said.append(_REMEDIES.get(step) or _asked(names, own, command))
    return " ".join(filter(None, said))


def ceremony_remedy(names: Sequence[object], own: str, c: Context) -> str:
    """What is to be typed where a ceremony waits for these, by an aggregator's report."""
    if not names:
        return _BY_ITSELF
    return _asked([shown(name) for name in names], own, _command_for("ceremony", "", c))


def _asked(names: Sequence[str], own: str, command: str) -> str:
    if own in names:
        return f"OTHERS WAIT FOR THIS HOSPITAL: unless it is at work, type: {command}"
    return f"If the agent does not run there, they type: {command}"


def _listed(found: object) -> list[object]:
    return found[:_MANY] if isinstance(found, list) else []
