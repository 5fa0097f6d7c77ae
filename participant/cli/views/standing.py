"""How things stand, in words. The aggregator's report is shown as far as it says something."""

from collections.abc import Mapping
from typing import Any

from participant.cli.sentences import Context, ceremony_remedy, ends, left_out_line, round_waiting
from participant.cli.views.terminal import say
from protocol.words import (
    handover_lines,
    key_lines,
    lost,
    round_name,
    shown,
    vector_lines,
    ways_out,
)
from protocol.words.counted import counted
from protocol.words.duration import duration

_MANY = 1e9  # seconds
_LITTLE_BYTES = 64 << 20  # free on a disk; a large model takes more
_MAX_ROWS = 100  # of one table of the report


_NO_FILE = Context()  # of the name that terms have unless another is given


def show_standing(
    here: Mapping[str, Any] | None, there: Mapping[str, Any] | None, own: str, c: Context = _NO_FILE
) -> None:
    """Print what lies in the data folder, and what the aggregator reports.

    own: this hospital's name. c: for the commands that people are told to type.
    """
    if here:
        _show_here(here)
    if there:
        _show_members(there)
        _show_storage(_table(there.get("storage")))
        _show_clock(_table(there.get("clock")))
        if inheritance := _table(there.get("inheritance")):
            _show_inheritance(inheritance)
        else:
            _show_ceremony(there.get("ceremony"), own, c)
        _show_key(there)
        for found in _tables(there.get("studies")):
            _show_study(found)
        kinds = {str(one.get("study")): one.get("kind") for one in _tables(there.get("studies"))}
        for found in _tables(there.get("rounds")):
            is_statistic = kinds.get(str(found.get("study"))) == "statistic"
            _show_round(found, own, "statistic" if is_statistic else "training")
        for found in _tables(there.get("waiting")):
            say(f"  {round_waiting(found, own, c)}")


def _show_here(here: Mapping[str, Any]) -> None:
    epochs = ", ".join(map(str, here["key_share_epochs"])) or "none yet"
    say(f"Here: {here['name']}, member {here['member']}, in {here['data_folder']}")
    say(f"  key share of epoch  {epochs}")
    kept = here["models_kept"]
    last = [f"{name}/{number} ({kept[name]} kept)" for name, number in here["models"].items()]
    say(f"  last models         {', '.join(last) or 'none yet'}")
    if (free := here["free_bytes"]) is None:
        say("  THE DATA FOLDER CANNOT BE WRITTEN TO: read-only, or another user's")
    elif free < _LITTLE_BYTES:
        say(f"  THE DISK IS FULL, or nearly so: {free / 1e6:.1f} MB are free")
    if here["post_on_its_way"]:
        say("  a post is on its way. The next command sends it")


def _show_members(there: Mapping[str, Any]) -> None:
    head = shown(there.get("head"))[:16]
    entries = counted(shown(there.get("entries")), "entry", "entries")
    say(f"Aggregator: {entries} on the board, head {head}")
    for member in _tables(there.get("members")):
        since = member.get("connected_since")
        state = f"connected since {shown(since)}" if since else "not connected"
        last = member.get("last_post")
        spoke = f", last spoke {shown(last)}" if last else ", has not spoken yet"
        say(f"  {shown(member.get('name'))}: {state}{spoke}")


def _show_clock(clock: Mapping[str, Any]) -> None:
    for step in _tables(clock.get("steps")):
        by = step.get("seconds")
        if isinstance(by, int | float) and abs(by) < _MANY:
            way = "forward" if by > 0 else "back"
            say(
                f"  the clock of the aggregator's machine was set {way} by {duration(abs(by))} at "
                f"{shown(step.get('at'))}. Nothing is closed or kept open for that"
            )


def _show_storage(trouble: Mapping[str, Any]) -> None:
    if trouble:
        say(
            f"  THE AGGREGATOR CANNOT STORE ANYTHING since {shown(trouble.get('since'))}: "
            f"{shown(trouble.get('reason'))}. Its operator has to see to that"
        )


def _show_inheritance(found: Mapping[str, Any]) -> None:
    if (epoch := found.get("epoch")) is None:
        needed, said = shown(found.get("needed")), _names(found.get("said"))
        say(
            f"  key of the federation before: {needed} members have to say that they have it, all "
            f"the same; said by {said}"
        )
    else:
        say(f"  key of the federation before: taken over in epoch {shown(epoch)}")
    if missing := found.get("not_said"):
        say(f"    not yet said by {_names(missing)}")
    if another := found.get("said_another"):
        say(f"    ANOTHER KEY OR ENTRY was said by {_names(another)}")


def _show_ceremony(found: object, own: str, c: Context) -> None:
    ceremony = _table(found)
    if not ceremony:
        say("  ceremony: not begun")
    elif ceremony.get("complete"):
        say(f"  {shown(ceremony.get('session'))}: complete")
    else:
        waiting = _names(ceremony.get("waiting_for"))
        say(
            f"  {shown(ceremony.get('session'))}: step {shown(ceremony.get('step'))} since "
            f"{shown(ceremony.get('last_post'))}, waiting for {waiting}"
        )
        if until := ceremony.get("given_up_at"):
            say(f"    given up if they are silent until {shown(until)}")
        if not ceremony.get("aborted"):
            say(f"    {ceremony_remedy(_listed(ceremony.get('waiting_for')), own, c)}")
        _show_course(ceremony)
        for abort in _tables(ceremony.get("aborted")):
            say(f"    aborted by {shown(abort.get('by'))}: {shown(abort.get('reason'))}")
            if silent := abort.get("silent"):
                say(f"      for the silence of {_names(silent)}")


def _show_key(there: Mapping[str, Any]) -> None:
    """Which key there is, and the attempts to hand it over."""
    said = key_lines(there.get("key"), there.get("fingerprint"))
    for found in _tables(there.get("handovers")):
        said += handover_lines(found)
    for line in said:
        say(f"  {line}")


def _show_course(ceremony: Mapping[str, Any]) -> None:
    """How far it is, as the aggregator sees it; nothing before all have joined."""
    elapsed, remaining, share = (
        _number(ceremony.get(name))
        for name in ("elapsed_seconds", "remaining_seconds", "share_done_by_now")
    )
    if elapsed is None or ceremony.get("aborted"):
        return
    tried = counted(shown(ceremony.get("candidates")), "candidate")
    say(
        f"    {duration(elapsed)} since all have joined; {tried} tried "
        f"(about {shown(ceremony.get('expected_candidates'))} expected)"
    )
    if ceremony.get("is_found"):
        say("    a good candidate is found")
    elif share:
        say(f"    {share:.0%} of all ceremonies are done by now")
    if remaining is not None:
        say(f"    about {duration(remaining)} to go in the mean, however long it has taken")


def _show_study(found: Mapping[str, Any]) -> None:
    """One study; nothing of the report is believed, and what is missing is left out."""
    name, state = shown(found.get("study")), found.get("state")
    said = f"  {name} ({shown(found.get('kind'))}): {shown(state)}"
    if state == "open":
        said += f", at round {shown(found.get('round'))} of {shown(found.get('rounds'))}"
    say(said)
    if state == "proposed":
        say(
            f"    proposed by {shown(found.get('proposed_by'))}. Not yet answered: "
            f"{_names(found.get('not_answered'))}"
        )
    if withdrawn := found.get("withdrawn"):
        say(f"    withdrawn: {_names(withdrawn)}")
    if state == "open" and (votes := found.get("voted_to_end")):
        needed = shown(found.get("votes_needed"))
        say(f"    votes to end it: {_names(votes)} ({needed} needed)")
    if session := found.get("lost_round"):
        say(f"    {lost(session, found.get('goes_on'))}")
        ways = ways_out((), shown(found.get("votes_needed")), found.get("study"))
        for sentence in () if found.get("goes_on") else ways:
            say(f"    {sentence}")
    for sentence in vector_lines(found.get("vectors")):
        say(f"    {sentence}")
    for member, model in _pairs(found.get("disagreement")):
        say(f"    {shown(member)} stands at another model: {shown(model)[:16]}")


def _show_round(found: Mapping[str, Any], own: str, kind: str) -> None:
    contributors = _names(found.get("contributors"))
    name = round_name(found.get("session"))
    if not found.get("opened"):
        say(f"  {name}: model stated by {_names(list(_table(found.get('statements'))))}")
        return
    if not found.get("closed"):
        if found.get("given_up"):
            say(f"  {name}: given up, since too few contribute or its study has ended")
            return
        say(
            f"  {name}: open since {shown(found['opened'])}, contributed: {contributors}; "
            f"waiting for {_names(found.get('not_contributed'))}"
        )
        if found.get("held_back"):
            _show_ways_out(found)
        _show_left_out(found, own, kind)
        return
    locks = counted(shown(found.get("locks")), "lock")
    say(
        f"  {name}: closed {shown(found['closed'])} with {contributors}; "
        f"{locks} ({shown(found.get('locks_needed'))} needed), "
        f"partial decryptions of {_names(found.get('partial_decryptions'))}"
    )
    _show_left_out(found, own, kind)
    for who, reason in _pairs(found.get("refusals")):
        say(f"    {shown(who)} refused: {shown(reason)}")
    for complaint in _tables(found.get("complaints")):
        say(
            f"    {shown(complaint.get('by'))} complains of {shown(complaint.get('about'))}'s "
            f"partial decryption (entry {shown(complaint.get('entry'))})"
        )


def _show_left_out(found: Mapping[str, Any], own: str, kind: str) -> None:
    for name, said in _pairs(found.get("left_out")):
        facts = {**_table(said), "members": [name], "is_own": name == own, "fits": None}
        detail = _table(said).get("detail")
        say(f"    {left_out_line(facts, kind)}" + (f" ({shown(detail)})" if detail else ""))


def show_loss(there: Mapping[str, Any], seen: int) -> None:
    """Print that the board is shorter than what this hospital has seen of it, if it is."""
    entries = there.get("entries")
    if isinstance(entries, int) and entries < seen:
        say(
            f"WARNING: this hospital has seen {counted(seen, 'entry', 'entries')} of the board. The"
        )
        say("aggregator has lost data, or shows another board. Ask its operator to put back the")
        say("data folder from a backup, and compare the heads with the other members")


def _show_ways_out(found: Mapping[str, Any]) -> None:
    """What a round with enough contributions waits for, and what else ends that."""
    names = [shown(name) for name in _listed(found.get("held_back_for"))]
    say("    held back: with a sum of the same start that is open, every sum of the contributions")
    say("    that can be added would show too few hospitals")
    for sentence in ends(names, shown(found.get("votes_needed")), found.get("study")):
        say(f"    {sentence}")


def _table(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _pairs(found: object) -> list[tuple[str, Any]]:
    return list(_table(found).items())[:_MAX_ROWS]


def _tables(found: object) -> list[Mapping[str, Any]]:
    return [entry for entry in _listed(found) if isinstance(entry, dict)]


def _names(found: object) -> str:
    return ", ".join(map(shown, _listed(found))) or "nobody"


def _listed(found: object) -> list[object]:
    return found[:_MAX_ROWS] if isinstance(found, list) else []


def _number(found: object) -> float | None:
    """A number that can be meant; the report may hold anything, NaN included."""
    return found if isinstance(found, int | float) and 0 <= found < _MANY else None
