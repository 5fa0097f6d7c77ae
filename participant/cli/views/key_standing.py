"""How a key share stands, in words and as facts."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from participant.cli.views.terminal import say
from participant.home import BackupNote
from participant.key import KeyStanding
from participant.words.fingerprint import fingerprint
from protocol.words.counted import counted
from protocol.words.duration import duration

_DAY_MS = 86_400_000


def standing_facts(found: KeyStanding) -> dict[str, Any]:
    """One object, for programs; times are in UTC, None where they are not known here."""
    noted = found.noted
    return {
        "event": "key standing",
        "epoch": found.epoch,
        "fingerprint": fingerprint(noted.digest) if noted else None,
        "held_since": _time(noted.since_ms) if noted else None,
        "key_since": _time(noted.made_ms) if noted else None,
        "backups": _backup_facts(found.backups),
        "to_destroy": _backup_facts(found.worthless),
        "given_up": list(found.given_up),
    }


def show_key_standing(found: KeyStanding, now_ms: int, backup_command: str) -> None:
    """Print it. backup_command: what makes a backup."""
    if found.epoch is None:
        epochs = ", ".join(map(str, found.given_up))
        say(f"  the key was handed over, and the key share of epoch {epochs} was given up here")
    else:
        _show_share(found, now_ms)
        _show_backups(found, backup_command)
    if found.worthless:
        say("  TO DESTROY: backups of epochs that are over. To a thief each is a key share:")
        for note in found.worthless:
            say(f"    epoch {note.epoch}, {_time(note.time_ms)}: {note.file}")


def _show_share(found: KeyStanding, now_ms: int) -> None:
    say(f"  epoch        {found.epoch}")
    if found.noted is None:
        say("  nothing is noted of this key share. For its fingerprint, type key check")
        return
    noted, unknown = found.noted, "not known in this data folder"
    say(f"  fingerprint  {fingerprint(noted.digest)}")
    say(f"  held since   {_time(noted.since_ms)}{_age(noted.since_ms, now_ms)}")
    made = noted.made_ms
    say(f"  key since    {unknown if made is None else f'{_time(made)}{_age(made, now_ms)}'}")


def _show_backups(found: KeyStanding, backup_command: str) -> None:
    if not found.backups:
        say("  backups      none of this epoch was made from this data folder. Make one:")
        say(f"    {backup_command}")
        return
    say(f"  backups      {counted(len(found.backups), 'backup')} made from this data folder:")
    for note in found.backups:
        say(f"    {_time(note.time_ms)}: {note.file}")


def _backup_facts(notes: Iterable[BackupNote]) -> list[dict[str, Any]]:
    return [{"epoch": n.epoch, "time": _time(n.time_ms), "file": _text(str(n.file))} for n in notes]


def _text(path: str) -> str:
    """A path that JSON can hold: what is no text in it is shown as such."""
    return path.encode(errors="backslashreplace").decode()


def _time(ms: int | None) -> str | None:
    if ms is None:
        return None
    return datetime.fromtimestamp(ms // 1000, UTC).isoformat(sep=" ")


def _age(since_ms: int, now_ms: int) -> str:
    """How long ago it was; nothing where the clock has been set back since."""
    ms = now_ms - since_ms
    if ms < 0:
        return ""
    if ms < _DAY_MS:
        return f", for {duration(ms / 1000)}"
    return f", for {counted(ms // _DAY_MS, 'day')}"
