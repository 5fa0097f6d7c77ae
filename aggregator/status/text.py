"""The status report for people: who is missing, since when, which studies and rounds there are."""

from typing import Any

from aggregator.identity import CARD_NAME
from aggregator.status.file import OLD_SECONDS
from protocol.words import (
    barred_by,
    due,
    handover_lines,
    key_lines,
    lost,
    number_of,
    round_name,
    shown,
    vector_lines,
    ways_out,
    why_left_out,
)
from protocol.words.counted import counted
from protocol.words.duration import duration

_NOBODY = "nobody"


def render(report: dict[str, Any], running_since: str | None) -> list[str]:
    """The lines of text for a report as ``Aggregator.status`` makes it."""
    service = f"running since {running_since}" if running_since else "not running"
    entries = counted(report["entries"], "entry", "entries")
    return [
        f"{report['federation']}: service {service}, {entries}",
        *_age(report.get("report_seconds", 0.0)),
        *_storage(report["storage"]),
        *_clock(report["clock"]),
        *_members(report["members"]),
        *_card(report["card"]),
        _inheritance(found) if (found := report["inheritance"]) else _ceremony(report["ceremony"]),
        *key_lines(report["key"], report["fingerprint"]),
        *_not_shown(report["handovers_not_shown"], "handover", "handovers"),
        *(line for found in report["handovers"] for line in handover_lines(found)),
        *_not_shown(report["studies_not_shown"], "study", "studies"),
        *(_study(found) for found in report["studies"]),
        *_not_shown(report["rounds_not_shown"], "round", "rounds"),
        *(_round(found) for found in report["rounds"]),
        *(line for found in report["waiting"] for line in _waiting(found, report["rounds"])),
        *(_too_long(round_name(session), length) for session, length in report["too_long"].items()),
    ]


def _not_shown(count: int, one: str, many: str) -> list[str]:
    others = counted(count, f"other {one}", f"other {many}")
    return [f"{others} {number_of(count, 'is', 'are')} not shown"] if count else []


def _age(seconds: float) -> list[str]:
    if seconds < OLD_SECONDS:
        return []
    return [
        f"THIS REPORT IS {duration(seconds)} OLD: the service has written none since. Its disk "
        "may be full or read-only, or the machine's clock was set: see its log"
    ]


def _clock(found: dict[str, Any] | None) -> list[str]:
    if not found:
        return []
    last = found["steps"][-1]
    by, ahead = float(last["seconds"]), float(found["ahead_seconds"])
    way, side = ("forward" if by > 0 else "back"), ("ahead of" if ahead > 0 else "behind")
    return [
        f"THIS MACHINE'S CLOCK WAS SET {way} by {duration(abs(by))} at {last['at']}: it is "
        f"{duration(abs(ahead))} {side} the board's times, which go on as before. Nothing is "
        "closed or kept open for that"
    ]


def _storage(trouble: dict[str, Any] | None) -> list[str]:
    if not trouble:
        return []
    return [
        f"NOTHING CAN BE STORED since {trouble['since']}: {shown(trouble['reason'])}. It was last "
        f"tried {trouble['last_tried']}, and is tried again whenever a hospital sends something"
    ]


def _members(members: list[dict[str, Any]]) -> list[str]:
    width = max(len(member["name"]) for member in members)
    return [
        f"  {member['member']}  {member['name']:<{width}}  {_presence(member)}"
        for member in members
    ]


def _presence(member: dict[str, Any]) -> str:
    if since := member["connected_since"]:
        return f"connected since {since}"
    last = member["last_post"]
    return f"missing, last heard {last}" if last else "missing, never heard"


def _card(found: dict[str, Any] | None) -> list[str]:
    """Who has seen the newest card: the others know no way to where the service moves."""
    if found is None:
        return []
    said = f"card {found['number']}, {found['url']}: "
    if not found["not_seen"] and not found["seen_another"]:
        return [f"{said}all have seen it"]
    said += f"seen by {_listed(found['seen'])}"
    if missing := found["not_seen"]:
        said += f"; not yet by {_listed(missing)}"
        if found["number"] > 1:
            said += (
                ". They are offered it when they connect, as long as the service runs where their "
                "card leads, or take the file: "
                f"quorate-participant address federation.toml --take {CARD_NAME}"
            )
    lines = [said]
    if another := found["seen_another"]:
        lines.append(
            f"ANOTHER CARD {found['number']} was seen by {_listed(another)}, signed by this key: "
            "somebody else has it, or this folder was put back. Make a card with a higher number"
        )
    return lines


def _ceremony(ceremony: dict[str, Any] | None) -> str:
    if ceremony is None:
        return "ceremony: not begun"
    session = ceremony["session"]
    if ceremony["complete"]:
        return f"{session}: complete, {ceremony['public_key_bits']} bits"
    if ceremony["aborted"]:
        first = ceremony["aborted"][0]
        culprit = f", because of {first['culprit']}" if first["culprit"] else ""
        if first["silent"] and not culprit:
            culprit = f", for the silence of {', '.join(first['silent'])}"
        return f"{session}: aborted by {first['by']}{culprit} ({shown(first['reason'])})"
    waiting = ", ".join(ceremony["waiting_for"]) or _NOBODY
    since = ceremony["last_post"]
    step = ceremony["step"].replace("-commit ", " ")  # to commit and to open is one for people
    at = f"{session}: at {step}, waiting for {waiting} since {since}"
    if until := ceremony["given_up_at"]:
        at += f", until {until}"
    return f"{at}; {_course(ceremony)}" if ceremony["elapsed_seconds"] is not None else at


def _inheritance(found: dict[str, Any]) -> str:
    """Whether the key of the federation before counts here, and who has yet to say so."""
    if found["epoch"] is None:
        said = f"key of the federation before: {found['needed']} members have to say that they have"
        said += f" it, all the same; said by {_listed(found['said'])}"
    else:
        said = f"key of the federation before: taken over in epoch {found['epoch']}"
    if missing := found["not_said"]:
        said += f"; not yet said by {_listed(missing)}"
    if another := found["said_another"]:
        said += f"; ANOTHER KEY OR ENTRY was said by {_listed(another)}"
    return said


def _course(ceremony: dict[str, Any]) -> str:
    """How far it is; having waited long makes the wait no shorter, so no end is promised."""
    tried = f"{counted(ceremony['candidates'], 'candidate')} tried"
    course = [
        f"{duration(ceremony['elapsed_seconds'])} since all have joined",
        f"{tried} (about {ceremony['expected_candidates']} expected)",
    ]
    if ceremony["is_found"]:
        course.append("a good candidate is found")
    elif ceremony["candidates"]:
        course.append(f"{ceremony['share_done_by_now']:.0%} of all ceremonies are done by now")
    if (remaining := ceremony["remaining_seconds"]) is not None:
        course.append(f"about {duration(remaining)} to go in the mean")
    return "; ".join(course)


def _too_long(name: str, length: int) -> str:
    numbers = f"{counted(length, 'number')} {number_of(length, 'is', 'are')}"
    return f"{name}: {numbers} asked for, more than a contribution holds"


def _study(found: dict[str, Any]) -> str:
    """A study: its state, who has approved it, and who of its hospitals stands elsewhere."""
    parts = [f"study {found['study']}, {shown(found['purpose'])}", _standing(found)]
    parts.append(f"contribute: {_listed(found['contribute'])}")
    parts.append(f"help to open: {_listed(found['open'])}")
    for key, said in (
        ("withdrawn", "withdrawn"),
        ("not_answered", "not answered"),
        ("voted_to_end", f"voted to end it ({found['votes_needed']} needed)"),
    ):
        if found[key]:
            parts.append(f"{said}: {_listed(found[key])}")
    if found["lost_round"]:
        parts.append(_lost(found))
    if found["disagreement"]:
        models = [f"{name} {model[:12]}" for name, model in found["disagreement"].items()]
        parts.append(f"its hospitals stand at different models: {', '.join(models)}")
    parts += [line.removesuffix(".") for line in vector_lines(found["vectors"])]
    return "; ".join(parts)


def _lost(found: dict[str, Any]) -> str:
    said = lost(found["lost_round"], found["goes_on"])
    if found["goes_on"]:
        return said
    return " ".join((said, *ways_out((), found["votes_needed"], found["study"])))


def _standing(found: dict[str, Any]) -> str:
    if found["state"] == "proposed":
        lacking = [
            f"{found[key]} more to {what}"
            for key, what in (
                ("more_to_contribute", "contribute"),
                ("more_to_open", "help to open"),
            )
            if found[key]
        ]
        by = f"{found['proposed_by']} at {found['proposed']}"
        return f"proposed by {by}, and waiting for approvals: {' and '.join(lacking)}"
    if found["state"] == "open":
        return f"open, at round {found['round']} of {found['rounds']}"
    return "done" if found["state"] == "done" else f"ended after round {found['round']}"


def _listed(names: list[str]) -> str:
    return ", ".join(names) or _NOBODY


def _round(found: dict[str, Any]) -> str:
    session = round_name(found["session"])
    contributors = _listed(found["contributors"])
    left_out = "".join(f"; left out: {n} ({_why(why)})" for n, why in found["left_out"].items())
    stated = _listed(found["statements"])
    if not found["round"]:
        return f"{session}: the initial model is held by {stated}"
    if found["opened"] is None:
        return f"{session}: not opened, ready: {stated}"
    if found["closed"] is None:
        missing = _listed(found["not_contributed"])
        if found["given_up"]:
            return f"{session}: given up, contributed: {contributors}"
        return (
            f"{session}: open since {found['opened']}, contributed: {contributors}, "
            f"missing: {missing}{_progress(found)}{_held_back(found)}{left_out}"
        )
    refusals = "".join(f"; {n} refused ({shown(why)})" for n, why in found["refusals"].items())
    complaints = "".join(
        f"; {c['by']} complains of {c['about']}'s partial decryption (entry {c['entry']})"
        for c in found["complaints"]
    )
    holders, locks = len(found["statements"]), counted(found["locks"], "lock")
    helped = counted(len(found["partial_decryptions"]), "partial decryption")
    return (
        f"{session}: closed {found['closed']}, {contributors}; "
        f"{locks} ({found['locks_needed']} needed), "
        f"{helped} ({found['quorum']} needed), "
        f"{holders} {number_of(holders, 'holds', 'hold')} the result"
        f"{left_out}{refusals}{complaints}"
    )


def _why(found: dict[str, Any]) -> str:
    """Why a contribution is left out: the detail, or what the board tells of it after a restart."""
    return shown(found["detail"]) or why_left_out(found["reason"], found["other"])


_OF_STATISTICS = {"contributions": "contribute"}


def _waiting(found: dict[str, Any], rounds: list[dict[str, Any]]) -> list[str]:
    """For whom a round waits, since when, what they type, and how it goes on without them."""
    session, step, names = found["session"], found["step"], _listed(found["for"])
    if any(r["session"] == session and r["held_back"] for r in rounds):
        return []  # it waits for others, and that is said there
    since = f" since {found['since']}" if found["since"] else ""
    said = f"waiting for {names}{since}, {due(step, round_name(session))}."
    if 0 < found["needed"] < len(found["for"]):
        said += f" {found['needed']} of them {number_of(found['needed'], 'is', 'are')} enough."
    if found["until"]:
        said += f" It goes on without them at {found['until']}."
    if handover := found["handover"]:
        said += f" {barred_by(handover, step)}"
    if found["refused"]:
        said += f" {', '.join(found['refused'])} {_will_not(step)}."
    if step in ("opening", "sum"):
        if found["handover"]:
            return [said]
        return [f"{said} That is this service's own work: if it lasts, see its log"]
    if votes := found["votes_needed"]:
        return [
            " ".join(
                [said, "Too few are left to open the sum.", *ways_out((), votes, found["study"])]
            )
        ]
    if step == "approvals":
        return [f"{said} They type: quorate-participant study approve {found['study']}"]
    command = _OF_STATISTICS.get(step, "decrypt") if found["kind"] == "statistic" else "train"
    typed = f"quorate-participant {command} --study {found['study']}"
    return [f"{said} If their agents do not run, they type: {typed}"]


def _will_not(step: str) -> str:
    return "withdrew or declined" if step == "approvals" else "refused, and will not"


def _held_back(found: dict[str, Any]) -> str:
    """Why a round with enough contributions does not close, and what ends that."""
    if not found["held_back"]:
        return ""
    ways = ways_out(found["held_back_for"], found["votes_needed"], found["study"])
    return (
        "; held back: with a sum of the same start that is open, every sum of the contributions "
        f"that can be added would show too few hospitals. {' '.join(ways)}"
    )


def _progress(found: dict[str, Any]) -> str:
    """Under a hybrid suite, how far the sum is."""
    if not found["chunks"]:
        return ""
    chunks = counted(found["chunks"], "chunk")
    return f"; {found['suite']}, {found['chunks_summed']} of {chunks} summed"
