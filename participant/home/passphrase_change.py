"""Another passphrase for a home: its identity and every sealed file of its federations.

All files are sealed anew aside, in one folder; giving that folder its name is the moment from which
the new passphrase holds. Then each file takes the place of the old one. A crash before that moment
leaves the old state, and one after it is finished by whoever comes next, without any passphrase.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from participant.disk import entries, exists, hold, make_folder, move, remove_folder
from participant.errors import BadPassphrase, WrongPassphrase
from participant.home.identity import IDENTITY_NAME, load
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import reseal

_ASIDE, _DECIDED = "passphrase-change.tmp", "passphrase-change"
_COMMAND = "key passphrase"
_FEDERATION = re.compile(r"[0-9a-f]{16}")
_STAGED = re.compile(r"(?P<federation>[0-9a-f]{16})\.(?P<name>.+\.sealed)")


def change(home: Path, old: Passphrase, new: Passphrase) -> int:
    """Seal everything in ``home`` under ``new``; how many files, 0 if that was done before.

    A change that was broken off after its decision is finished, whatever its passphrase. Raises
    BadPassphrase for the present one, AlreadyRunning if a federation of the home is at work, and
    what ``reseal`` raises; then everything is as it was.
    """
    if old.encoded() == new.encoded():
        raise BadPassphrase("the present one", str(home))
    finish(home)
    if _opens_with(home, old, new):
        return 0
    aside = home / _ASIDE
    with _all_held(home):
        remove_folder(aside)
        sealed = _sealed_files(home)
        make_folder(aside)
        try:
            for path in sealed:
                reseal(path, aside / _staged_name(home, path), old, new)
        except BaseException:
            with contextlib.suppress(Exception):
                remove_folder(aside)
            raise
        move(aside, home / _DECIDED)
        _put_in_place(home)
    return len(sealed)


def finish(home: Path) -> bool:
    """Finish a change that was broken off after it had been decided; whether there was one."""
    if not exists(home / _DECIDED):
        return False
    with _all_held(home):
        _put_in_place(home)
    return True


def _put_in_place(home: Path) -> None:
    decided = home / _DECIDED
    for path in entries(decided) if exists(decided) else ():
        found = _STAGED.fullmatch(path.name)
        folder = home / found["federation"] / "vault" if found else home
        move(path, folder / (found["name"] if found else path.name))
    remove_folder(decided)


def _opens_with(home: Path, old: Passphrase, new: Passphrase) -> bool:
    """Whether the identity is sealed under ``new``; raises WrongPassphrase if under neither."""
    try:
        load(home, old)
    except WrongPassphrase as wrong:
        try:
            load(home, new)
        except WrongPassphrase:
            raise wrong from None
        return True
    return False


@contextlib.contextmanager
def _all_held(home: Path) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        for folder in (home, *_federations(home)):
            held.enter_context(hold(folder, _COMMAND))
        yield


def _federations(home: Path) -> list[Path]:
    return [p for p in entries(home) if p.is_dir() and _FEDERATION.fullmatch(p.name)]


def _sealed_files(home: Path) -> list[Path]:
    vaults = [f / "vault" for f in _federations(home) if (f / "vault").is_dir()]
    found = [path for vault in vaults for path in entries(vault) if path.suffix == ".sealed"]
    return [home / IDENTITY_NAME, *found]


def _staged_name(home: Path, path: Path) -> str:
    if path.parent == home:
        return path.name
    return f"{path.parent.parent.name}.{path.name}"
