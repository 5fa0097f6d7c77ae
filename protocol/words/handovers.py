"""The key and its handovers as both programs tell people of them.

By the aggregator's report on how things stand (``aggregator.status.handover``), which may hold
anything where another one made it.
"""

from collections.abc import Mapping
from typing import Any

from protocol.words.counted import number_of
from protocol.words.foreign import shown

_MOST = 100  # names of a list, and misdeeds
_OUTCOMES = {
    "open": "under way",
    "held": "held, since all new members have shown their shares",
    "void": "given up",
    "released": "released: the new shares are the key's",
    "thawed": "given up, and the shares stay as they were",
    "settled": "done: all new members have their shares",
}


def key_lines(key: object, fingerprint: object) -> list[str]:
    """Which key there is; fingerprint: of the federation that the aggregator serves."""
    found = _table(key)
    if not found:
        return []
    since = f"since {shown(found.get('since'))} ({shown(found.get('session'))})"
    if found.get("fingerprint") == fingerprint:
        return [f"key: epoch {shown(found.get('epoch'))}, {since}"]
    to = f"{shown(found.get('federation'))}, {shown(found.get('fingerprint'))[:16]}"
    return [f"THE KEY WAS HANDED OVER to {to}, {since}: no round is opened here any more"]


def handover_lines(handover: object) -> list[str]:
    """An attempt: how far it is and who is waited for; then, indented, who did wrong."""
    found = _table(handover)
    outcome = str(found.get("outcome"))
    said = [f"{shown(found.get('session'))}, {_what(found)}"]
    said.append(_OUTCOMES.get(outcome, shown(outcome)))
    if outcome in ("thawed", "settled"):
        said[-1] += f", at {shown(found.get('since'))}"
    if found.get("step"):
        said.append(_due(found))
    if outcome == "open":
        said += _roll(found)
    misdeeds = [_misdeed(_table(one)) for one in _listed(found.get("misdeeds"))]
    return ["; ".join(said), *misdeeds]


def _what(found: Mapping[str, Any]) -> str:
    by = f"proposed by {shown(found.get('proposed_by'))} at {shown(found.get('proposed'))}"
    quorum = f"{shown(found.get('quorum'))} of {len(_listed(found.get('new_members')))}"
    if found.get("kind") == "refresh":
        return f"new shares for the same members ({quorum}), {by}"
    return f"to {shown(found.get('federation'))} ({quorum}), {by}"


def _due(found: Mapping[str, Any]) -> str:
    waiting, needed = _listed(found.get("waiting_for")), _number(found.get("needed"))
    since = shown(found.get("since"))
    said = f"at {shown(found['step'])}, waiting for {_names(waiting)} since {since}"
    if 0 < needed < len(waiting):
        said += f" ({needed} of them {number_of(needed, 'is', 'are')} enough)"
    if needed > len(waiting):
        said += ". Too few can deal: it goes no further until members give it up"
    return said


def _roll(found: Mapping[str, Any]) -> list[str]:
    """Who has agreed, who is not there, and who votes to give the attempt up."""
    said = []
    consents, least = _listed(found.get("consents")), _number(found.get("consents_needed"))
    if len(consents) < least:
        said.append(f"agreed: {_names(consents)} ({least} needed)")
    if missing := _listed(found.get("not_arrived")):
        guests = [_table(one) for one in _listed(found.get("guests"))]
        here = [one.get("name") for one in guests if one.get("connected_since")]
        names = [f"{shown(name)} (connected)" if name in here else shown(name) for name in missing]
        said.append(f"not arrived: {', '.join(names)}")
    if voids := _listed(found.get("voids")):
        votes = _number(found.get("votes_needed"))
        said.append(f"for giving it up: {_names(voids)} ({votes} needed)")
    return said


def _misdeed(found: Mapping[str, Any]) -> str:
    entry = f"  entry {shown(found.get('entry'))}"
    if not found.get("by"):
        return f"{entry}: {shown(found.get('fault'))}"
    return f"{entry}: {shown(found.get('by'))} did wrong, {shown(found.get('fault'))}"


def _table(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _listed(found: object) -> list[object]:
    return found[:_MOST] if isinstance(found, list) else []


def _names(found: list[object]) -> str:
    return ", ".join(map(shown, found)) or "nobody"


def _number(found: object) -> int:
    """A number of members; 0 for what is none."""
    return found if isinstance(found, int) and 0 <= found <= _MOST else 0
